"""Teachers: fitted models of any library, ONNX files or precomputed predictions, with checked outputs."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.base import clone

from lamina.errors import DataError
from lamina.estimators.inputs import is_frame, length, require_target, values_of
from lamina.support.extras import require
from lamina.support.messages import excerpt
from lamina.table.columns import is_missing

_ROUNDING = 1e-3
"""Tolerance for a row's sum of probabilities, which may be float32 or rounded to few digits."""
_CLASSES = ("classes_", "class_labels")
"""Attribute names for classes: scikit-learn's and AutoGluon's."""
_SEVERAL = "several labels a row are not learned: distill one model for each label"


class Teacher:
    """A fitted model that predicts any rows.

    Attributes:
        classes: the classes in order; None for a regressor.
    """

    def __init__(self, model: Any) -> None:
        self._model, self.name = model, type(model).__name__
        if not hasattr(model, "predict"):
            raise TypeError(
                f"the teacher, {self.name}, has no predict: give a fitted model with predict_proba or predict, or its "
                "predictions for the rows of X"
            )
        self._has_shares = hasattr(model, "predict_proba")
        known = [getattr(model, name) for name in _CLASSES if hasattr(model, name)]
        if self._has_shares and not known:
            raise TypeError(
                f"the teacher, {self.name}, has predict_proba but no classes_: is it fitted? Otherwise set classes_ to "
                "the classes of its columns"
            )
        # Regressors may have none.
        classes = next((one for one in known if one is not None and len(one)), None)
        if isinstance(classes, list | tuple) and isinstance(classes[0], np.ndarray):
            raise DataError(f"{self.name}: {_SEVERAL}")
        self._order, self.classes = np.zeros(0, np.intp), None
        if classes is not None:
            self.classes, self._order = _sorted_classes(classes, self.name)

    def says(self, X: Any) -> np.ndarray:
        """Predict rows, and check the predictions, float64.

        The predictions are probabilities (rows, classes), or numbers (rows,) or (rows, targets).
        """
        if self.classes is None:
            return _numbers_of(self._model.predict(X), length(X), self.name)
        if not self._has_shares:
            return self.encoded(self._model.predict(X))
        shares = _shares_of(self._model.predict_proba(X), (length(X), len(self._order)), self.name)
        return shares[:, self._order]

    def encoded(self, y: Any) -> np.ndarray:
        """Encode `y` like the teacher's predictions; a class becomes probabilities 0 and 1."""
        y = np.asarray(y)
        require_target(y)
        if self.classes is None:
            return _numbers_of(y, len(y), "y")
        if y.size > len(y):
            raise DataError(f"{self.name}: {_SEVERAL}")
        found = y.reshape(-1, 1) == self.classes
        if not found.any(axis=1).all():
            other = y.ravel()[int(found.any(axis=1).argmin())]
            raise DataError(
                f"y has the class {other!r}, which is none of the teacher's: {self.classes.tolist()[:10]}"
            )
        return found.astype(np.float64)

    def refit(self, X: Any, y: np.ndarray) -> Teacher:
        """Clone this teacher, and fit the clone to the given rows."""
        try:
            fresh: Any = clone(self._model)
        except (TypeError, RuntimeError) as error:  # CatBoost's constructor alters its cat_features
            if not (hasattr(self._model, "copy") and hasattr(self._model, "fit")):
                raise TypeError(
                    f"the teacher, {self.name}, can't be cloned, which folds need ({error}); pass folds=0 to learn "
                    "from the predictions of the teacher as it is"
                ) from error
            fresh = self._model.copy()
        try:
            fresh.fit(X, y)
        except Exception as error:  # any library's error
            raise DataError(
                f"the teacher, {self.name}, failed in fit(X, y), which folds need ({type(error).__name__}: {error}); "
                "pass folds=0 to learn from the predictions of the teacher as it is"
            ) from error
        return Teacher(fresh)


class Told:
    """Precomputed predictions of a teacher for a table's rows: numbers, or a frame of probabilities."""

    def __init__(self, said: Any) -> None:
        self._said, self.classes, self._order = said, None, np.zeros(0, np.intp)
        if is_frame(said):
            self.classes, self._order = _sorted_classes([*said.columns], "teacher")

    def says(self, X: Any) -> np.ndarray:
        """Check and return the predictions, as `Teacher.says` does; `X` must be the table that was predicted."""
        if self.classes is None:
            return _numbers_of(self._said, length(X), "teacher")
        return _shares_of(self._said, (length(X), len(self._order)), "teacher")[:, self._order]


def _sorted_classes(classes: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Sort the classes; also return their original positions."""
    try:
        sorted([*classes, *classes])  # NumPy would turn numbers beside texts into texts
        return np.unique(np.asarray(classes), return_index=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: its classes have no order, {error}: make them texts, or numbers") from error


def _as_floats(said: Any, name: str) -> np.ndarray:
    try:
        if isinstance(said, np.ma.MaskedArray) or np.iscomplexobj(said):
            raise TypeError("its predictions are masked or complex, not plain numbers")
        return np.asarray(said, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}: {error}; a regressor must predict numbers, a classifier needs classes_ and numeric probabilities"
        ) from error


def _numbers_of(said: Any, rows: int, name: str) -> np.ndarray:
    """Check a regressor's predictions, and convert them to float64, (rows,) or (rows, targets)."""
    found = _as_floats(said, name)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim not in (1, 2) or len(found) != rows or not found.size:
        raise DataError(
            f"{name}: values of shape {found.shape}, but {rows} rows need ({rows},) or ({rows}, targets)"
        )
    _require_finite(found, name)
    return found


def _shares_of(said: Any, shape: tuple[int, int], name: str) -> np.ndarray:
    """Check probabilities, and convert them to float64, (rows, classes), with the sum 1 in each row."""
    if isinstance(said, list):
        raise DataError(f"{name}: {_SEVERAL}")
    found = _as_floats(said, name)
    if found.shape != shape:
        raise DataError(f"{name}: the probabilities have shape {found.shape}, not {shape} = (rows, classes)")
    _require_finite(found, name)
    total = found.sum(axis=1)
    wrong = (found < -_ROUNDING).any(axis=1) | (np.abs(total - 1) > _ROUNDING)
    if wrong.any():
        row = int(wrong.argmax())
        several = f" (or {_SEVERAL})" if ((found >= 0) & (found <= 1)).all() else ""
        raise DataError(
            f"{name}: its outputs for row {row} are not probabilities: {found[row].tolist()[:10]} with the sum "
            f"{total[row]:g}{several}"
        )
    found = np.maximum(found, 0.0)
    return found / found.sum(axis=1, keepdims=True)


def _require_finite(found: np.ndarray, name: str) -> None:
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise DataError(f"{name}: the value for row {row} is {found[row].tolist()}, which is not finite")


class OnnxModel:
    """A model in an ONNX file, computed by ONNX Runtime, with the methods of a scikit-learn estimator.

    Its inputs have the names of table columns, or one input takes all columns in order. Its outputs
    are written as by skl2onnx, CatBoost, LightGBM, XGBoost and lamina: numbers, or labels and probabilities. Code
    in the file can't run: ONNX has only the operators that ONNX Runtime implements.

    Args:
        path: the file.
        X: input rows; if the file names no classes, these rows must include each class.

    Raises:
        DataError: the file cannot be read, or does not fit the table.
        MissingPackageError: ONNX Runtime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], X: Any) -> None:
        require("a teacher in a file of ONNX", "onnxruntime")
        import onnxruntime

        self._path = os.fspath(path)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3  # CatBoost's regressors declare another rank than they have
        try:
            self._session = onnxruntime.InferenceSession(self._path, settings, ["CPUExecutionProvider"])
        except Exception as error:  # errors of pybind, of several classes
            raise DataError(f"{self._path}: ONNX Runtime can't read the model: {excerpt(error)}") from error
        names = [output.name for output in self._session.get_outputs()]
        shares = [name for name in names if "probabilit" in name.lower()]
        self._wanted = [names[0], *shares[:1]]
        self.classes_ = self._classes(*self.run(self.fed(X))) if shares else None

    @property
    def inputs(self) -> list[str]:
        """The names of the model's inputs."""
        return [one.name for one in self._session.get_inputs()]

    def predict(self, X: Any) -> np.ndarray:
        """The predicted numbers or labels, (rows,) or (rows, 1)."""
        return self.run(self.fed(X))[0]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (rows, classes)."""
        said = self.run(self.fed(X))[1]
        if isinstance(said, np.ndarray):
            return said
        assert self.classes_ is not None
        return np.array([[row[name] for name in self.classes_.tolist()] for row in said])

    def _classes(self, labels: np.ndarray, said: Any) -> np.ndarray:
        if not isinstance(said, np.ndarray):  # a dict for each row
            return np.array([*said[0]])
        if labels.size > len(labels):
            raise DataError(f"{self._path}: {_SEVERAL}")
        count, metadata = said.shape[1], self._session.get_modelmeta().custom_metadata_map
        if {"lamina_version", "classes"} <= metadata.keys():
            names = json.loads(metadata["classes"])
            return np.array(names if labels.dtype.kind in "iu" else [*map(str, names)]).astype(labels.dtype)
        top, is_top = said.argmax(axis=1), said == said.max(axis=1, keepdims=True)
        top[is_top.sum(axis=1) > 1] = -1  # a tie identifies no class
        labelled = [{*labels.ravel()[top == i].tolist()} for i in range(count)]
        # A column with two labels, or a label with two columns, is due to a threshold.
        known = [name for one in labelled if len(one) == 1 for name in one]
        if len({*known}) < count:
            raise DataError(
                f"{self._path} does not name its {count} classes, and the rows identify only {len({*known})} of them: "
                "give rows of each class, or export the model with zipmap"
            )
        return np.array(known)

    def fed(self, X: Any) -> dict[str, np.ndarray]:
        """Convert a table to the model's input arrays, by name."""
        values, inputs = values_of(X), self._session.get_inputs()
        names = [str(name) for name in X.columns] if is_frame(X) else []
        if all(one.name in names for one in inputs):
            fed = {one.name: values[:, [names.index(one.name)]] for one in inputs}
        elif len(inputs) == 1 and inputs[0].shape[-1:] in ([values.shape[1]], [None]):
            fed = {inputs[0].name: values}
        else:
            wanted = ", ".join(f"{one.name} {one.shape}" for one in inputs)
            raise DataError(
                f"{self._path} takes {wanted}, and the table has {values.shape[1]} columns: {names}"
            )
        for one in inputs:
            value = _as_type(fed[one.name], one.type, self._path)
            fed[one.name] = value if len(one.shape) == 2 else value[:, 0]
        return fed

    def run(self, fed: dict[str, np.ndarray]) -> list[Any]:
        """Compute the model's outputs for the input arrays `fed`."""
        try:
            return list(self._session.run(self._wanted, fed))
        except Exception as error:
            raise DataError(
                f"{self._path}: ONNX Runtime could not compute the model: {excerpt(error)}"
            ) from error


def _as_type(values: np.ndarray, kind: str, path: str) -> np.ndarray:
    """Convert cells to an ONNX input's type; missing numbers become NaN, missing strings ""."""
    if kind == "tensor(string)":
        return np.array([["" if is_missing(x) else str(x) for x in row] for row in values], object)
    known = {"tensor(float)": "f4", "tensor(double)": "f8", "tensor(int64)": "i8", "tensor(bool)": "?"}
    try:
        return values.astype(known[kind])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} takes {kind}, to which lamina can't convert the table's values: {error}"
        ) from error
