"""Trains the estimator for a prepared table; Ctrl-C ends the training with its best epoch."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.distributed.communicator import world
from lamina.errors import LaminaError
from lamina.runs._model import TableModel
from lamina.runs.data import SETTINGS, Part, Prepared, Request, known_rows, marks_of
from lamina.runs.run_folder import as_line
from lamina.table.columns import named, value_name
from lamina.table.encode import TableEncoder
from lamina.table.kinds import relearned
from lamina.table.messages import DataWarning, closest, listed
from lamina.table.schema import Target
from lamina.training.loop import Epoch, Loop, Observer


@dataclasses.dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        model: the model, with the parameters of the best epoch.
        history: for each epoch its number, loss, validation score (higher is better), whether it was the best
            until then, and seconds since the training began.
        best_epoch: the epoch of the kept parameters.
        interrupted: whether Ctrl-C ended it.
        seconds: the total time.
        most_epochs: the maximum number of epochs, without early stopping.
        search: the summary of a search, if there was one; see `lamina.runs.search`.
    """

    model: TableModel
    history: list[dict[str, Any]]
    best_epoch: int
    interrupted: bool
    seconds: float
    most_epochs: int
    search: Mapping[str, Any] | None = None


def train(
    prepared: Prepared, request: Request, observers: Sequence[Observer] = (), device: str = "cpu"
) -> Trained:
    """Train from the start, or resume an earlier run.

    Args:
        prepared: the table.
        request: preset, epochs, layers, learning rate, seed.
        observers: observers, such as the run's `Checkpoints`, which may resume an earlier run.
        device: as the estimators' parameter; not in the request, since a run may be resumed on another device.

    Raises:
        LaminaError: the settings are invalid, or the training diverged.
        KeyboardInterrupt: Ctrl-C before the first epoch was complete.
    """
    watch = _Watch()
    estimator = estimator_for(prepared, request, [*observers, watch])
    estimator.set_params(device=device)
    interrupted = False
    try:
        fit(estimator, prepared)
    except KeyboardInterrupt:
        if not watch.past or world().size > 1:  # the others end too, and the checkpoint is what stays
            raise
        interrupted = True
    except ValueError as error:
        if isinstance(error, LaminaError):
            raise
        raise LaminaError(str(error)) from error
    estimator.set_params(callbacks=None)
    model = TableModel.of(estimator)
    history = [as_line(epoch) for epoch in watch.past]
    best = len(history) if prepared.validation is None else estimator.best_epoch_
    return Trained(model, history, best, interrupted, time.perf_counter() - watch.start, watch.epochs)


class _Watch(Observer):
    """Records a training: its start, its epochs, and their maximum number."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.past: list[Epoch] = []
        self.epochs = 0

    def on_begin(self, loop: Loop) -> None:
        self.past, self.epochs = loop.past, loop.epochs
        if loop.past:
            self.start -= loop.past[-1].seconds


def estimator_for(prepared: Prepared, request: Request, observers: Sequence[Any]) -> Any:
    """The estimator that a request describes."""
    from lamina.estimators import MLPClassifier, MLPRegressor
    from lamina.estimators.declaring import declared

    is_class = prepared.target.task == "classification"
    _require_of_task(prepared, request)
    kind: Any = MLPClassifier if is_class else MLPRegressor
    settings = {
        name: getattr(request, option.name) for name, option in SETTINGS.items() if name in declared(kind)
    }
    if is_class:
        settings["class_weight"] = _by_class(request.class_weight, prepared.target)
    elif request.quantiles is None:
        del settings["quantile"]
    else:
        settings |= {"loss": "quantile", "quantile": [*request.quantiles]}
    settings |= {
        "early_stopping": request.searches or prepared.validation is not None,
        "column_kinds": {
            column.name: column.type.choice for column in prepared.schema.columns if column.type.choice
        },
        "monotone": request.monotone or None,
        # Without hidden layers the model is to be linear; but constrained numbers must be embedded.
        "number_embedding": False if request.hidden == () and not request.monotone else None,
        "preprocess": True,  # scikit-learn's preset leaves scaling to a pipeline, which a table here does not have
        "linear_path": None if request.has_additions else False,
        "scoring": request.scoring or ("log_loss" if is_class else "loss"),
        "callbacks": observers,
    }
    return kind(**settings)


def _require_of_task(prepared: Prepared, request: Request) -> None:
    """Raise `LaminaError` for classification settings in a regression, the reverse, or missing validation rows."""
    name, is_class = prepared.target.name, prepared.target.task == "classification"
    if is_class and request.quantiles is not None:
        raise LaminaError(
            f"quantiles are of numbers, and {name!r} has classes; --task regression says otherwise"
        )
    for option in ("class_weight", "threshold"):
        if not is_class and getattr(request, option) is not None:
            raise LaminaError(
                f"--{option.replace('_', '-')} is of classes, and {name!r} has numbers; --task classification says "
                "otherwise"
            )
    classes = len(prepared.target.classes)
    if request.threshold is not None and classes != 2:
        raise LaminaError(
            f"--threshold {request.threshold} decides between two classes, and {name!r} has {classes}"
        )
    if request.searches or prepared.validation is not None:
        return
    if isinstance(request.threshold, str):
        raise LaminaError(
            f"--threshold {request.threshold} is chosen on validation rows, and there are none; give it a number, as "
            "--threshold 0.3, or hold rows back with --validation"
        )
    if request.scoring is not None:
        raise LaminaError(
            f"--scoring {request.scoring} scores validation rows, and there are none; hold some back with --validation"
        )


def _by_class(class_weight: Any, target: Target) -> Any:
    """Weights by class name as weights by class.

    Raises:
        LaminaError: there is no class with such a name.
    """
    if not isinstance(class_weight, Mapping):
        return class_weight
    classes = {value_name(value): value for value in target.classes}
    for name in class_weight:
        if name not in classes:
            raise LaminaError(
                f"--class-weight {name}: {target.name!r} has no such class.{closest(name, list(classes))} It has "
                f"{listed(list(classes))}"
            )
    return {classes[name]: float(weight) for name, weight in class_weight.items()}


def fit(estimator: Any, prepared: Prepared) -> None:
    """Fit an estimator to the training rows, with validation rows."""
    from lamina.estimators.base import fit_table
    from lamina.estimators.streamed import fit_streamed

    target = prepared.target.name
    validation = None
    if prepared.validation is not None:
        part = known_rows(prepared.validation)
        validation = (part.frame.drop(named(target)), _values(part, prepared))
    if prepared.streamed is not None:
        fit_streamed(estimator, prepared.streamed, validation)
        return
    table = prepared.train.frame.drop(named(target))
    with warnings.catch_warnings():
        # The whole table was warned about already.
        warnings.simplefilter("ignore", DataWarning)
        schema = relearned(prepared.schema, table)
        groups, time = marks_of(table, prepared.schema, prepared.group, prepared.time)
        fit_table(estimator, table, _values(prepared.train, prepared), schema, validation, groups, time)


def encoder_for(estimator: Any, prepared: Prepared) -> TableEncoder:
    """The encoder, fitted to all training rows."""
    from lamina.estimators.base import fitted_encoder, settings_of

    table = prepared.train.frame.drop(named(prepared.target.name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        schema = relearned(prepared.schema, table)
        return fitted_encoder(schema, table, np.arange(len(table)), settings_of(estimator))


def _values(part: Part, prepared: Prepared) -> np.ndarray:
    """The target for the estimator: classes, or numbers."""
    if prepared.target.task == "regression":
        return part.target
    return np.array(prepared.target.classes)[part.target]
