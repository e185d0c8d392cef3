"""``lamina tune DATA --target COLUMN``: the search of `lamina train --preset best`, trial by trial."""

from __future__ import annotations

from typing import Annotated, Any

from lamina.cli import _options as options
from lamina.cli import _train_options as asked
from lamina.cli import _train_table as train
from lamina.cli._options import one_of, option, positive, reading, said
from lamina.cli._search_run import require_search, seconds_said
from lamina.core.precision import PRECISIONS
from lamina.extras import require
from lamina.table.formats import begin_reading

__all__ = ["tune"]

_searching: dict[str, Any] = {"rich_help_panel": "How to search"}
TimeLimit = Annotated[
    str | None,
    option(
        "Search for so long, as 90s, 5m or 1h, from the command's start to its end.",
        "none",
        named="--time-limit",
        **_searching,
    ),
]
Validation = Annotated[str | None, option(asked.PART, "each network holds back rows of its own")]
Trials = Annotated[int | None, option("Train so many networks.", "16 without a time limit", **_searching)]
Jobs = Annotated[
    int | None,
    option(
        "Train so many networks at a time; -1: one for each core. It gives the same network.",
        "1",
        named="--jobs -j",
        **_searching,
    ),
]


def tune(
    data: asked.Data = None,
    target: asked.Target = None,
    time_limit: TimeLimit = None,
    trials: Trials = None,
    jobs: Jobs = None,
    task: asked.Task = None,
    kind: asked.Kind = None,
    drop: asked.Drop = None,
    validation: Validation = None,
    test: asked.Test = None,
    out: asked.Out = None,
    resume: asked.Resume = None,
    seed: asked.Seed = None,
    device: asked.Device = None,
    precision: asked.Precision = None,
    format: options.FormatOption = None,
    delimiter: options.DelimiterOption = None,
    encoding: options.EncodingOption = None,
    decimal: options.DecimalOption = None,
    quote: options.QuoteOption = None,
    as_json: asked.Json = False,
    quiet: asked.Quiet = False,
) -> int:
    """Search for the best network on a table, and see it.

    Trains networks of many settings, the presets' first, and averages the best, each as often as that lowers the loss
    of rows that they were not trained on. A table shows each trial: the settings that differ, its loss, its share of
    the average, its seconds; below it the best so far, and the time that is left. In the end there is a folder like
    that of `lamina train`; its report shows the search, and trials.jsonl holds all trials.

    Ctrl-C and the time limit keep the best so far. Each trial that is complete is kept in the folder, so that a search
    that was killed goes on with --resume, and one that is complete does with a longer --time-limit or more --trials.
    As many trials give the same network, however often they were interrupted, and however many are trained at a time.

    Examples:

    \b
      lamina tune people.csv --target income --time-limit 5m
      lamina tune houses.parquet --target price --trials 20 --out runs/houses
      lamina tune houses.parquet --target price --time-limit 10m --jobs 4
      lamina tune --resume runs/houses --trials 40
    """
    chosen = said(
        **train.table_said(data, target, task, kind, drop, validation, test, seed),
        preset=None if resume else "best",
        time_limit=seconds_said(time_limit),
        trials=positive("--trials", trials),
        precision=one_of("--precision", precision, PRECISIONS),
    )
    require_search(chosen, jobs, resumes=resume is not None)
    read_as = reading(format, delimiter, encoding, decimal, quote)
    require("searching on a table", "scikit-learn", "polars")
    begin_reading(data or ())
    return train.run_table(
        chosen,
        read_as,
        out,
        resume,
        device=device or "cpu",
        jobs=jobs,
        live=True,
        as_json=as_json,
        quiet=quiet,
    )
