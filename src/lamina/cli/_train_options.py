"""The options of `lamina train` on a table, which `lamina tune` has some of, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.cli._options import PRESETS, choosing, directions, layers, levels, one_of, option, positive, said
from lamina.cli._search_run import seconds_said
from lamina.core.precision import PRECISIONS
from lamina.errors import LaminaError
from lamina.extras import require
from lamina.table.formats import described
from lamina.table.schema import TASKS

__all__ = ["PART", "Computing", "Judging", "Quiet", "Replace", "Shown", "Table", "Training", "searching"]

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
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="Train beside the run in --out, which stays until the new one takes its place."
    ),
]
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
Hidden = Annotated[
    str | None, option("Units of the hidden layers, with commas; none: a linear model.", **_by_preset)
]
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
_judging: dict[str, Any] = {"rich_help_panel": "What counts"}
ClassWeight = Annotated[
    list[str] | None,
    option(
        "balanced: rare classes weigh as much in the loss as frequent ones; or CLASS=WEIGHT, repeatable.",
        "all rows alike",
        named="--class-weight",
        **_judging,
    ),
]
Scoring = Annotated[
    str | None,
    option(
        "What validation chooses by: a name of scikit-learn's, as f1, average_precision or r2.",
        "the loss",
        **_judging,
    ),
]
Threshold = Annotated[
    str | None,
    option(
        "Of two classes: from which probability on the rare one is predicted, as 0.3; f1, balanced: what is best "
        "on validation rows.",
        "the likelier class",
        **_judging,
    ),
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

_RETIRED = "sklearn"
"""A preset that is obeyed still, and not offered."""


@dataclass(frozen=True)
class Table:
    """What is trained on, and where the run is."""

    data: Data = None
    target: Target = None
    task: Task = None
    kind: Kind = None
    drop: Drop = None
    validation: Validation = None
    test: Test = None
    out: Out = None
    resume: Resume = None
    replace: Replace = False

    def said(self) -> dict[str, Any]:
        """What is said of the table and of its parts, as a `Request` has it."""
        return said(
            data=tuple(self.data or ()) or None,
            target=self.target,
            task=one_of("--task", self.task, TASKS),
            kinds=_kinds(self.kind or [], self.drop or []) or None,
            validation=self.validation,
            test=self.test,
        )


@dataclass(frozen=True)
class Training:
    """How networks are trained."""

    preset: Preset = None
    time_limit: TimeLimit = None
    trials: Trials = None
    jobs: Jobs = None
    epochs: Epochs = None
    hidden: Hidden = None
    lr: Rate = None
    quantile: Quantile = None
    monotone: Monotone = None
    shards: Shards = None
    stream: Stream = False
    memory: Memory = None

    @property
    def is_retired(self) -> bool:
        """Whether the preset is obeyed, but not offered."""
        return self.preset == _RETIRED

    def said(self) -> dict[str, Any]:
        """What is said of it, as a `Request` has it."""
        return said(
            preset=one_of("--preset", self.preset, (_RETIRED,) if self.is_retired else PRESETS),
            epochs=positive("--epochs", self.epochs),
            hidden=None if self.hidden is None else layers(self.hidden),
            learning_rate=positive("--lr", self.lr),
            quantiles=None if self.quantile is None else levels(self.quantile),
            monotone=directions(self.monotone or []) or None,
            shards=positive("--shards", self.shards),
            stream=self.stream or None,
            **searching(self.time_limit, self.trials),
        )


@dataclass(frozen=True)
class Judging:
    """What counts as good: weights of classes, the validation score, and how it is decided between two classes."""

    class_weight: ClassWeight = None
    scoring: Scoring = None
    threshold: Threshold = None

    def said(self) -> dict[str, Any]:
        """What is said of it, as a `Request` has it."""
        if self.scoring is not None or self.threshold is not None:
            require("training on a table", "scikit-learn")
        return said(
            class_weight=class_weights(self.class_weight or []) or None,
            scoring=None if self.scoring is None else _scoring(self.scoring),
            threshold=None if self.threshold is None else _threshold(self.threshold),
        )


def class_weights(texts: Sequence[str]) -> str | dict[str, float]:
    """What ``--class-weight`` says: "balanced", or weights by class.

    Raises:
        LaminaError: neither; both; two weights of a class; a weight that is negative or no number.

    >>> class_weights(["balanced"]), class_weights(["yes=10", "a=b=0.5"])
    ('balanced', {'yes': 10.0, 'a=b': 0.5})
    """
    if list(texts) == ["balanced"]:
        return "balanced"
    found: dict[str, float] = {}
    for text in texts:
        name, _, weight = text.rpartition("=")
        number = _number(weight)
        if not name or number is None or not 0 <= number < float("inf"):
            alone = " alone" if text == "balanced" else ""
            raise LaminaError(f"--class-weight {text}: write balanced{alone}, or CLASS=WEIGHT, as yes=10")
        if found.setdefault(name, number) != number:
            raise LaminaError(f"--class-weight {text}: the same class has {found[name]:g} too; leave one out")
    return found


def _scoring(name: str) -> str:
    from lamina.estimators.scoring import check_scoring

    try:
        check_scoring(name, ("log_loss", "loss"))
    except ValueError as error:
        raise LaminaError(f"--scoring: {error}") from error
    return name


def _threshold(text: str) -> str | float:
    from lamina.estimators.threshold import CRITERIA

    number = _number(text)
    if text not in CRITERIA and (number is None or not 0 < number < 1):
        raise LaminaError(f"--threshold {text}: it is f1, balanced, or a number between 0 and 1, as 0.3")
    return text if number is None else number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def searching(time_limit: str | None, trials: int | None) -> dict[str, Any]:
    """How long a search is, as a `Request` has it."""
    return said(time_limit=seconds_said(time_limit), trials=positive("--trials", trials))


@dataclass(frozen=True)
class Computing:
    """What computes, and from which seed."""

    seed: Seed = None
    device: Device = None
    precision: Precision = None

    def said(self) -> dict[str, Any]:
        """What is said of it, as a `Request` has it: the device is none of a run's settings."""
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise LaminaError(f"--seed {self.seed}: it is a whole number from 0 to {2**32 - 1}")
        return said(seed=self.seed, precision=one_of("--precision", self.precision, PRECISIONS))


@dataclass(frozen=True)
class Shown:
    """What is told of it."""

    as_json: Json = False
    quiet: Quiet = False


def _kinds(kinds: list[str], drop: list[str]) -> dict[str, Any]:
    from lamina.table.types import CHOICES

    chosen: dict[str, Any] = {}
    for text in kinds:
        name, equals, kind = text.rpartition("=")
        if not equals or not name or kind not in CHOICES:
            raise LaminaError(f"--kind {text}: write COLUMN=numeric or COLUMN=categorical")
        chosen[name] = kind
    return {**chosen, **dict.fromkeys(drop, "drop")}
