"""A trained network with the schema of its table: predictions for data frames and for files larger than memory."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError
from lamina.runs.data import aligned
from lamina.table.messages import rows_from
from lamina.table.schema import Schema, Target

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TableModel"]

_MOST_COLUMNS = 20
"""With more classes, a prediction is written with its own probability only."""


@dataclass(frozen=True)
class TableModel:
    """A fitted estimator and the schema, with the target, that it was trained on."""

    estimator: Any
    schema: Schema

    @property
    def target(self) -> Target:
        """The column that is predicted."""
        assert self.schema.target is not None
        return self.schema.target

    def outputs(self, frame: pl.DataFrame) -> np.ndarray:
        """Probabilities (rows, classes) of a classification, or predicted values (rows,); float64.

        Columns are found by name; left-out ones need not be there.

        Raises:
            DataError: columns are missing, or a value is not of its column's kind (names column and row).
        """
        inputs = self.inputs(frame)
        if self.target.task == "classification":
            return self.estimator.predict_proba(inputs)
        return self.estimator.predict(inputs)

    def inputs(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns that the estimator was trained on, in their order; left-out ones may be all missing."""
        return aligned(self.schema, frame)

    def predicted_columns(self, outputs: np.ndarray, prefix: str = "") -> list[pl.Series]:
        """The columns that predictions add to a table.

        "prediction"; of a classification also "probability_CLASS" for each class, or, with more than 20 of them,
        only "probability", that of the prediction.
        """
        import polars as pl

        if self.target.task == "regression":
            return [pl.Series(f"{prefix}prediction", outputs)]
        classes = self.estimator.classes_
        series = [pl.Series(f"{prefix}prediction", classes[outputs.argmax(axis=1)])]
        if len(classes) > _MOST_COLUMNS:
            return [*series, pl.Series(f"{prefix}probability", outputs.max(axis=1))]
        return series + [
            pl.Series(f"{prefix}probability_{name}", outputs[:, j]) for j, name in enumerate(classes.tolist())
        ]

    def extended(self, batches: Iterable[pl.DataFrame], prefix: str = "") -> Generator[pl.DataFrame]:
        """Each part of a table with its predictions added; all other columns and the order are kept.

        Raises:
            DataError: as `outputs`; a column of the name of a new one is there already.
        """
        for batch, outputs in self.predicted(batches):
            new = self.predicted_columns(outputs, prefix)
            taken = [series.name for series in new if series.name in batch.columns]
            if taken:
                raise DataError(
                    f"the table has a column {taken[0]!r} already; give the new ones other names, as with "
                    "--prefix new_"
                )
            yield batch.with_columns(new)

    def predicted(self, batches: Iterable[pl.DataFrame]) -> Generator[tuple[pl.DataFrame, np.ndarray]]:
        """Each part of a table with its `outputs`; messages count the rows of the whole table."""
        start = 0
        for batch in batches:
            with rows_from(start):
                outputs = self.outputs(batch)
            yield batch, outputs
            start += len(batch)
