"""The part of a report that tells of a search: what was tried, what came of it and when, what is averaged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.runs import _captions as captions
from lamina.runs import _figures as figures
from lamina.runs._html import escape, figure, section, small, table
from lamina.runs.networks import share_in_words
from lamina.runs.search_words import search_summary, settings_that_differ, short_name, value_in_words
from lamina.table.messages import counted

__all__ = ["search_section"]

_BEST = 10
"""Trials that the table holds besides those that are averaged."""


def search_section(search: Mapping[str, Any], *, score: str, sign: int, pictures: bool) -> str:
    """The section, with a figure and a table of trials; `score`, `sign`: what the score is called and its sign."""
    lines = search["lines"]
    shown = ""
    if pictures and search["best"]:
        svg = figures.search(lines, search["best"], score, sign)
        shown = figure(
            svg,
            "Validation score of each trial, and of the best average",
            captions.search(lines, search["best"], score, sign),
        )
    trials = _trials(lines, "loss" if sign < 0 else score, sign)
    return section("The search", f"<p>{_said(search)}</p>{shown}{trials}" + small(_NOTE))


_NOTE = (
    "Each trial is a training with other settings. Trials are averaged as often as that improves the score of the rows "
    "that validate (Caruana, Niculescu-Mizil, Crew and Ksikes, 2004). What is chosen by the score of these rows has a "
    "better score on them than on others."
)


def _said(search: Mapping[str, Any]) -> str:
    limit, most = search["limit"], search["most_trials"]
    asked = "" if limit is None else f", within {limit:g} s for the whole command"
    asked += "" if most is None else f", of at most {counted(most, 'trial')}"
    return f"{search_summary(search)}, in {search['seconds']:.1f} s of search{asked}."


def _trials(lines: Sequence[Mapping[str, Any]], score: str, sign: int) -> str:
    ranked = sorted(lines, key=lambda line: (-line["share"], -_known(line["score"])))
    chosen = [line for line in ranked if line["share"]]
    others = ranked[len(chosen) : len(chosen) + _BEST]
    shown = [*chosen, *others]
    names = settings_that_differ(shown)
    head = [
        "trial",
        "share",
        escape(score),
        "epochs",
        "seconds",
        *(escape(short_name(name)) for name in names),
    ]
    rows = [
        [
            str(line["number"]) + ("" if line["complete"] else " (cut)"),
            share_in_words(line["share"]) if line["share"] else "–",
            "–" if line["score"] is None else f"{sign * line['score']:.4f}",
            f"{line['best_epoch']} of {line['epochs']}",
            f"{line['seconds']:.1f}",
            *(escape(value_in_words(line["settings"].get(name))) for name in names),
        ]
        for line in shown
    ]
    more = len(lines) - len(shown)
    note = (
        small(f"And {counted(more, 'trial')} more, which are not averaged; all are in trials.jsonl.")
        if more
        else ""
    )
    return table(head, rows, numeric=range(5)) + note


def _known(score: float | None) -> float:
    """A score to rank by: a trial that has none is the last."""
    return -math.inf if score is None else score
