"""`distill`: a network learns the predictions of any fitted model, for ONNX, a page, C or a file.

The student learns the teacher's predictions (soft targets: Hinton, Vinyals, Dean, "Distilling the knowledge in a neural
network", 2015, arXiv 1503.02531) for the rows of the table and for made ones (MUNGE: Buciluă, Caruana,
Niculescu-Mizil, "Model compression", KDD 2006): a made row is a row of the table with some cells of a near one. Of
stacks of boosting and networks this was measured by Fakoor, Mueller, Erickson, Chaudhari, Smola ("Fast, accurate, and
simple models for tabular data via augmented distillation", NeurIPS 2020, arXiv 2006.14284).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state

from lamina.errors import DataError
from lamina.estimators import MLPClassifier, MLPRegressor
from lamina.estimators.base import fit_table, fitted_encoder, settings_of, with_target
from lamina.estimators.inputs import is_frame, mark_of_rows
from lamina.estimators.search.checks import limits_of
from lamina.estimators.targets import Classes, positive_class
from lamina.interchange.distillation.teachers import Teacher, Told
from lamina.support import messages
from lamina.table.columns import Column, import_narwhals
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.marks import group_codes
from lamina.table.split import FEWEST_FOR_VALIDATION, splitter_for
from lamina.training.time_limit import TimeLimit, duration_said, seconds_of

__all__ = ["distill"]

_MADE, _MOST_ROWS = 4, 200_000
"""Made rows for each row of a regression; at most this many rows in all. Classifiers lost log-loss by them."""
_SWAPPED = 0.3
"""The share of a made row's cells that are its neighbour's."""
_NEAREST, _LOOKED_AT = 5, 5000
"""A neighbour is one of the 5 nearest of 5,000 random rows."""
_TRUTH = 0.5
"""The share of `y` in the target of a row, where it is known; the rest is what the teacher says out of fold."""
_TEACHERS_SHARE = 0.5
"""Of the time limit, for refits and predictions of the teacher."""
_MOST_GROUPS = 1000
_PLACES = 4


def distill(
    teacher: Any,
    X: Any,
    y: Any = None,
    *,
    preset: str | None = None,
    made: int | None = None,
    folds: int = 5,
    groups: Any = None,
    target: str | None = None,
    time_limit: float | str | None = None,
    random_state: Any = None,
    **settings: Any,
) -> MLPClassifier | MLPRegressor:
    """A network with the predictions of `teacher`, as an ordinary estimator for every export.

    Args:
        teacher: a fitted model with `predict_proba` (a classifier) or `predict` (a regressor), which takes tables like
            `X`; or its predictions for the rows of `X`, where it is elsewhere: numbers, (rows,) or (rows, targets), or
            a frame of probabilities with a column for each class. Then no rows are made.
        X: the rows to learn from, a table as `MLPClassifier` takes it: those that the teacher was trained on, or any
            like them.
        y: the target of these rows, (rows,), if `X` is what the teacher was trained on. Then a clone of the teacher
            (`sklearn.base.clone`) is refit for each fold, and asked about the rows that it has not seen and about rows
            made of these: the teacher itself is too sure of them. Of a row with a truth, half of the target is this.
        preset: of the student; None: "medium", or with a time limit a search.
        made: how many rows are made of each row, for the teacher to label; None: of a regression 4, or fewer of
            large tables; of a classification none, as they cost log-loss where that was measured.
        folds: how many refits; 0: none, and the teacher's own predictions are learned.
        groups: the group of each row, (rows,), or None: rows of a group are in one fold, and train or validate.
        target: what is predicted is called, in files and pages; None: the name that `y` has as a column.
        time_limit: for all of it, seconds or text such as "5m": half for refits and made rows, at most, the rest for a
            search (see `MLPClassifier`). None: one training.
        random_state: the seed of the student and of the made rows.
        settings: others of the student's.

    Raises:
        TypeError: the teacher has no `predict`, or can't be cloned though `y` is given.
        DataError (a ValueError): it predicts something else than a finite number, or a probability for each class, in
            each row; its classes are not those of `y`; a table that no estimator takes.
        ValueError: a setting that is about the true classes, or does not go with a time limit.

    What a student would say of held-out truth is not known: `predict_interval` and `predict_set` raise.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> import lamina
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    >>> student = lamina.distill(teacher, X, y, preset="fast", folds=2, random_state=0)
    >>> student.predict(X[:2]).tolist(), bool(student.score(X, y) > 0.9)
    ([0, 0], True)
    """
    for name, count in (("made", 0 if made is None else made), ("folds", folds)):
        if not isinstance(count, Integral) or int(count) < 0:
            raise DataError(f"{name}={count!r}: it is a whole number from 0 on")
    limit = None if time_limit is None else TimeLimit(seconds_of(time_limit))
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
    table = X if is_frame(X) or _is_sparse(X) else np.asarray(X)
    is_told = hasattr(teacher, "__array__") and not hasattr(teacher, "predict")
    model: Any = Told(teacher) if is_told else Teacher(teacher)
    preset = preset or ("medium" if limit is None else "default")
    chosen = {"preset": preset, "time_limit": limit and limit.seconds, "random_state": random_state}
    student = _student(model.classes, {**settings, **chosen})
    if limit is not None:
        limits_of(student, None)
    settings_of(student)
    schema = infer(table, kinds=student.column_kinds, dates=student.date_format)
    groups = mark_of_rows("groups", groups)
    own, asked = model.says(table), model
    rows = len(own)
    if made is None:
        can_be = model.classes is None and not is_told and not _is_sparse(table)
        made = min(_MADE, _MOST_ROWS // rows - 1) if can_be else 0
    _require_asked(is_told, table, y, made)
    truth = None if y is None else _truth(model, own, y)
    if truth is not None and folds:
        asked = _out_of_fold(model, own.shape, table, np.asarray(y), folds, groups, limit, rng)
        own = own if asked is model else _TRUTH * truth + (1 - _TRUTH) * asked.says(table)
    wanted = own
    if made > 0:
        encoder = fitted_encoder(schema, table, np.arange(rows), settings_of(student))
        mixed = _mixtures(_points(encoder, table, rng), table.shape[1], made, limit, rng)
        table, wanted = _with_made_rows(table, own, mixed, asked)
    # A made row trains or validates with the row that it is made of.
    own_group = rng.permutation(rows) % _MOST_GROUPS if groups is None else group_codes(groups)
    together = mark_of_rows("groups", np.tile(own_group, len(wanted) // rows))
    if limit is not None:
        student.time_limit = max(limit.left, 1.0)
    schema = with_target(schema, target or getattr(y, "name", None), student._target_of(wanted, None, wanted))
    fit_table(student, table, wanted, schema, groups=together)
    return _as_it_leaves(student)


def _with_made_rows(
    table: Any, own: np.ndarray, made: Iterator[np.ndarray], teacher: Any
) -> tuple[Any, np.ndarray]:
    """The table with made rows behind its own, and what the teacher says of them behind what it says of those.

    Args:
        made: for each row of the table, the rows that its values are taken from: (rows, columns) each time.
    """
    cells, told = [np.tile(np.arange(len(own))[:, None], table.shape[1])], [own]
    for mixed in made:
        cells.append(mixed)
        told.append(teacher.says(_picked(table, mixed)))
    if len(told) > 1:
        table = _picked(table, np.concatenate(cells))
    return table, np.concatenate(told)


def _require_asked(is_told: bool, table: Any, y: Any, made: int) -> None:
    """Raise an error where the teacher must be asked about more rows and can't be, or such rows can't be made."""
    if is_told and (y is not None or made > 0):
        raise TypeError(
            "predictions can't be refit for y, nor asked about made rows: leave y out, and made None or 0"
        )
    if _is_sparse(table) and made > 0:
        raise DataError("rows are made of frames and dense arrays: say made=0, or X.toarray()")


def _truth(teacher: Teacher, own: np.ndarray, y: Any) -> np.ndarray:
    """The truth of the rows as the teacher's `own` predictions are."""
    if len(y) != len(own):
        raise DataError(f"y has {len(y)} values, and X {len(own)} rows")
    truth = teacher.encoded(y)
    if truth.shape != own.shape:
        raise DataError(
            f"the teacher predicts numbers of the shape {own.shape}, and y has the shape {truth.shape}"
        )
    return truth


# --- the student -----------------------------------------------------------------------------------------------------


class _Taught(Classes):
    """Classes whose probabilities each row has."""

    def encode(self, y: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(y, dtype=np.float32)

    def decode(self, target: np.ndarray) -> np.ndarray:
        return self.values[target.argmax(axis=1)]

    def strata(self, target: np.ndarray) -> np.ndarray:
        return target.argmax(axis=1)


class _Student(MLPClassifier):
    """A classifier whose target is the probability of each class in each row."""

    taught: np.ndarray

    def _checked_target(self, y: Any) -> np.ndarray:
        return y

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None, every: np.ndarray) -> Classes:
        return self._deciding(_Taught(self.taught, positive=positive_class(self.taught, y.sum(axis=0))), y)


def _student(classes: np.ndarray | None, settings: dict[str, Any]) -> Any:
    """What is to learn: an estimator that has not been fitted."""
    if classes is None:
        return MLPRegressor(**settings)
    MLPClassifier(**settings)  # whose name is in the error of a wrong one
    student = _Student(**settings)
    student.taught = classes
    if student.class_weight is not None or isinstance(student.threshold, str):
        raise ValueError(
            "class_weight and a threshold that is chosen are about the true classes, and a student learns "
            "probabilities: weigh the classes in the teacher, give threshold a number"
        )
    return student


def _as_it_leaves(student: Any) -> Any:
    """The estimator as any other; nothing is known of what it says of held-out truth."""
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
    """Refits of a teacher, each asked only about rows that it has not seen, and about rows made of these.

    A teacher is surer of rows that it was trained on, and of those near them, than it should be.
    """

    def __init__(self, shape: tuple[int, ...], classes: np.ndarray | None) -> None:
        self._shape, self._classes = shape, classes
        self.refits: list[tuple[Teacher, np.ndarray]] = []

    def says(self, table: Any) -> np.ndarray:
        """As `Teacher.says`; row i of the table is row i of the folds, or made of it."""
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
    folds: int,
    groups: Column | None,
    limit: TimeLimit | None,
    rng: np.random.Generator,
) -> _OutOfFold | Teacher:
    """The refits, whose predictions have this shape; where the time is too short for them, the teacher itself."""
    if folds < 2:
        raise ValueError(f"folds={folds}: 0 for no refits, or 2 and more")
    # Not by classes: then a class of few rows is in no fold.
    splitter, every = splitter_for(len(y), None, groups), np.arange(len(y))
    most, needed = splitter.most_members(every), max(folds, FEWEST_FOR_VALIDATION)
    if most is not None and most < folds:
        raise DataError(f"{folds} folds need {folds} groups or more, and there are {most}: say folds=0")
    pairs = splitter.members(every, 1 / folds, rng, folds)
    found = _OutOfFold(shape, teacher.classes)
    begin = 0.0 if limit is None else limit.used
    for done, (seen, unseen) in enumerate(pairs):
        if unseen is None:
            raise DataError(f"{folds} folds need {needed} rows or more, and there are {len(y)}: say folds=0")
        if (
            limit is not None
            and limit.used + (limit.used - begin) / max(done, 1) > _TEACHERS_SHARE * limit.seconds
        ):
            messages.warn(
                UserWarning(
                    f"the teacher's refits take too long for the time limit, {duration_said(limit.seconds)}: its own "
                    "predictions are learned, which are surer of rows that it was trained on; give more time, or "
                    "folds=0"
                )
            )
            return teacher
        found.refits.append((teacher.refit(_picked(X, seen[:, None]), y[seen]), unseen))
    return found


# --- made rows -------------------------------------------------------------------------------------------------------


def _points(encoder: TableEncoder, X: Any, rng: np.random.Generator) -> np.ndarray:
    """Rows as points, (rows, coordinates), in which the variance of each column of the table is 1."""
    encoded, parts = encoder.transform(X), list[np.ndarray]()
    for numbers, codes in encoder.positions.values():
        # Points of different values of a category are about as far from each other as any other two.
        places = [rng.normal(size=(encoder.cardinalities[j], _PLACES))[encoded.codes[:, j]] for j in codes]
        block = np.concatenate([encoded.numeric[:, numbers], *places], axis=1)
        spread = float(np.sqrt(block.var(axis=0).sum()))
        parts.append(block / spread if spread > 0 else block)
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _near(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The nearest rows of each row, (rows, neighbours), each looked for in a part of the rows that chance draws."""
    rows = len(points)
    blocks = np.array_split(rng.permutation(rows), -(-rows // _LOOKED_AT))
    count = min(_NEAREST, len(blocks[-1]) - 1)
    found = np.empty((rows, count), np.intp)
    for block in blocks:
        nearest = NearestNeighbors(n_neighbors=count).fit(points[block]).kneighbors(return_distance=False)
        found[block] = block[nearest]
    return found


def _mixtures(
    points: np.ndarray, width: int, times: int, limit: TimeLimit | None, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """For each time, as far as the time is enough, the row that each cell of a made table is of: (rows, width)."""
    near, seconds = _near(points, rng), 0.0
    rows, own = len(points), np.arange(len(points))
    for _ in range(times):
        begin = 0.0 if limit is None else limit.used
        if limit is not None and begin + seconds > _TEACHERS_SHARE * limit.seconds:
            return
        other = near[own, rng.integers(near.shape[1], size=rows)]
        yield np.where(rng.random((rows, width)) < _SWAPPED, other[:, None], own[:, None])
        seconds = 0.0 if limit is None else limit.used - begin


def _picked(X: Any, rows: np.ndarray) -> Any:
    """The table of the same type whose cell (i, j) is that of `rows` (n, columns), or (n, 1) for whole rows."""
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
