"""`TableModel`: a trained model with the schema of its training table; and `Trained`, a training's result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.conformal import interval_of, members_spread
from lamina.estimators.fitted import FittedModel, members_outputs
from lamina.estimators.meaning import Decision
from lamina.runs.data import aligned
from lamina.support.lazily import pl
from lamina.table.messages import with_results
from lamina.table.schema import Schema, Target

_MOST_COLUMNS = 20
"""Maximum number of classes whose probabilities are written; with more, only the predicted class's probability is."""


def _columns(name: str, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Values (rows,) as a column `name`, or values (rows, targets) as the columns NAME_0, NAME_1, …."""
    if values.ndim == 1:
        return [(name, values)]
    return [(f"{name}_{i}", column) for i, column in enumerate(values.T)]


@dataclass(frozen=True)
class TableModel:
    """A fitted model with the schema of its training table.

    Attributes:
        fitted: the model that predicts.
        schema: the table's schema.
        make: creates the fitted estimator; this needs scikit-learn, which predictions do not.
        test: evaluates the model on test images of its own, if it has any; see `lamina.runs.recipes.tested`.
    """

    fitted: FittedModel[Any]
    schema: Schema
    make: Callable[[], Any]
    test: Callable[[], dict[str, Any]] | None = None

    @classmethod
    def of(cls, estimator: Any, schema: Schema | None = None) -> TableModel:
        """Wrap a fitted estimator; `schema` is by default the schema of its training table."""
        fitted = estimator.fitted_
        return cls(fitted, schema or fitted.encoder.schema, lambda: estimator)

    @cached_property
    def estimator(self) -> Any:
        """The fitted estimator, created on first access."""
        return self.make()

    @property
    def target(self) -> Target:
        """The target column."""
        assert self.schema.target is not None
        return self.schema.target

    def require_one_target(self, purpose: str) -> None:
        """Raise `DataError` if the model predicts several targets or labels per row.

        The message begins with `purpose`, followed by "needs a model with one target".
        """
        target, is_class = self.fitted.target, self.target.task == "classification"
        if target.multilabel if is_class else not (self.levels or target.flat):
            what = "labels" if is_class else "numbers"
            raise DataError(
                f"{purpose} needs a model with one target, but this model predicts {target.outputs} {what} per row"
            )

    def outputs(self, frame: pl.DataFrame) -> np.ndarray:
        """Class probabilities, (rows, classes), or predicted values, (rows,), as float64.

        For several quantiles, the values are the quantile nearest to the median. Columns are found by name; columns
        that the model ignores may be missing.

        Raises:
            DataError: columns are missing, or a value does not fit its column's type (the message names both).
        """
        return self.central(self.all_outputs(frame))

    @property
    def decision(self) -> Decision:
        """The decision between classes; of a regression, one that is never asked."""
        return self.fitted.target if isinstance(self.fitted.target, Decision) else Decision()

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the predicted quantiles, ascending; empty for models that predict no quantiles."""
        return getattr(self.fitted.target, "levels", ())

    def central(self, outputs: np.ndarray) -> np.ndarray:
        """Reduce several predicted quantiles to the quantile nearest to the median; return other outputs unchanged."""
        middle = getattr(self.fitted.target, "middle", None)
        return outputs if middle is None else outputs[:, middle]

    def all_outputs(self, frame: pl.DataFrame) -> np.ndarray:
        """The `outputs`; for several quantiles, each of them, (rows, levels)."""
        return self.fitted.target.results(self.fitted.of_table(self.inputs(frame)))

    def inputs(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Select the columns of the training table, in order; missing columns that the model ignores become nulls."""
        return aligned(self.schema, frame)

    def predicted_columns(
        self, frame: pl.DataFrame, prefix: str = "", *, interval: float | None = None, std: bool = False
    ) -> list[pl.Series]:
        """Predict the rows of a table, and return the predictions as new columns.

        The columns are "prediction", or "prediction_LEVEL" for each of several quantiles, or "prediction_0", … for
        several targets or labels. For classification, there is also "probability_CLASS" for each class, or for more
        than 20 classes only "probability", the predicted class's probability.

        Args:
            frame: the table.
            prefix: a prefix for the names of these columns.
            interval: the nominal coverage of intervals; adds the columns "TARGET_lower" and "TARGET_upper".
            std: whether to add the standard deviation of the members' predictions, as "TARGET_std".

        Raises:
            DataError: as for `outputs`; or the model can't give an interval or standard deviation, e.g. for classes.
        """
        if self.target.task == "regression":
            found = self._numbers(frame, interval, std)
            return [pl.Series(f"{prefix}{name}", values) for name, values in found]
        if interval is not None or std:
            raise DataError(
                f"intervals and standard deviations are for numbers, but {self.target.name!r} has classes; "
                "for their uncertainty use predict_set or predict_proba(return_std=True) in Python"
            )
        outputs, classes = self.outputs(frame), self.fitted.target.values
        if self.fitted.target.multilabel:
            labels = _columns("prediction", (outputs > 0.5).astype(int))
            each = [*labels, *_columns("probability", outputs)]
            return [pl.Series(f"{prefix}{name}", values) for name, values in each]
        series = [pl.Series(f"{prefix}prediction", classes[self.decision.decided(outputs)])]
        if len(classes) > _MOST_COLUMNS:
            return [*series, pl.Series(f"{prefix}probability", outputs.max(axis=1))]
        each = zip(classes.tolist(), outputs.T, strict=True)
        return series + [pl.Series(f"{prefix}probability_{name}", values) for name, values in each]

    def _numbers(
        self, frame: pl.DataFrame, interval: float | None, std: bool
    ) -> Generator[tuple[str, np.ndarray]]:
        """Yield the name and the values, (rows,), of each new column for a regression."""
        inputs, name, fitted = self.inputs(frame), self.target.name, self.fitted
        outputs = fitted.of_table(inputs)
        found = fitted.target.predictions(outputs)
        if not self.levels:
            yield from _columns("prediction", found)
        else:
            yield from zip([f"prediction_{level:g}" for level in self.levels], found.T, strict=True)
        if interval is not None:
            for end, values in zip(("lower", "upper"), interval_of(fitted, outputs, interval), strict=True):
                yield from _columns(f"{name}_{end}", values)
        if std:
            members = fitted.of_table(inputs, members_outputs)
            spread = self.central(members_spread(members, fitted.network.shares, fitted.target.predictions))
            yield from _columns(f"{name}_std", spread)

    def extended(
        self, batches: Iterable[pl.DataFrame], prefix: str = "", *, brief: bool = False, **more: Any
    ) -> Generator[pl.DataFrame]:
        """Yield each batch with the columns of `predicted_columns` appended.

        Args:
            batches: the batches of a table.
            prefix: a prefix for the names of the new columns.
            brief: whether to round probabilities to float32, the network's precision, for smaller text files.
            more: the arguments `interval` and `std` of `predicted_columns`.

        Raises:
            DataError: as for `predicted_columns`; or the table already has a column with a new column's name.
        """
        for batch, new in with_results(batches, partial(self.predicted_columns, prefix=prefix, **more)):
            if brief and self.target.task != "regression":
                probability = f"{prefix}probability"
                new = [one.cast(pl.Float32) if one.name.startswith(probability) else one for one in new]
            taken = [series.name for series in new if series.name in batch.columns]
            if taken:
                raise DataError(
                    f"the table already has a column {taken[0]!r}; give the new columns other names, e.g. with "
                    "--prefix new_"
                )
            yield batch.with_columns(new)

    def predicted(self, batches: Iterable[pl.DataFrame]) -> Generator[tuple[pl.DataFrame, np.ndarray]]:
        """Yield each batch with its predictions, which for several quantiles have a column per level.

        Apart from these quantiles, predictions are as in `outputs`. Row numbers in error messages count from the first
        batch on.
        """
        return with_results(batches, self.all_outputs)


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        model: the model, with the parameters of the best epoch.
        history: for each epoch its number, loss, validation score (higher is better), whether it was the best so
            far, and the seconds since the training began.
        best_epoch: the epoch of the kept parameters.
        interrupted: whether Ctrl-C ended the training.
        seconds: the duration of the training, including earlier runs.
        most_epochs: the maximum number of epochs, which early stopping may not reach.
        search: the summary of a search, if there was one; see `lamina.runs.search`.
    """

    model: TableModel
    history: list[dict[str, Any]]
    best_epoch: int
    interrupted: bool
    seconds: float
    most_epochs: int
    search: Mapping[str, Any] | None = None


def history_of(estimator: Any) -> list[dict[str, Any]]:
    """The epochs of a fitted estimator, of a search those of its best trial, in the form of `Trained.history`."""
    best = getattr(estimator, "best_epoch_", None)
    scores = estimator.validation_scores_ or [None] * len(estimator.loss_curve_)
    each = enumerate(zip(estimator.loss_curve_, scores, strict=False), start=1)
    return [{"epoch": i, "loss": loss, "validation_score": x, "best": i == best} for i, (loss, x) in each]
