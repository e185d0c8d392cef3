"""The schema of the metadata in estimators' files, for the current format and for earlier formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from lamina.errors import LaminaError
from lamina.estimators.architecture import Architecture
from lamina.support.files.typed_json import strict
from lamina.table.schema import Target

Scalar = None | bool | int | float | str
Setting = None | bool | int | float | str | list[Scalar] | dict[str, Scalar | list[Scalar]]

_MOST_ONE_HOT = 64
"""Limit on one-hot categories, whose table of ones and zeros takes quadratic memory."""

MOST_MEMBERS = 1 << 16
"""Limit on members in files, since memory is allocated for each before arrays are counted."""

_Architecture = Struct
if not TYPE_CHECKING:
    Target, _Architecture = strict(Target), strict(Architecture)  # for the annotations below


class TableSchema(Struct, forbid_unknown_fields=True):
    """The schema of a training table."""

    version: Literal[1, 2, 3]
    columns: list[dict[str, Any]]  # `ColumnSchema.from_dict` checks them
    rows: int
    named: bool
    target: Target | None
    intervals: list[dict[str, Any]] | UnsetType = UNSET


class _Encoder(Struct, forbid_unknown_fields=True):
    version: Literal[1]
    schema: TableSchema
    max_one_hot: Annotated[int, Meta(ge=0, le=_MOST_ONE_HOT)]
    missing_indicator: bool
    robust_scale: bool
    smooth_clip: bool
    unclipped: list[str] | UnsetType = UNSET


class Learned(Struct, forbid_unknown_fields=True):
    """The learned attributes of an estimator; the last two fields occur only in files of format 1."""

    n_features_in_: int
    loss_: float | UnsetType = UNSET
    loss_curve_: list[float] | UnsetType = UNSET
    validation_scores_: list[float] | UnsetType | None = UNSET
    best_validation_score_: float | UnsetType | None = UNSET
    best_loss_: float | UnsetType | None = UNSET
    best_epoch_: int | UnsetType = UNSET
    n_iter_: int | UnsetType = UNSET
    t_: int | UnsetType = UNSET
    multilabel: bool | UnsetType = msgspec.field(default=UNSET, name="_multilabel")
    flat: bool | UnsetType = msgspec.field(default=UNSET, name="_flat")


class TargetState(Struct, forbid_unknown_fields=True):
    """The target of a classifier (the first five fields) or of a regressor (the others).

    `positive` and `threshold` occur only for two classes, and not in formats before 6. `levels` are quantile levels.
    """

    dtype: str | UnsetType = UNSET
    values: list[Scalar] | UnsetType = UNSET
    multilabel: bool | UnsetType = UNSET
    positive: Literal[0, 1] | UnsetType = UNSET
    threshold: Annotated[float, Meta(gt=0, le=1)] | UnsetType = UNSET
    flat: bool | UnsetType = UNSET
    logarithmic: bool | UnsetType = UNSET
    levels: list[float] | UnsetType = UNSET


class _Common(Struct, forbid_unknown_fields=True, kw_only=True):
    kind: Literal["MLPClassifier", "MLPRegressor"] = msgspec.field(name="class")
    parameters: dict[str, Setting]
    learned: Learned
    feature_names: list[str] | None
    encoder: _Encoder


class Member(Struct, forbid_unknown_fields=True):
    """A member of the ensemble: its architecture, and its weight in the ensemble's mean."""

    architecture: _Architecture
    share: Annotated[float, Meta(gt=0, le=1)]


class Content(_Common, forbid_unknown_fields=True, kw_only=True):
    """The content of a file in formats 4 to 11.

    Format 5 added smooth numeric inputs, 6 thresholds, 7 the types of columns instead of their kinds, 8 linear paths,
    9 exact values, 10 effects of categories in linear paths, and 11 numbers with many pieces apart from others.
    """

    members: Annotated[list[Member], Meta(min_length=1)]
    target: TargetState

    def modern(self) -> Content:
        """The content in the current format; fields that formats 4 to 7 lack have their defaults."""
        return self

    def architectures(self) -> list[Architecture]:
        """The architecture of each member; members with equal architectures share an object."""
        known = {one.architecture: None for one in self.members}
        made = {one: Architecture(**msgspec.structs.asdict(one)) for one in known}
        return [made[one.architecture] for one in self.members]


class _OneArchitecture(_Common, forbid_unknown_fields=True, kw_only=True):
    architecture: _Architecture
    members: Annotated[int, Meta(ge=1, le=MOST_MEMBERS)]

    def _with(self, target: TargetState) -> Content:
        """The content in the current format, in which all members have the same architecture and equal shares."""
        same = {name: getattr(self, name) for name in _Common.__struct_fields__}
        members = [Member(self.architecture, 1 / self.members)] * self.members
        return Content(**same, members=members, target=target)


class ContentOfOneArchitecture(_OneArchitecture, forbid_unknown_fields=True, kw_only=True):
    """The content of a file in formats 2 and 3, in which all members have the same architecture."""

    target: TargetState

    def modern(self) -> Content:
        """The content in the current format."""
        return self._with(self.target)


class FirstContent(_OneArchitecture, forbid_unknown_fields=True, kw_only=True):
    """The content of a file in format 1, which stores the target's properties as attributes of the estimator."""

    classes: TargetState | None
    rates: dict[str, tuple[float, bool]]

    def modern(self) -> Content:
        """The content in the current format."""
        learned, target = self.learned, self.classes or TargetState()
        if self.kind == "MLPClassifier":
            target.multilabel = learned.multilabel
        else:
            target = TargetState(flat=learned.flat, logarithmic=self.parameters.get("loss") == "poisson")
        learned.multilabel = learned.flat = UNSET
        return self._with(target)


def is_setting(value: dict[Any, Any] | Sequence[Any] | np.ndarray | float | None) -> bool:
    """Whether a file can store this value of a setting.

    Files store scalars, lists of scalars, and dicts whose values are scalars or lists of scalars.
    """
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    return _is_plain(value) or (
        isinstance(value, np.ndarray) and value.ndim == 1 and is_setting(value.tolist())
    )


def _is_plain(value: Sequence[Any] | np.ndarray | float | None) -> bool:
    return all(map(_is_scalar, value)) if isinstance(value, list | tuple) else _is_scalar(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | np.bool_ | np.number) or value is None


# --- classes ---------------------------------------------------------------------------------------------------------

_CLASSES = re.compile(
    r"\|b1|[<>|][iu][1248]|[<>]f[248]|[<>]U[0-9]{1,6}|O|[<>][Mm]8\[[0-9]{0,4}[A-Za-z]{1,2}\]"
)
"""Supported dtypes of classes."""

_LARGEST_CLASSES = 1 << 26  # bytes


def stored_classes(values: np.ndarray) -> TargetState:
    """Classes in the form that files store; dates and times become integers in the array's unit.

    Raises:
        LaminaError: the type of the classes can't be stored.
    """
    dtype = "O" if values.dtype == object else values.dtype.str
    plain: list[Any] = (values.view("i8") if values.dtype.kind in "mM" else values).tolist()
    other = next((type(value).__name__ for value in plain if not _is_scalar(value)), None)
    if other or not _CLASSES.fullmatch(dtype):
        raise LaminaError(
            f"classes of the type {other or values.dtype} can't be saved; train with strings, "
            "numbers or NumPy dates"
        )
    return TargetState(dtype=dtype, values=plain)


def class_values(state: TargetState) -> np.ndarray:
    """The classes that `stored_classes` stored in `state`.

    Raises:
        ValueError: the classes don't match their declared type, or are not distinct.
    """
    dtype, values = state.dtype, state.values
    if dtype is UNSET or values is UNSET:
        raise ValueError("it does not list the classes")
    if not _CLASSES.fullmatch(dtype):
        raise ValueError(f"its classes have the type {dtype[:20]!r}, which is not supported")
    kind = np.dtype(dtype)
    if kind.itemsize * len(values) > _LARGEST_CLASSES:
        raise ValueError(f"its {len(values)} classes of the type {dtype!r} would take too much memory")
    types: Any = {"b": bool, "U": str, "f": float, "O": Scalar}.get(kind.kind, int)
    plain: list[Any] = msgspec.convert(values, list[types])
    if len(set(plain)) < len(plain):
        raise ValueError("it lists the same class twice")
    if kind.kind in "mM":
        return np.array(plain, kind.byteorder + "i8").view(kind)
    return np.array(plain, kind)
