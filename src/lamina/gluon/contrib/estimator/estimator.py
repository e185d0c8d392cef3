"""`Estimator`, a training loop for a network, its loss, metrics and trainer."""

from __future__ import annotations

import copy
import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from lamina.device.context import Context, current_context
from lamina.errors import ParameterError
from lamina.gluon.contrib.estimator.batch_processor import BatchProcessor
from lamina.gluon.contrib.estimator.event_handler import (
    BatchBegin,
    BatchEnd,
    EpochBegin,
    EpochEnd,
    EventHandler,
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    TrainBegin,
    TrainEnd,
    ValidationHandler,
    checked_metrics,
)
from lamina.gluon.data import DataLoader
from lamina.gluon.loss import Loss, SoftmaxCrossEntropyLoss
from lamina.gluon.metric import Accuracy, EvalMetric
from lamina.gluon.metric import Loss as LossMetric
from lamina.gluon.trainer import Trainer

__all__ = ["Estimator"]

_EVENTS = {
    "train_begin": TrainBegin, "epoch_begin": EpochBegin, "batch_begin": BatchBegin, "batch_end": BatchEnd,
    "epoch_end": EpochEnd, "train_end": TrainEnd,
}  # fmt: skip


class Estimator:
    """A training loop.

    Args:
        net, loss: the network and its loss.
        train_metrics, val_metrics: metrics of training and validation; by default accuracy (for class labels) and
            the loss, for validation copies of those for training. Their names get ``training`` or ``validation``.
        initializer: initializes the network if it is not yet.
        trainer: by default SGD with a rate of 0.001.
        context: the device, or several, among which batches are split.
        val_net, val_loss: the network and loss of `evaluate`, if others.
        batch_processor: the passes over a batch; see `BatchProcessor`.

    >>> from lamina import gluon, nd
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> rows = gluon.data.DataLoader(gluon.data.ArrayDataset(nd.ones((8, 2)), nd.ones(8)), batch_size=4)
    >>> trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    >>> estimator = Estimator(net, gluon.loss.L2Loss(), initializer="ones", trainer=trainer)
    >>> estimator.logger.setLevel("ERROR")
    >>> estimator.fit(rows, epochs=20)
    >>> estimator.train_metrics[0].get()[1] < 1e-3
    True
    """

    def __init__(
        self,
        net: Any,
        loss: Loss,
        train_metrics: Any = None,
        val_metrics: Any = None,
        initializer: Any = None,
        trainer: Trainer | None = None,
        context: Context | Sequence[Context] | None = None,
        val_net: Any = None,
        val_loss: Loss | None = None,
        batch_processor: Any = None,
    ) -> None:
        self.net, self.val_net = net, net if val_net is None else val_net
        for each in (loss, loss if val_loss is None else val_loss):
            if not isinstance(each, Loss):
                raise ValueError(f"Estimator: a loss is a gluon.loss.Loss, not {each!r}")
        self.loss, self.val_loss = loss, val_loss or loss
        self._train_metrics = checked_metrics(train_metrics) or self._default_metrics()
        for metric in self._train_metrics:
            metric.name = f"training {metric.name}"
        self._val_metrics = checked_metrics(val_metrics) or copy.deepcopy(self._train_metrics)
        for metric in self._val_metrics:
            metric.name = f"validation {metric.name.removeprefix('training ')}"
        self.logger = logging.Logger("Estimator", logging.INFO)
        self.logger.addHandler(logging.StreamHandler(sys.stdout))
        contexts = [context or current_context()] if isinstance(context, Context | None) else list(context)
        if not all(isinstance(each, Context) for each in contexts):
            raise ValueError(
                f"Estimator: context is a device such as mx.cpu(), or a list of devices, not {context!r}"
            )
        self.context = contexts
        self._initialize(initializer)
        if trainer is None:
            warnings.warn(
                "No trainer specified, default SGD optimizer with learning rate 0.001 is used.", stacklevel=2
            )
            trainer = Trainer(net.collect_params(), "sgd", {"learning_rate": 0.001})
        elif not isinstance(trainer, Trainer):
            raise ValueError(f"Estimator: trainer is a gluon.Trainer, not {trainer!r}")
        self.trainer = trainer
        self.batch_processor = BatchProcessor() if batch_processor is None else batch_processor
        for method in ("fit_batch", "evaluate_batch"):
            if not callable(getattr(self.batch_processor, method, None)):
                raise ValueError(f"Estimator: batch_processor must have the method {method}")
        self.max_epoch: int | None = None
        self.max_batch: int | None = None
        self.batch_axis = 0

    def _default_metrics(self) -> list[EvalMetric]:
        known: list[EvalMetric] = [Accuracy()] if isinstance(self.loss, SoftmaxCrossEntropyLoss) else []
        return [*known, LossMetric(self.loss.name.rstrip("1234567890"))]

    def _initialize(self, initializer: Any) -> None:
        try:
            for parameter in self.net.collect_params().values():
                parameter.list_ctx()
        except ParameterError:
            self.net.initialize(*(() if initializer is None else (initializer,)), ctx=self.context)
            return
        if initializer is not None:
            warnings.warn(
                "Network already fully initialized, skipping initialization. To initialize it anew, call "
                "net.initialize(initializer, force_reinit=True)",
                stacklevel=3,
            )

    @property
    def train_metrics(self) -> list[EvalMetric]:
        """The metrics of training."""
        return self._train_metrics

    @property
    def val_metrics(self) -> list[EvalMetric]:
        """The metrics of validation."""
        return self._val_metrics

    def evaluate(self, val_data: DataLoader, batch_axis: int = 0, event_handlers: Any = None) -> None:
        """Update the validation metrics with all batches of a loader, and log them."""
        _require_loader("val_data", val_data)
        for metric in self.val_metrics:
            metric.reset()
        defaults = [MetricHandler(self.val_metrics), LoggingHandler(metrics=self.val_metrics)]
        handlers = _with_defaults(event_handlers, defaults, self.val_metrics)
        self._call(handlers, "epoch_begin")
        for batch in val_data:
            self._call(handlers, "batch_begin", batch=batch)
            _, label, pred, loss = self.batch_processor.evaluate_batch(self, batch, batch_axis)
            self._call(handlers, "batch_end", batch=batch, pred=pred, label=label, loss=loss)
        self._call(handlers, "epoch_end")

    def fit(
        self,
        train_data: DataLoader,
        val_data: DataLoader | None = None,
        epochs: int | None = None,
        event_handlers: Any = None,
        batches: int | None = None,
        batch_axis: int = 0,
    ) -> None:
        """Train for a number of epochs, or of batches.

        Args:
            train_data, val_data: the loaders for training and, if not None, for validation after each epoch.
            event_handlers: a handler or a list. Handlers for the step, metrics, validation and logging are added
                unless there are some.
        """
        _require_loader("train_data", train_data)
        if bool(epochs) == bool(batches):
            raise ValueError("Estimator.fit: pass either epochs or batches")
        self.max_epoch, self.max_batch, self.batch_axis = epochs, batches, batch_axis
        defaults: list[EventHandler] = [
            StoppingHandler(),
            GradientUpdateHandler(),
            MetricHandler(self.train_metrics),
        ]
        if val_data is not None:
            defaults.append(ValidationHandler(val_data, self.evaluate))
        defaults.append(LoggingHandler(metrics=self.train_metrics))
        known = [*self.train_metrics, *self.val_metrics]
        handlers = _with_defaults(event_handlers, defaults, known)
        self._call(handlers, "train_begin")
        is_done = False
        while not is_done:
            self._call(handlers, "epoch_begin")
            for batch in train_data:
                self._call(handlers, "batch_begin", batch=batch)
                _, label, pred, loss = self.batch_processor.fit_batch(self, batch, batch_axis)
                if self._call(handlers, "batch_end", batch=batch, pred=pred, label=label, loss=loss):
                    break
            is_done = self._call(handlers, "epoch_end")
        self._call(handlers, "train_end")

    def _call(self, handlers: Sequence[EventHandler], event: str, **given: Any) -> bool:
        """Call the handlers of an event; whether one of them ends the training."""
        concerned = [handler for handler in handlers if isinstance(handler, _EVENTS[event])]
        results = [getattr(handler, event)(self, **given) for handler in concerned]
        return any(results)


def _require_loader(name: str, loader: Any) -> None:
    if not isinstance(loader, DataLoader):
        raise ValueError(f"Estimator: {name} is a gluon.data.DataLoader, not {type(loader).__name__}")


def _with_defaults(given: Any, defaults: Sequence[Any], known: Sequence[EvalMetric]) -> list[EventHandler]:
    """The handlers of a call with those defaults of whose class there is none, in the order of their priorities.

    Raises:
        ValueError: something is no handler, or a handler's metrics are others than the estimator's.
    """
    handlers = list(given or ()) if isinstance(given, Sequence | None) else [given]
    if not all(isinstance(handler, EventHandler) for handler in handlers):
        raise ValueError(f"Estimator: event_handlers is an EventHandler or a list of them, not {given!r}")
    for handler in handlers:
        for metric in getattr(handler, "metrics", ()):
            if not any(metric is one for one in known):
                raise ValueError(
                    f"Estimator: {type(handler).__name__} has the metric {metric.name!r}; use those of "
                    "estimator.train_metrics and estimator.val_metrics"
                )
    added = [x for x in defaults if isinstance(x, StoppingHandler) or not _has(handlers, type(x))]
    return sorted([*handlers, *added], key=lambda handler: getattr(handler, "priority", 0))


def _has(handlers: Sequence[EventHandler], kind: type) -> bool:
    return any(isinstance(handler, kind) for handler in handlers)
