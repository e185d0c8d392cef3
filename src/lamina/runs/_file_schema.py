"""The declared metadata of a run on a table, in the model file and in the checkpoint."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from lamina.estimators.importance import Importance
from lamina.estimators.occlusion import Word
from lamina.runs.data import Request
from lamina.runs.evaluation import ColumnShap, MeanShap
from lamina.runs.metrics import Below, Covered
from lamina.support.files.typed_json import Count, strict
from lamina.table.options import ReadOptions
from lamina.table.schema import Target, Task
from lamina.table.types import Choice
from lamina.table.written_numbers import Form
from lamina.training.checkpoint import Position

_OPTIONS = strict(ReadOptions, missing=list[str], as_text=list[str])
Asked: Any = strict(
    Request,
    data=list[str],
    kinds=dict[str, Choice],
    options=_OPTIONS,
)
"""A user's request; see `Request`."""

_SETTINGS = msgspec.defstruct(
    "Settings",
    [("lamina", str), ("resolved", dict[str, bool | int | float | str | list[int | float | str] | None])],
    bases=(Asked,),
    frozen=True,
    kw_only=True,
)
"""The request, lamina's version, and the resulting estimator settings."""

_TARGET, _IMPORTANCE = strict(Target, form=strict(Form) | None), strict(Importance)
_COVERED, _BELOW = strict(Covered), strict(Below)
_WORD = strict(Word)
_SHAP = strict(MeanShap, columns=list[strict(ColumnShap, classes=list[float])])


_Plain = None | bool | int | float | str


class _Chosen(msgspec.Struct, forbid_unknown_fields=True):
    """A trial in the final average."""

    number: Count
    score: float | None
    seconds: float
    ended: float
    epochs: Count
    best_epoch: Count
    complete: bool
    settings: dict[str, _Plain | list[_Plain]]
    share: float
    predicting: float | None = None


class _Search(msgspec.Struct, forbid_unknown_fields=True):
    """Summary of a search: trials, duration, best score over time, and the averaged trials."""

    trials: Count
    seconds: float
    best: list[tuple[float, float]]
    chosen: list[_Chosen]
    limit: float | None
    most_trials: Count | None


class _Decision(msgspec.Struct, forbid_unknown_fields=True):
    """How a class is predicted: the number of classes, the positive class, and its threshold."""

    classes: Count
    positive: str | None
    threshold: float | None


class _Results(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    task: Task
    target: str
    rows: dict[str, Count]
    divided: str = ""
    measured_on: str
    measured_rows: Count
    metrics: dict[str, dict[str, float | None]]
    epochs: Count
    best_epoch: Count
    interrupted: bool
    seconds: float
    decision: _Decision | None = None
    advice: list[str] = msgspec.field(default_factory=list)
    importance: list[_IMPORTANCE]  # pyright: ignore[reportInvalidTypeForm] - made above
    shap: _SHAP | None = None  # pyright: ignore[reportInvalidTypeForm]
    words: dict[str, list[_WORD]] = msgspec.field(default_factory=dict)  # pyright: ignore[reportInvalidTypeForm]
    intervals: list[_COVERED] = msgspec.field(default_factory=list)  # pyright: ignore[reportInvalidTypeForm]
    quantiles: list[_BELOW] = msgspec.field(default_factory=list)  # pyright: ignore[reportInvalidTypeForm]
    outermost: _COVERED | None = None  # pyright: ignore[reportInvalidTypeForm]
    search: _Search | UnsetType = UNSET


class _FirstSchema(msgspec.Struct, forbid_unknown_fields=True):
    """The table's schema, which lamina's first files stored a second time."""

    version: Literal[1]
    columns: list[dict[str, Any]]  # `ColumnSchema.from_dict` checks them
    rows: Count
    named: bool
    target: _TARGET | None  # pyright: ignore[reportInvalidTypeForm]


class Details(msgspec.Struct, forbid_unknown_fields=True):
    """A run's metadata besides the estimator's."""

    settings: _SETTINGS  # pyright: ignore[reportInvalidTypeForm] - made above
    results: _Results
    schema: _FirstSchema | UnsetType = UNSET


class _Generator(msgspec.Struct, forbid_unknown_fields=True):
    """The state of NumPy's PCG64: two 128-bit numbers, and a buffered 32-bit number."""

    bit_generator: Literal["PCG64"]
    state: dict[Literal["state", "inc"], Count]
    has_uint32: Count
    uinteger: Count


class TablePosition(Position, kw_only=True):
    """The position of an `EnsembleTraining`; the last field occurs only in lamina's first checkpoints.

    `random` has a seed and a stream for each member; in old files, one pair for all members.
    """

    steps: Count
    shuffling: _Generator
    random: list[Count | list[Count]]  # a seed and a stream for each member, or one pair for all
    # (a list, since msgspec 0.20 reads fixed tuples in unions beyond their memory)
    without_improvement: Count | UnsetType = UNSET
