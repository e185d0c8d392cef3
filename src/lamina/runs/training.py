"""Trains the estimator that fits a prepared table; Ctrl-C ends the training with its best epoch."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.errors import LaminaError, NonFiniteLossError
from lamina.runs.checkpoint import NOT_SAVED, Checkpoints
from lamina.runs.data import Part, Prepared, Request, class_values, known_rows
from lamina.runs.model import TableModel
from lamina.table.kinds import Choice
from lamina.table.messages import DataWarning
from lamina.table.schema import Schema

__all__ = ["Trained", "train"]

_CHOICES: dict[str, Choice] = {"numeric": "numeric", "categorical": "categorical"}


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training gives.

    Attributes:
        model: with the parameters of the best epoch.
        history: for each epoch its number, loss, validation score (higher is better), whether it was the best
            until then, and seconds since the training began.
        best_epoch: the epoch whose parameters are kept.
        interrupted: whether Ctrl-C ended it.
        seconds: of the whole training.
        most_epochs: how many there would have been without an early end.
    """

    model: TableModel
    history: list[dict[str, Any]]
    best_epoch: int
    interrupted: bool
    seconds: float
    most_epochs: int


def train(
    prepared: Prepared, checkpoints: Checkpoints, display: Callable[[int], Any] | None = None
) -> Trained:
    """Train, from the start or from where an earlier run was.

    Args:
        prepared: the table.
        checkpoints: what was asked for (preset, epochs, layers, learning rate, seed), and where the state is saved.
        display: makes what shows the progress, from the greatest number of epochs; see `lamina.estimators.report`.

    Raises:
        LaminaError: settings that cannot work, or the training diverged.
        KeyboardInterrupt: Ctrl-C before the first epoch was complete.
    """
    history: list[dict[str, Any]] = []
    most: list[int] = []

    def recorder(epochs: int) -> _Recorder:
        most.append(epochs)
        return _Recorder(history, display(epochs) if display else None)

    estimator = _estimator(prepared, checkpoints.request, recorder)
    estimator._checkpoints = checkpoints
    start, interrupted = time.perf_counter(), False
    if checkpoints.past:
        start -= checkpoints.past[-1].seconds
    try:
        _fit(estimator, prepared)
    except KeyboardInterrupt:
        if not history:
            raise
        interrupted = True
    except NonFiniteLossError:
        checkpoints.discard()  # from there it would diverge again
        raise
    except ValueError as error:
        if isinstance(error, LaminaError):
            raise
        raise LaminaError(str(error)) from error
    del estimator._checkpoints
    estimator.set_params(verbose=False)
    model = TableModel(estimator, _schema(estimator, prepared))
    best = len(history) if prepared.validation is None else estimator.best_epoch_
    return Trained(model, history, best, interrupted, time.perf_counter() - start, most[0])


class _Recorder:
    """Keeps what is known after each epoch, and passes everything on to a display."""

    def __init__(self, history: list[dict[str, Any]], display: Any) -> None:
        self._history, self._display = history, display
        self.on_step: Any = getattr(display, "on_step", None)

    def __enter__(self) -> _Recorder:
        if self._display is not None:
            self._display.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._display is not None:
            self._display.__exit__(*exception)

    def on_epoch(self, epoch: Any) -> None:
        """Note an epoch, then show it."""
        self._history.append(
            {
                "epoch": epoch.number,
                "loss": float(epoch.loss),
                "validation_score": None if epoch.score is None else float(epoch.score),
                "best": bool(epoch.is_best),
                "seconds": round(float(epoch.seconds), 3),
            }
        )
        if self._display is not None:
            self._display.on_epoch(epoch)


def _estimator(prepared: Prepared, request: Request, display: Callable[[int], Any]) -> Any:
    from lamina.estimators import MLPClassifier, MLPRegressor

    kind: Any = MLPClassifier if prepared.target.task == "classification" else MLPRegressor
    return kind(
        request.hidden,
        preset=request.preset,
        max_iter=request.epochs,
        learning_rate_init=request.learning_rate,
        random_state=request.seed,
        early_stopping=prepared.validation is not None,
        column_kinds=_kinds(prepared.schema),
        preprocess=True,  # scikit-learn's preset leaves scaling to a pipeline, which a table here does not have
        scoring="log_loss" if kind is MLPClassifier else "loss",  # what curves and progress show
        verbose=display,
    )


def _kinds(schema: Schema) -> dict[str, Choice]:
    """What was inferred from the whole table holds for the training rows."""
    return {
        column.name: _CHOICES.get(column.kind, "drop")
        for column in schema.columns
        if column.kind != "boolean"
    }


def _fit(estimator: Any, prepared: Prepared) -> None:
    target = prepared.target.name
    validation = None
    if prepared.validation is not None:
        part = known_rows(prepared.validation)
        validation = (part.frame.drop(target), _values(part, prepared))
    with warnings.catch_warnings():
        # The whole table was warned about already.
        warnings.filterwarnings("ignore", f"(?!{NOT_SAVED})", DataWarning)
        estimator.fit(
            prepared.train.frame.drop(target), _values(prepared.train, prepared), eval_set=validation
        )


def _values(part: Part, prepared: Prepared) -> np.ndarray:
    """The target as the estimator takes it: classes, or numbers."""
    if prepared.target.task == "regression":
        return part.target
    return class_values(prepared.target)[part.target]


def _schema(estimator: Any, prepared: Prepared) -> Schema:
    """The columns as the training rows have them, or, if left out, as the whole table has, and the target."""
    columns = tuple(
        known if column.kind == "dropped" else dataclasses.replace(column, note=known.note)
        for column, known in zip(
            estimator.fitted_.encoder.schema.columns, prepared.schema.columns, strict=True
        )
    )
    return dataclasses.replace(
        estimator.fitted_.encoder.schema, columns=columns, target=prepared.schema.target
    )
