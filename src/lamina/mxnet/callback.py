"""Callbacks with MXNet's names, for training loops to call after batches and epochs.

They log through `logging`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from lamina.mxnet.model import save_checkpoint
from lamina.support.unsupported import names_of_others

__all__ = [
    "LogValidationMetricsCallback", "ProgressBar", "Speedometer", "do_checkpoint", "log_train_metric",
    "module_checkpoint",
]  # fmt: skip


def do_checkpoint(prefix: str, period: int = 1) -> Callable[..., None]:
    """A callback that saves a checkpoint after every `period` epochs.

    The callback's arguments are epoch, symbol, weights and auxiliary states.
    """
    return _every(period, partial(save_checkpoint, prefix))


def _every(period: int, save: Callable[..., object]) -> Callable[..., None]:
    """A callback that calls `save` with the number from 1 and what it was called with, every `period` epochs."""
    every = int(max(1, period))

    def callback(iter_no: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % every == 0:
            save(iter_no + 1, sym, arg, aux)

    return callback


def module_checkpoint(
    mod: Any, prefix: str, period: int = 1, save_optimizer_states: bool = False
) -> Callable[..., None]:
    """A callback that calls ``mod.save_checkpoint(prefix, epoch, save_optimizer_states)`` every `period` epochs."""
    return _every(period, lambda number, *_: mod.save_checkpoint(prefix, number, save_optimizer_states))


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[Any], None]:
    """A callback that logs the metric every `period` batches.

    With `auto_reset` it also calls the metric's `reset_local`.
    """

    def callback(param: Any) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return callback


class Speedometer:
    """A callback that logs the samples per second and the metric every `frequent` batches.

    >>> import lamina as mx
    >>> speed = Speedometer(batch_size=32, frequent=10)
    >>> for i in range(3):
    ...     speed(mx.model.BatchEndParam(epoch=0, nbatch=i, eval_metric=None, locals=None))
    """

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True) -> None:
        self.batch_size, self.frequent, self.auto_reset = batch_size, frequent, auto_reset
        self.init, self.tic, self.last_count = False, 0.0, 0

    def __call__(self, param: Any) -> None:
        count = param.nbatch
        if self.last_count > count:
            self.init = False
        self.last_count = count
        if not self.init:
            self.init, self.tic = True, time.time()
        elif count % self.frequent == 0:
            passed = time.time() - self.tic
            self._log(param, self.frequent * self.batch_size / passed if passed else math.inf)
            self.tic = time.time()

    def _log(self, param: Any, speed: float) -> None:
        count = param.nbatch
        if param.eval_metric is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", param.epoch, count, speed)
            return
        values = param.eval_metric.get_name_value()
        first = 0
        if self.auto_reset:
            param.eval_metric.reset_local()
            first = count - self.frequent
        text = "Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec" + "\t%s=%f" * len(values)
        flat = [part for pair in values for part in pair]
        logging.info(text, param.epoch, first, count, speed, *flat)


class ProgressBar:
    """A callback that logs a progress bar of `length` characters after each of the `total` batches of an epoch."""

    def __init__(self, total: int, length: int = 80) -> None:
        self.bar_len, self.total = length, total

    def __call__(self, param: Any) -> None:
        filled = round(self.bar_len * param.nbatch / float(self.total))
        percent = math.ceil(100.0 * param.nbatch / float(self.total))
        logging.info("[%s] %s%s\r", "=" * filled + "-" * (self.bar_len - filled), percent, "%")


class LogValidationMetricsCallback:
    """A callback that logs the validation metric after an epoch."""

    def __call__(self, param: Any) -> None:
        if param.eval_metric:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)


__getattr__ = names_of_others("lamina.callback")
