"""A served model: parses requests, computes outputs, and makes answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.meaning import compile_probabilities
from lamina.serve._bodies import TableBodies
from lamina.serve._errors import Limits, RequestError
from lamina.serve._rows import TableRows
from lamina.support.extras import require
from lamina.table.columns import value_name
from lamina.table.encode import Coded, Encoded
from lamina.table.messages import rows_called
from lamina.training.run_folder import model_file

_MOST_VALUES = 1_000_000
"""Maximum number of probabilities in an answer; with very many classes, fewer rows per request are allowed."""

_SAMPLE = 256


class Model:
    """A version of a served model, with its network compiled for all batch sizes.

    Attributes:
        name, version: the model's name and version in addresses and answers. Without a version, the digest is used.
        digest: the first 16 digits of the SHA-256 of the model's file.
        bodies: the parsers of request bodies.
        most_rows: the maximum number of rows per request.
        classes: for a classification, the classes or labels.
        quantiles: the names of the quantiles in answers; empty if the model predicts none.
    """

    def __init__(
        self, run: Any, details: dict[str, Any], limits: Limits, name: str, version: str, digest: str
    ) -> None:
        from lamina.runs.run_folder import reading_of

        self.name, self.version, self.digest = name, version or digest, digest
        self.schema, self.target = run.schema, run.target
        self._fitted = run.fitted
        self._rows = TableRows(self.schema)
        self.bodies = TableBodies(self._rows, reading_of(details), limits)
        outputs = self._fitted.target.outputs
        self.most_rows = max(1, min(limits.rows, _MOST_VALUES // outputs))
        self.classes: list[Any] = self._fitted.target.values.tolist() if self.is_classification else []
        self.quantiles: Sequence[str] = [f"{level:g}" for level in getattr(self._fitted.target, "levels", ())]
        self._names = [value_name(label) for label in self.classes]
        sample = self._sample()
        self._form = type(sample)
        self._blocks = Blocks(self._forward, [*vars(sample).values()])
        if self.is_classification:
            compile_probabilities(outputs, several=self._fitted.target.multilabel, rows=self.most_rows)

    def example(self) -> dict[str, Any]:
        """A request with one typical row."""
        return {"rows": [self.schema.row_form.example()]}

    @property
    def is_classification(self) -> bool:
        """Whether the model predicts classes or labels."""
        return self.target.task == "classification"

    @property
    def has_several_targets(self) -> bool:
        """Whether the model predicts several numbers or several labels per row."""
        target = self._fitted.target
        return target.multilabel if self.is_classification else not (target.flat or self.quantiles)

    def _sample(self) -> Coded | Encoded:
        """Rows with random values, for compiling and testing."""
        encoder, random = self._fitted.encoder, np.random.default_rng(0)
        quantities, nominals = encoder.schema.quantities, encoder.schema.nominals
        low = np.array([column.low or 0.0 for column in quantities])
        high = np.array([1.0 if column.high is None else column.high for column in quantities])
        shares = random.random((_SAMPLE, len(quantities)))
        counts = [len(column.categories) + 1 for column in nominals]
        codes = random.integers(0, counts, (_SAMPLE, len(counts)), np.int32)
        return encoder.checked_codes(low * (1 - shares) + high * shares, codes)

    def _forward(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        return self._fitted.outputs(self._form(*arrays))

    def outputs(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Predict rows from the arrays of `Inputs`; the predictions are float64.

        The predictions are probabilities (rows, classes), values (rows,) or (rows, targets), or quantiles (rows,
        levels). A row's prediction is bit-identical whatever the other rows are.

        Raises:
            RequestError: 422, a value is too large for the network.
        """
        try:
            with rows_called("row {}".format):
                rows = self._fitted.encoder.checked_codes(*arrays)
        except DataError as error:
            raise RequestError(422, str(error)) from error
        outputs = self._blocks.outputs([*vars(rows).values()])
        if not np.isfinite(outputs).all():
            row = int(np.argwhere(~np.isfinite(outputs))[0][0])
            raise RequestError(
                422, f"row {row} has such large numbers that the network's output exceeds float32"
            )
        return self._fitted.target.results(outputs)

    def answers(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        """Convert the predictions to JSON objects, one per row."""
        if not self.is_classification:
            return self._values(outputs)
        names, classes = self._names, self.classes
        shares: list[dict[str, float]] = [dict(zip(names, row, strict=True)) for row in outputs.tolist()]
        said: list[dict[str, Any]]
        if self.has_several_targets:
            held = (outputs > 0.5).tolist()
            said = [{"labels": [*compress(classes, row)]} for row in held]
        else:
            said = [{"label": classes[i]} for i in self._fitted.target.decided(outputs).tolist()]
        return [{**one, "probabilities": row} for one, row in zip(said, shares, strict=True)]

    def tensors(self, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Convert the predictions to the results of the estimator's methods, by name.

        The methods are "predict", and for classifiers "predict_proba".
        """
        target = self._fitted.target
        if not self.is_classification:
            return {"predict": outputs}
        if target.multilabel:
            return {"predict": (outputs > 0.5).astype(np.int64), "predict_proba": outputs}
        return {"predict": np.array(self.classes)[target.decided(outputs)], "predict_proba": outputs}

    @property
    def no_outputs(self) -> np.ndarray:
        """The result of `outputs` for zero rows."""
        target = self._fitted.target
        return target.results(np.empty((0, target.outputs), np.float32))

    def _values(self, outputs: np.ndarray) -> list[dict[str, Any]]:
        if not self.quantiles:
            name = "value" if outputs.ndim == 1 else "values"
            return [{name: value} for value in outputs.tolist()]
        middle, rows = self._fitted.target.middle, outputs.tolist()
        quantiles = [dict(zip(self.quantiles, row, strict=True)) for row in rows]
        return [{"value": row[middle], "quantiles": one} for row, one in zip(rows, quantiles, strict=True)]


def load_model(path: Path, limits: Limits, name: str = "", version: str = "") -> Model:
    """Load a model from a file, and compile it for serving.

    Args:
        path: the run's folder, its model file, or a file of `lamina.save`.
        limits: the limits on requests.
        name, version: the model's name and version.

    Raises:
        DataError: there is no model, or the model is damaged.
        MissingPackageError: a package for networks on tables is not installed.
    """
    require("serving a network", "scikit-learn", "polars", "narwhals")
    from lamina.runs.run_folder import open_model

    digest = _digest(path)
    model = Model(*open_model(path), limits, name, version, digest)
    if _digest(path) != digest:
        raise DataError(f"{path} was replaced while it was loaded")
    return model


def _digest(path: Path) -> str:
    try:
        with model_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except (FileNotFoundError, NotADirectoryError):
        return ""  # loading raises an error that says what is missing


# --- A network's outputs for any number of rows, from a few compiled sizes; a row's bits don't depend on its batch ---


_SIZES = (1, 4, 16, 64, 256)
"""Block sizes in rows, each compiled separately; `lamina.compile` warns of eight or more."""


class Blocks:
    """A function compiled for blocks of a few sizes, which are powers of two.

    A row's outputs must not depend on the other rows of its batch, which `lamina.compile` guarantees with
    `independent_rows`. Still, each block size is tested when the model is loaded, and used only if its outputs have the
    same bits as those of the smallest size.

    Args:
        forward: a function from arrays, each with the same number of rows, to outputs (rows, outputs). It pads the
            rows to a power of two, as estimators do.
        sample: arrays of 256 typical rows, for these tests and for compiling.

    >>> blocks = Blocks(lambda arrays: arrays[0] * 2.0, [np.arange(256.0).reshape(-1, 1)])
    >>> blocks.sizes
    (1, 4, 16, 64, 256)
    >>> blocks.outputs([np.arange(7.0).reshape(-1, 1)]).ravel().tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    """

    def __init__(
        self, forward: Callable[[Sequence[np.ndarray]], np.ndarray], sample: Sequence[np.ndarray]
    ) -> None:
        self._forward = forward
        turned = [np.roll(array, 1, axis=0) for array in sample]
        alone = self._by(1, sample)

        def is_exact(size: int) -> bool:
            if size == 1 or not _same(self._by(size, sample), alone):
                return size == 1
            return _same(np.roll(self._by(size, turned), -1, axis=0), alone)

        self.sizes = tuple(filter(is_exact, _SIZES))

    def outputs(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Compute the outputs of all rows, (rows, outputs)."""
        rows, begin = len(arrays[0]), 0
        parts: list[np.ndarray] = []
        while begin < rows:
            size = max(
                size for size in self.sizes if size < 2 * (rows - begin)
            )  # fewer rows are padded to it
            end = min(begin + size, rows)
            parts.append(self._forward([array[begin:end] for array in arrays]))
            begin = end
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _by(self, size: int, sample: Sequence[np.ndarray]) -> np.ndarray:
        begins = range(0, len(sample[0]), size)
        return np.concatenate([self._forward([array[i : i + size] for array in sample]) for i in begins])


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()
