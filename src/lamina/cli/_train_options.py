"""The options of `lamina train` on a table, which `lamina tune` has some of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.cli._options import PRESETS, choosing, option
from lamina.core.precision import PRECISIONS
from lamina.table.formats import described
from lamina.table.schema import TASKS

__all__ = [
    "PART",
    "Data",
    "Device",
    "Drop",
    "Epochs",
    "Hidden",
    "Jobs",
    "Json",
    "Kind",
    "Memory",
    "Monotone",
    "Out",
    "Precision",
    "Preset",
    "Quantile",
    "Quiet",
    "Rate",
    "Resume",
    "Seed",
    "Shards",
    "Stream",
    "Target",
    "Task",
    "Test",
    "TimeLimit",
    "Trials",
    "Validation",
]

_training: dict[str, Any] = {"rich_help_panel": "How to train"}
_by_preset: dict[str, Any] = {"shown": "by preset", **_training}
PART = "A file, or a share of the rows; 0 for none."
"""What may validate, and test."""

Data = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Files: {described()}, globs, a folder of images by class, or - for standard input.",
        show_default=False,
    ),
]
Target = Annotated[str | None, option("The column to predict; images have theirs.", named="--target -t")]
Task = Annotated[str | None, choosing("{}, where the inferred one is wrong.", TASKS, " or ")]
Kind = Annotated[
    list[str] | None,
    option("COLUMN=numeric or COLUMN=categorical, where the inferred kind is wrong; repeatable."),
]
Drop = Annotated[list[str] | None, option("A column to leave out; repeatable.")]
Validation = Annotated[str | None, option(PART, "0.16; medium, fast: 0.08")]
Test = Annotated[str | None, option(PART, "0.2")]
Out = Annotated[Path | None, option("The run's folder, new.", "runs/<target>-<n>", named="--out -o")]
Resume = Annotated[Path | None, option("Continue the run in this folder where it stopped.", False)]
Preset = Annotated[
    str | None,
    choosing(
        "medium: a tenth of the time; fast: seconds; best: of many networks.",
        PRESETS,
        shown="default",
        **_training,
    ),
]
TimeLimit = Annotated[
    str | None,
    option(
        "Try networks for so long, as 5m, from start to end, and average the best.",
        "none",
        named="--time-limit",
        **_training,
    ),
]
Trials = Annotated[int | None, option("Try so many networks, and average the best.", "none", **_training)]
Jobs = Annotated[
    int | None,
    option(
        "Of a search, train so many networks at a time; -1: one for each core. It gives the same network.",
        "1",
        named="--jobs -j",
        **_training,
    ),
]
Epochs = Annotated[int | None, option("At most so many epochs.", **_by_preset)]
Hidden = Annotated[str | None, option("Units of the hidden layers, with commas.", **_by_preset)]
Rate = Annotated[float | None, option("The learning rate.", named="--lr", **_by_preset)]
Quantile = Annotated[
    str | None,
    option(
        "Of numbers: predict these quantiles instead of the mean, as 0.05,0.5,0.95.", "the mean", **_training
    ),
]
Monotone = Annotated[
    list[str] | None,
    option("COLUMN=1: predictions never fall with it; COLUMN=-1: they never rise; repeatable.", **_training),
]
Seed = Annotated[int | None, option("The seed of all randomness.", "0", **_training)]
Stream = Annotated[bool, option("Read rows from the disk, whatever the size.", False, **_training)]
Memory = Annotated[
    str | None,
    option(
        "What training may take, as 4G; larger tables are read from the disk.",
        "half of what is free",
        **_training,
    ),
]
Shards = Annotated[
    int | None,
    option("Cut each batch into so many parts, which the processes of mpirun share.", "not cut", **_training),
]
Device = Annotated[
    str | None,
    option("Where to train: cpu, gpu, gpu:1 …, auto (a GPU, if it is worth it).", "cpu", **_training),
]
Precision = Annotated[
    str | None,
    choosing("On a GPU, products of {}.", PRECISIONS, " or ", shown="float32", **_training),
]
Json = Annotated[bool, option("One JSON object instead of tables.", named="--json")]
Quiet = Annotated[bool, option("Only the run's folder, no warnings.", named="--quiet -q")]
