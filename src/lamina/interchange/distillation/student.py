"""Training of a network on the predictions of any fitted model, for export to ONNX, a page, C or a file.

The student learns the teacher's predictions (soft targets: Hinton, Vinyals, Dean, "Distilling the knowledge in a neural
network", 2015, arXiv 1503.02531) for the rows of the table and for synthetic rows (MUNGE: Buciluă, Caruana,
Niculescu-Mizil, "Model compression", KDD 2006). A synthetic row is a row of the table in which some cells come from a
similar row. Fakoor, Mueller, Erickson, Chaudhari, Smola measured this method for stacks of boosting and networks
("Fast, accurate, and simple models for tabular data via augmented distillation", NeurIPS 2020, arXiv 2006.14284).

>>> from sklearn.datasets import load_iris
>>> from sklearn.ensemble import HistGradientBoostingClassifier
>>> import lamina
>>> X, y = load_iris(return_X_y=True)
>>> teacher = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
>>> student = lamina.distill(teacher, X, y, preset="fast", folds=2, random_state=0)
>>> student.predict(X[:2]).tolist(), bool(student.score(X, y) > 0.9)
([0, 0], True)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from lamina.errors import DataError
from lamina.estimators import MLPClassifier, MLPRegressor
from lamina.estimators.base import encoder_of, fit_table
from lamina.estimators.inputs import is_frame, mark_of_rows
from lamina.estimators.search.plan import limits_of
from lamina.estimators.settings import settings_of
from lamina.estimators.targets import Classes, positive_class, with_target
from lamina.interchange.distillation.teachers import Teacher, Told
from lamina.support import messages
from lamina.table.columns import Column, import_narwhals
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.marks import group_codes
from lamina.table.schema import Schema
from lamina.table.split import FEWEST_FOR_VALIDATION, splitter_for
from lamina.training.time_limit import TimeLimit, duration_said, seconds_of

_MADE, _MOST_ROWS = 1, 200_000
"""Synthetic rows per row in regression, and the limit on all rows. Synthetic rows made classifiers' log-loss worse."""
_SWAPPED = 0.3
"""The share of a synthetic row's cells taken from its neighbour."""
_NEAREST, _LOOKED_AT = 5, 5000
"""A neighbour is one of the 5 nearest of 5,000 random rows."""
_FOLDS, _FEWER_FOLDS, _MANY_ROWS = 10, 5, 10_000
"""Refits of the teacher, and fewer for tables of more rows, whose refits have enough rows to learn from."""
_TRUTH = 0.5
"""The weight of `y` in a row's target, if given; the rest is the teacher's out-of-fold prediction."""
_TEACHERS_SHARE = 0.5
"""The share of the time limit for refits and predictions of the teacher."""
_MOST_GROUPS = 1000
_PLACES = 4


def distill(
    teacher: Any,
    X: Any,
    y: Any = None,
    *,
    preset: str | None = None,
    made: int | None = None,
    folds: int | None = None,
    groups: Any = None,
    target: str | None = None,
    time_limit: float | str | None = None,
    random_state: Any = None,
    **settings: Any,
) -> MLPClassifier | MLPRegressor:
    """Train a network, the student, on the predictions of `teacher`; return the student, an ordinary estimator.

    Args:
        teacher: a fitted model with `predict_proba` (a classifier) or `predict` (a regressor), which takes tables like
            `X`; or only its predictions for `X`: numbers, (rows,) or (rows, targets), or a frame of probabilities with
            a column for each class. Without a model, no synthetic rows are added.
        X: the rows to learn from, as for `MLPClassifier.fit`: the teacher's training rows, or similar rows.
        y: the target, (rows,), if `X` is the teacher's training table. Then a clone of the teacher
            (`sklearn.base.clone`) is refit for each fold, and predicts the held-out rows and synthetic rows made
            from these, since the teacher is overconfident on rows that it was fitted to. A row's target is the mean of
            `y` and this prediction.
        preset: the student's preset; None: "medium", or a search if there is a time limit.
        made: the number of synthetic rows per row of `X`, labelled by the teacher; None: 1 for regression, 0 for
            classification, where synthetic rows made the log-loss worse in measurements, and for very large tables.
        folds: number of refits; 0: learn the predictions of the teacher itself; None: 10, or 5 beyond 10,000 rows.
        groups: the group of each row, (rows,), or None: rows of a group stay together in folds and splits.
        target: the target's name in files and pages; None: the name of `y` as a column.
        time_limit: total seconds, or text such as "5m": at most half for refits and synthetic rows, the rest for a
            search (see `MLPClassifier`). None: one training.
        random_state: the seed of the student and of the synthetic rows.
        settings: other settings of the student. Its `predict_interval` and `predict_set` raise, without held-out rows.

    Raises:
        TypeError: the teacher has no `predict`, or can't be cloned though `y` is given.
        DataError (a ValueError): a prediction of the teacher is neither a finite number nor a probability for each
            class; `y` has a class that the teacher lacks; or the table is invalid.
        ValueError: a setting needs the true classes, or conflicts with a time limit.
    """
    for name, count in (("made", made or 0), ("folds", folds or 0)):
        if not isinstance(count, Integral) or int(count) < 0:
            raise DataError(f"{name}={count!r}: must be a whole number, 0 or more")
    limit = TimeLimit(math.inf if time_limit is None else seconds_of(time_limit))
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    is_told = hasattr(teacher, "__array__") and not hasattr(teacher, "predict")
    model: Any = Told(teacher) if is_told else Teacher(teacher)
    preset = preset or ("medium" if time_limit is None else "default")
    chosen = {"preset": preset, "time_limit": time_limit, "random_state": random_state}
    student = _student(model.classes, {**settings, **chosen})
    lesson = _lesson(model, student, X, y, made, folds, mark_of_rows("groups", groups), limit, rng)
    return _taught(student, lesson, target or getattr(y, "name", None), limit)


class _Lesson(NamedTuple):
    """The rows that a student learns: its table with synthetic rows, their targets, and which rows stay together."""

    table: Any
    wanted: np.ndarray
    schema: Schema
    groups: Column | None


def _lesson(
    model: Any, student: Any, X: Any, y: Any, made: int | None, folds: int | None, groups: Column | None,
    limit: TimeLimit, rng: np.random.Generator,
) -> _Lesson:  # fmt: skip
    """The rows for a student, with the teacher's predictions; the arguments are those of `distill`."""
    table = X if is_frame(X) or _is_sparse(X) else np.asarray(X)
    schema = infer(table, kinds=student.column_kinds, dates=student.date_format)
    own, asked = model.says(table), model
    rows = len(own)
    is_told = not isinstance(model, Teacher)
    if made is None:
        can_be = model.classes is None and not is_told and not _is_sparse(table)
        made = min(_MADE, _MOST_ROWS // rows - 1) if can_be else 0
    _require_asked(is_told, table, y, made)
    truth = None if y is None else _truth(model, own, y)
    if truth is not None and folds != 0:
        asked = _out_of_fold(model, own.shape, table, np.asarray(y), folds, groups, limit, rng)
        own = own if asked is model else _TRUTH * truth + (1 - _TRUTH) * asked.says(table)
    wanted = own
    if made > 0:
        encoder = encoder_of(schema, settings_of(student)).fit(table)
        mixed = _mixtures(_points(encoder, table, rng), table.shape[1], made, limit, rng)
        table, wanted = _with_made_rows(table, own, mixed, asked)
    # A synthetic row is in the training or validation part of the row that it is made from.
    own_group = rng.permutation(rows) % _MOST_GROUPS if groups is None else group_codes(groups)
    return _Lesson(table, wanted, schema, mark_of_rows("groups", np.tile(own_group, len(wanted) // rows)))


def _taught(student: Any, lesson: _Lesson, target: Any, limit: TimeLimit) -> MLPClassifier | MLPRegressor:
    """Train the student on its lesson, in the rest of the time limit; `target` is the target's name."""
    if student.time_limit is not None:
        student.time_limit = max(limit.left, 1.0)
    wanted = lesson.wanted
    schema = with_target(lesson.schema, target, student._target_of(wanted, None, wanted))
    fit_table(student, lesson.table, wanted, schema, groups=lesson.groups)
    return _as_it_leaves(student)


def _with_made_rows(
    table: Any, own: np.ndarray, made: Iterator[np.ndarray], teacher: Any
) -> tuple[Any, np.ndarray]:
    """Append synthetic rows to the table; also return the teacher's predictions for all rows.

    Args:
        made: for each set of synthetic rows, the source row of each cell: (rows, columns).
    """
    cells, told = [np.tile(np.arange(len(own))[:, None], table.shape[1])], [own]
    for mixed in made:
        cells.append(mixed)
        told.append(teacher.says(_picked(table, mixed)))
    if len(told) > 1:
        table = _picked(table, np.concatenate(cells))
    return table, np.concatenate(told)


def _require_asked(is_told: bool, table: Any, y: Any, made: int) -> None:
    """Raise an error for requests that precomputed predictions or sparse tables can't satisfy.

    Precomputed predictions (`is_told`) can't be refit on `y`, nor label synthetic rows. Sparse tables have no synthetic
    rows. `made` is their number per row.
    """
    if is_told and (y is not None or made > 0):
        raise TypeError(
            "a teacher given as predictions can't be refit on y, nor label synthetic rows: leave out y, and leave made "
            "None or 0"
        )
    if _is_sparse(table) and made > 0:
        raise DataError("synthetic rows need a frame or a dense array: pass made=0, or X.toarray()")


def _truth(teacher: Teacher, own: np.ndarray, y: Any) -> np.ndarray:
    """Encode `y` like the teacher's predictions `own`."""
    if len(y) != len(own):
        raise DataError(f"y has {len(y)} values, but X has {len(own)} rows")
    truth = teacher.encoded(y)
    if truth.shape != own.shape:
        raise DataError(
            f"the teacher predicts numbers of the shape {own.shape}, but y has the shape {truth.shape}"
        )
    return truth


# --- the student -----------------------------------------------------------------------------------------------------


class _Taught(Classes):
    """A classifier's target that consists of class probabilities."""

    def encode(self, y: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(y, dtype=np.float32)

    def decode(self, target: np.ndarray) -> np.ndarray:
        return self.values[target.argmax(axis=1)]

    def strata(self, target: np.ndarray) -> np.ndarray:
        return target.argmax(axis=1)


class _Student(MLPClassifier):
    """A classifier trained on class probabilities."""

    taught: np.ndarray

    def _checked_target(self, y: Any) -> np.ndarray:
        return y

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None, every: np.ndarray) -> Classes:
        return self._completed(_Taught(self.taught, positive=positive_class(self.taught, y.sum(axis=0))), y)


def _student(classes: np.ndarray | None, settings: dict[str, Any]) -> Any:
    """Create the unfitted student; `classes` is None for a regressor."""
    if classes is None:
        return MLPRegressor(**settings)
    MLPClassifier(**settings)  # raises an error with this class's name for a wrong setting
    student = _Student(**settings)
    student.taught = classes
    if student.class_weight is not None or isinstance(student.threshold, str):
        raise ValueError(
            "class_weight and an automatic threshold need true classes, but a student learns probabilities: "
            "weight the classes in the teacher, and give threshold a number"
        )
    if student.time_limit is not None:
        limits_of(student, None)
    settings_of(student)  # raises an error for a wrong setting
    return student


def _as_it_leaves(student: Any) -> Any:
    """Convert the student to an ordinary estimator, without held-out predictions and without the time limit."""
    student.fitted_ = dataclasses.replace(student.fitted_, held_out=None)
    student._held_out = None
    student.time_limit = None
    if not isinstance(student, _Student):
        return student
    target = student.fitted_.target
    student.fitted_ = dataclasses.replace(student.fitted_, target=Classes(**vars(target)))
    found = MLPClassifier()
    vars(found).update({name: value for name, value in vars(student).items() if name != "taught"})
    return found


class _OutOfFold:
    """Refits of a teacher; each predicts only the rows that it was not fitted to, and synthetic rows made from these.

    A teacher is overconfident on its training rows and on similar rows.
    """

    def __init__(self, shape: tuple[int, ...], classes: np.ndarray | None) -> None:
        self._shape, self._classes = shape, classes
        self.refits: list[tuple[Teacher, np.ndarray]] = []

    def says(self, table: Any) -> np.ndarray:
        """Predict like `Teacher.says`; row i of `table` is training row i, or was made from that row."""
        found = np.zeros(self._shape)
        for refit, rows in self.refits:
            said = refit.says(_picked(table, rows[:, None]))
            if self._classes is None or refit.classes is None:
                found[rows] = said
            else:  # a refit may have seen fewer classes
                found[np.ix_(rows, np.searchsorted(self._classes, refit.classes))] = said
        return found


def _out_of_fold(
    teacher: Teacher,
    shape: tuple[int, ...],
    X: Any,
    y: np.ndarray,
    folds: int | None,
    groups: Column | None,
    limit: TimeLimit,
    rng: np.random.Generator,
) -> _OutOfFold | Teacher:
    """Refit the teacher for each fold; return the teacher itself if time is too short for refits."""
    # Not stratified by class, which would leave a class with few rows out of all folds.
    splitter, every = splitter_for(len(y), None, groups), np.arange(len(y))
    most = splitter.most_members(every)
    if folds is None:
        wanted = _FOLDS if len(y) <= _MANY_ROWS else _FEWER_FOLDS
        folds = max(min(wanted, len(y) if most is None else most), 2)
    if folds < 2:
        raise ValueError(f"folds={folds}: must be 0 (no refits), or 2 or more")
    needed = max(folds, FEWEST_FOR_VALIDATION)
    if most is not None and most < folds:
        raise DataError(f"{folds} folds need {folds} groups or more, and there are {most}: pass folds=0")
    pairs = splitter.members(every, 1 / folds, rng, folds)
    found = _OutOfFold(shape, teacher.classes)
    begin = limit.used
    for done, (seen, unseen) in enumerate(pairs):
        if unseen is None:
            raise DataError(f"{folds} folds need {needed} rows or more, and there are {len(y)}: pass folds=0")
        if limit.used + (limit.used - begin) / max(done, 1) > _TEACHERS_SHARE * limit.seconds:
            messages.warn(
                f"the teacher's refits take too long for the time limit, {duration_said(limit.seconds)}; the "
                "student learns the teacher's own predictions, which are overconfident on the training rows; give "
                "more time, or folds=0"
            )
            return teacher
        found.refits.append((teacher.refit(_picked(X, seen[:, None]), y[seen]), unseen))
    return found


# --- synthetic rows --------------------------------------------------------------------------------------------------


def _points(encoder: TableEncoder, X: Any, rng: np.random.Generator) -> np.ndarray:
    """Convert rows to points, (rows, coordinates), whose distances measure similarity.

    Each column of the table contributes a total variance of 1.
    """
    encoded, parts = encoder.transform(X), list[np.ndarray]()
    for numbers, codes in encoder.positions.values():
        # Points of different values of a category are about as far from each other as any other two.
        places = [rng.normal(size=(encoder.cardinalities[j], _PLACES))[encoded.codes[:, j]] for j in codes]
        block = np.concatenate([encoded.numeric[:, numbers], *places], axis=1)
        spread = float(np.sqrt(block.var(axis=0).sum()))
        parts.append(block / spread if spread > 0 else block)
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _near(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Find each row's nearest neighbours, (rows, neighbours), within random blocks of the rows."""
    rows = len(points)
    blocks = np.array_split(rng.permutation(rows), -(-rows // _LOOKED_AT))
    count = min(_NEAREST, len(blocks[-1]) - 1)
    found = np.empty((rows, count), np.intp)
    for block in blocks:
        nearest = NearestNeighbors(n_neighbors=count).fit(points[block]).kneighbors(return_distance=False)
        found[block] = block[nearest]
    return found


def _mixtures(
    points: np.ndarray, width: int, times: int, limit: TimeLimit, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield, for each synthetic table, the source row of each cell, (rows, width).

    There are `times` tables, or as many as time allows.
    """
    near, seconds = _near(points, rng), 0.0
    rows, own = len(points), np.arange(len(points))
    for _ in range(times):
        begin = limit.used
        if begin + seconds > _TEACHERS_SHARE * limit.seconds:
            return
        other = near[own, rng.integers(near.shape[1], size=rows)]
        yield np.where(rng.random((rows, width)) < _SWAPPED, other[:, None], own[:, None])
        seconds = limit.used - begin


def _picked(X: Any, rows: np.ndarray) -> Any:
    """Build a table of the same type whose cell (i, j) comes from row `rows[i, j]` of X.

    `rows` is (n, columns), or (n, 1) for whole rows.
    """
    if _is_sparse(X):
        return X.tocsr()[rows[:, 0]]
    if not is_frame(X):
        return X[rows, np.arange(X.shape[1])]
    nw = import_narwhals()
    frame = nw.from_native(X, eager_only=True)
    if rows.shape[1] == 1:
        return nw.maybe_reset_index(frame[rows[:, 0]]).to_native()
    parts = [nw.maybe_reset_index(frame[rows[:, j], [name]]) for j, name in enumerate(frame.columns)]
    return nw.concat(parts, how="horizontal").to_native()


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "tocsr")
