"""A picture of the results: for every workload the contestants' times, relative to the fastest peer."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from report import Result, duration, label, setting

__all__ = ["draw"]

_LAMINA, _PEER, _BASELINE = "#c2410c", "#64748b", "#cbd5e1"
_COLUMNS = 3
_LONGEST = 3.2
"""Bars end at so many times the reference; a longer one is cut, and its label says the number."""


def draw(results: list[Result], threads: int, path: Path) -> None:
    """Write a PNG with a panel for each workload."""
    shown = [result for result in results if result.finishers and result.reference]
    if not shown:
        return
    rows = math.ceil(len(shown) / _COLUMNS)
    columns = min(_COLUMNS, len(shown))
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(5.4 * columns, 2.9 * rows + 0.7), squeeze=False, layout="constrained"
    )
    for axes, result in zip(grid.flat, shown, strict=False):
        _panel(axes, result, lanes=max(len(r.finishers) for r in shown))
    for axes in list(grid.flat)[len(shown) :]:
        axes.axis("off")
    figure.suptitle("Times relative to the fastest peer: shorter is better", fontsize=13, weight="bold")
    figure.supxlabel(setting(threads, shown[0].peak), fontsize=8, color="#475569")
    aside = path.with_suffix(".part.png")
    figure.savefig(aside, dpi=130)
    aside.replace(path)
    pyplot.close(figure)


def _panel(axes: Axes, result: Result, lanes: int) -> None:
    reference = result.reference
    assert reference is not None
    order = result.finishers
    ratios = [contestant.seconds / reference.seconds for contestant in order]
    axes.barh(
        range(len(order)),
        [min(ratio, _LONGEST) for ratio in ratios],
        color=[_colour(contestant.entry) for contestant in order],
        height=0.72,
    )
    for y, (contestant, ratio) in enumerate(zip(order, ratios, strict=True)):
        text = f"{duration(result.seconds(contestant))}  ({ratio:.2f}×)"
        colour = "black" if _colour(contestant.entry) == _BASELINE else "white"
        if ratio > 0.55 * _LONGEST:
            axes.text(min(ratio, _LONGEST) - 0.05, y, text, va="center", ha="right", fontsize=8, color=colour)
        else:
            axes.text(
                ratio + 0.05,
                y,
                text,
                va="center",
                fontsize=8,
                color="#0f172a",
                bbox={"color": "white", "pad": 0.4},
            )
    axes.axvline(1, color="#0f172a", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_yticks(range(len(order)), [label(contestant) for contestant in order], fontsize=8)
    axes.set_ylim(lanes - 0.4, -0.6)  # bars are as thick in every panel
    axes.set_xlim(0, _LONGEST)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(_wrapped(f"{result.name}: {result.workload.title}"), fontsize=9, loc="left")


def _wrapped(title: str, width: int = 52) -> str:
    if len(title) <= width:
        return title
    cut = title.rfind(" ", 0, width)
    return f"{title[:cut]}\n{title[cut + 1 :]}"


def _colour(entry: str) -> str:
    if entry.startswith("lamina"):
        return _LAMINA
    return _BASELINE if entry in ("numpy", "blas") else _PEER
