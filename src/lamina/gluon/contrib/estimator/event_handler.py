"""Event handlers of an `Estimator`: what happens at the begin and end of a training, its epochs and its batches.

Of handlers for one event, those with a lower `priority` come first (0 by default).
"""

from __future__ import annotations

import math
import operator
import re
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lamina.errors import ParameterError
from lamina.gluon.block import HybridBlock
from lamina.gluon.metric import CompositeEvalMetric, EvalMetric, Loss

__all__ = [
    "BatchBegin", "BatchEnd", "CheckpointHandler", "EarlyStoppingHandler", "EpochBegin", "EpochEnd", "EventHandler",
    "GradientUpdateHandler", "LoggingHandler", "MetricHandler", "StoppingHandler", "TrainBegin", "TrainEnd",
    "ValidationHandler",
]  # fmt: skip


def checked_metrics(metrics: Any) -> list[EvalMetric]:
    """A list of single metrics, from a metric, a list of metrics, or None.

    Raises:
        ValueError: something else is among them.
    """
    if isinstance(metrics, CompositeEvalMetric):
        return [one for metric in metrics.metrics for one in checked_metrics(metric)]
    found: list[Any] = [metrics] if isinstance(metrics, EvalMetric) else list(metrics or ())
    if not all(isinstance(metric, EvalMetric) for metric in found):
        raise ValueError(
            f"metrics is a metric such as mx.metric.Accuracy(), or a list of metrics, not {metrics!r}"
        )
    return found


class EventHandler:
    """A base class; a handler inherits from the classes of its events, and defines their methods."""


class TrainBegin(EventHandler):
    """The begin of `fit`."""

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Called once."""


class TrainEnd(EventHandler):
    """The end of `fit`."""

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Called once."""


class EpochBegin(EventHandler):
    """The begin of a pass over the data."""

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Called at each pass."""


class EpochEnd(EventHandler):
    """The end of a pass over the data."""

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool | None:
        """Called at each pass; True ends the training."""


class BatchBegin(EventHandler):
    """The begin of a batch."""

    def batch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Called with ``batch``."""


class BatchEnd(EventHandler):
    """The end of a batch."""

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool | None:
        """Called with ``batch``, ``pred``, ``label`` and ``loss``; True ends the training."""


class _Counting(TrainBegin, BatchEnd, EpochEnd):
    """A handler that counts the batches and epochs of a training."""

    def __init__(self) -> None:
        self.current_batch = self.current_epoch = 0

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_batch = self.current_epoch = 0

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool | None:
        self.current_batch += 1

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool | None:
        self.current_epoch += 1


class StoppingHandler(_Counting):
    """End the training after the estimator's number of epochs or batches."""

    def __init__(self, max_epoch: int | None = None, max_batch: int | None = None) -> None:
        super().__init__()
        self.max_epoch, self.max_batch, self.stop_training = max_epoch, max_batch, False

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        super().train_begin(estimator)
        self.max_epoch, self.max_batch = estimator.max_epoch, estimator.max_batch

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        super().batch_end(estimator)
        self.stop_training |= self.current_batch == self.max_batch
        return self.stop_training

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        super().epoch_end(estimator)
        self.stop_training |= self.current_epoch == self.max_epoch
        return self.stop_training


class MetricHandler(EpochBegin, BatchEnd):
    """Update metrics after each batch."""

    def __init__(self, metrics: Any, priority: float = -1000) -> None:
        self.metrics, self.priority = checked_metrics(metrics), priority

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            metric.reset()

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        for metric in self.metrics:
            if isinstance(metric, Loss):
                metric.update(0, kwargs["loss"])
            else:
                metric.update(kwargs["label"], kwargs["pred"])


class ValidationHandler(_Counting):
    """Call ``eval_fn(val_data=…)`` every `epoch_period` epochs and every `batch_period` batches."""

    def __init__(
        self,
        val_data: Any,
        eval_fn: Callable[..., object],
        epoch_period: int | None = 1,
        batch_period: int | None = None,
        priority: float = -1000,
        event_handlers: Any = None,
    ) -> None:
        super().__init__()
        self.val_data, self.eval_fn, self.priority = val_data, eval_fn, priority
        self.epoch_period, self.batch_period, self.event_handlers = epoch_period, batch_period, event_handlers

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        super().batch_end(estimator)
        self._evaluate(estimator, self.current_batch, self.batch_period)

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        super().epoch_end(estimator)
        self._evaluate(estimator, self.current_epoch, self.epoch_period)

    def _evaluate(self, estimator: Any, count: int, period: int | None) -> None:
        if period and count % period == 0:
            given = {"batch_axis": estimator.batch_axis, "event_handlers": self.event_handlers}
            self.eval_fn(val_data=self.val_data, **given)


class LoggingHandler(TrainBegin, TrainEnd, EpochBegin, EpochEnd, BatchBegin, BatchEnd):
    """Log metrics after each epoch, and if `log_interval` is a number also after that number of batches."""

    def __init__(
        self, log_interval: int | str = "epoch", metrics: Any = None, priority: float = math.inf
    ) -> None:
        if not isinstance(log_interval, int) and log_interval != "epoch":
            raise ValueError(f"log_interval is a number of batches, or 'epoch', not {log_interval!r}")
        self.metrics, self.priority, self.log_interval = checked_metrics(metrics), priority, log_interval
        self._restart()

    def _restart(self) -> None:
        self.batch_index = self.current_epoch = self.processed_samples = 0
        self.log_interval_time = 0.0

    def _values(self) -> str:
        return ", ".join("{}: {:.4f}".format(*metric.get()) for metric in self.metrics)

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self._restart()
        self.train_start, trainer = time.time(), estimator.trainer
        kind = type(trainer.optimizer).__name__
        info = estimator.logger.info
        info(
            "Training begin: using optimizer %s with current learning rate %.4f ", kind, trainer.learning_rate
        )
        if estimator.max_epoch:
            info("Train for %d epochs.", estimator.max_epoch)
        else:
            info("Train for %d batches.", estimator.max_batch)

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        seconds = time.time() - self.train_start
        said = f"Train finished using total {int(seconds)}s with {self.current_epoch} epochs. "
        estimator.logger.info(said + self._values())

    def batch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.batch_start = time.time()

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(self.log_interval, int):
            self.processed_samples += len(kwargs["batch"][0])
            self.log_interval_time += time.time() - self.batch_start
            if self.batch_index % self.log_interval == 0:
                where = f"[Epoch {self.current_epoch}][Batch {self.batch_index}][Samples {self.processed_samples}] "
                took = f"time/interval: {self.log_interval_time:.3f}s "
                estimator.logger.info(where + took + self._values())
                self.log_interval_time = 0.0
        self.batch_index += 1

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.epoch_start = time.time()
        if any("training" in metric.name for metric in self.metrics):
            rate = estimator.trainer.learning_rate
            estimator.logger.info("[Epoch %d] Begin, current learning rate: %.4f", self.current_epoch, rate)
        else:
            estimator.logger.info("Validation Begin")

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        seconds = time.time() - self.epoch_start
        said = f"[Epoch {self.current_epoch}] Finished in {seconds:.3f}s, "
        estimator.logger.info(said + self._values())
        self.current_epoch += 1
        self.batch_index = 0


class Monitored:
    """A metric that a handler watches, and what counts as better than the best value so far.

    Args:
        monitor: one of the estimator's metrics.
        mode: ``"min"``, ``"max"``, or ``"auto"``, which is ``"max"`` with a warning, as in MXNet.
    """

    def __init__(self, monitor: Any, mode: str, baseline: float | None = None) -> None:
        if not isinstance(monitor, EvalMetric) or isinstance(monitor, CompositeEvalMetric):
            raise ValueError(
                f"monitor is one of estimator.train_metrics and estimator.val_metrics, not {monitor!r}"
            )
        if mode not in ("min", "max"):
            warnings.warn(
                f"`greater` operator will be used to determine if {monitor.name} has improved. Please specify "
                "`mode='min'` to use the `less` operator. Specify `mode='max'` to disable this warning.",
                stacklevel=3,
            )
        self.metric, self.baseline = monitor, baseline
        self.is_better = operator.lt if mode == "min" else operator.gt
        self.restart()

    def restart(self) -> None:
        """Forget the best value."""
        worst = math.inf if self.is_better is operator.lt else -math.inf
        self.best = worst if self.baseline is None else self.baseline

    def improved(self, min_delta: float = 0.0) -> bool:
        """Whether the metric is better than its best value by `min_delta`; its value is then the best one.

        A metric that was not updated is not better, with a warning.
        """
        name, value = self.metric.get()
        if math.isnan(value):
            warnings.warn(
                f"{name} was not updated; pass one of estimator.train_metrics and estimator.val_metrics as monitor",
                RuntimeWarning,
                stacklevel=3,
            )
            return False
        if not self.is_better(value - min_delta, self.best):
            return False
        self.best = value
        return True


class EarlyStoppingHandler(TrainBegin, EpochEnd, TrainEnd):
    """End the training after `patience` epochs without an improvement of `monitor` by `min_delta`.

    `baseline` is the value to improve at first; for `mode` see `Monitored`.
    """

    def __init__(
        self,
        monitor: Any,
        min_delta: float = 0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
    ) -> None:
        self._watched = Monitored(monitor, mode, baseline)
        self.monitor, self.patience = monitor, patience
        self.min_delta = -min_delta if mode == "min" else min_delta
        self.train_begin(None)

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.wait = self.stopped_epoch = self.current_epoch = 0
        self.stop_training = False
        self._watched.restart()

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        if self._watched.improved(self.min_delta):
            self.wait = 0
        elif not math.isnan(self.monitor.get()[1]):
            self.wait += 1
            if self.wait >= self.patience:
                self.stopped_epoch, self.stop_training = self.current_epoch, True
        self.current_epoch += 1
        return self.stop_training

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if self.stopped_epoch > 0:
            said = "[Epoch %d] EarlyStoppingHandler: early stopping due to %s not improving"
            estimator.logger.info(said, self.stopped_epoch, self.monitor.get()[0])


class GradientUpdateHandler(BatchEnd):
    """Make the trainer's step after each batch."""

    def __init__(self, priority: float = -2000) -> None:
        self.priority = priority

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        losses: Any = kwargs["loss"]
        losses = losses if isinstance(losses, Sequence) else [losses]
        estimator.trainer.step(sum(len(loss) for loss in losses))


class CheckpointHandler(TrainBegin, BatchEnd, EpochEnd):
    """Write parameters and the trainer's states to a folder while training.

    Args:
        model_dir, model_prefix: the folder, which is created, and the begin of the files' names.
        monitor, mode: the metric whose best value `save_best` looks for; see `Monitored`.
        verbose: whether each file is logged.
        save_best: whether the best parameters are also written, as ``prefix-best.params``.
        epoch_period, batch_period: the numbers of epochs and batches from one file to the next.
        max_checkpoints: the number of files to keep; the oldest one is removed.
        resume_from_checkpoint: whether training goes on from the last file in the folder.
    """

    def __init__(
        self,
        model_dir: str,
        model_prefix: str = "model",
        monitor: Any = None,
        verbose: int = 0,
        save_best: bool = False,
        mode: str = "auto",
        epoch_period: int | None = 1,
        batch_period: int | None = None,
        max_checkpoints: int = 5,
        resume_from_checkpoint: bool = False,
    ) -> None:
        self.model_dir, self.model_prefix, self.verbose = str(model_dir), model_prefix, verbose
        self._folder = Path(model_dir)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.monitor, self.save_best = monitor, save_best
        self._watched = Monitored(monitor, mode) if save_best else None
        self.epoch_period, self.batch_period = epoch_period, batch_period
        self.max_checkpoints, self.resume_from_checkpoint = max_checkpoints, resume_from_checkpoint
        self.saved_checkpoints: list[str] = []
        self.current_batch = self.current_epoch = 0
        self.trained_epoch = self.trained_batch = -1

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        self.current_epoch = self.current_batch = 0
        if self._watched is not None:
            self._watched.restart()
        if self.resume_from_checkpoint:
            by_epoch = (bool(self.epoch_period), bool(self.batch_period))
            if by_epoch != (bool(estimator.max_epoch), bool(estimator.max_batch)):
                raise ParameterError(
                    "CheckpointHandler: a training goes on by epochs (epoch_period, batch_period=None) or by batches "
                    "(batch_period, epoch_period=None), as fit's epochs or batches say"
                )
            self._resume(estimator)

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if self.current_batch == 0:
            self._save_symbol(estimator)
        if self.batch_period and (self.current_batch + 1) % self.batch_period == 0:
            self._save(estimator)
        self.current_batch += 1

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        if self.epoch_period and (self.current_epoch + 1) % self.epoch_period == 0:
            self._save(estimator)
        self.current_epoch += 1

    def _save_symbol(self, estimator: Any) -> None:
        net, path = estimator.net, self._folder / f"{self.model_prefix}-symbol.json"
        if isinstance(net, HybridBlock) and net._active:
            net.as_symbol().save(path)
        else:
            estimator.logger.info("%s is not written: it needs a HybridBlock after hybridize()", path)

    def _save(self, estimator: Any) -> None:
        epoch, batch = self.current_epoch, self.current_batch
        if self.resume_from_checkpoint:
            epoch += self.trained_epoch + 1
            batch += self.trained_batch + (0 if estimator.max_epoch else 1)
        prefix = f"{self.model_prefix}-epoch{epoch}batch{batch}"
        self._write(estimator, prefix)
        self.saved_checkpoints.append(prefix)
        while len(self.saved_checkpoints) > self.max_checkpoints:
            for suffix in (".params", ".states"):
                (self._folder / f"{self.saved_checkpoints[0]}{suffix}").unlink(missing_ok=True)
            del self.saved_checkpoints[0]
        if self._watched is not None and self._watched.improved():
            self._write(estimator, f"{self.model_prefix}-best")

    def _write(self, estimator: Any, prefix: str) -> None:
        estimator.net.save_parameters(self._folder / f"{prefix}.params")
        estimator.trainer.save_states(self._folder / f"{prefix}.states")
        if self.verbose:
            estimator.logger.info("[Epoch %d] CheckpointHandler: wrote %s", self.current_epoch, prefix)

    def _resume(self, estimator: Any) -> None:
        pattern = re.compile(re.escape(self.model_prefix) + r"-epoch(\d+)batch(\d+)\.params")
        matches = [match for path in self._folder.iterdir() if (match := pattern.fullmatch(path.name))]
        found = sorted((int(match[1]), int(match[2]), match[0]) for match in matches)
        self.saved_checkpoints = [name.removesuffix(".params") for _, _, name in found]
        if not found:
            estimator.logger.info("CheckpointHandler: there is no checkpoint; training begins anew")
            return
        self.trained_epoch, self.trained_batch, _ = found[-1]
        for what, done in (("max_epoch", self.trained_epoch), ("max_batch", self.trained_batch)):
            total = getattr(estimator, what)
            if total:
                if done >= total - 1:
                    raise ValueError(
                        f"CheckpointHandler: {self.saved_checkpoints[-1]} is the end of the training; pass more epochs "
                        "or batches to fit, or resume_from_checkpoint=False"
                    )
                setattr(estimator, what, total - done - 1)
        path = self._folder / self.saved_checkpoints[-1]
        estimator.net.load_parameters(f"{path}.params", ctx=estimator.context)
        estimator.trainer.load_states(f"{path}.states")
        estimator.logger.warning("CheckpointHandler: training goes on from %s", path)
