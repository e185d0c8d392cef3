"""MXNet's `BaseModule`, the loops over batches that all modules share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lamina import nd
from lamina.gluon import metric as metrics
from lamina.gluon.initializer import Fill, Uniform
from lamina.mxnet.io import DataBatch, DataIter
from lamina.mxnet.model import BatchEndParam, load_arrays, save_arrays
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer

Callbacks = Callable[..., object] | Sequence[Callable[..., object]] | None


class BaseModule:
    """What can be trained batch by batch, such as `Module`.

    A subclass defines `bind`, `init_params`, `get_params`, `init_optimizer`, `forward`, `backward`, `update`,
    `get_outputs`, `update_metric` and `symbol`, and calls this class's constructor.
    """

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = self.params_initialized = self.optimizer_initialized = False
        self.for_training = self.inputs_need_grad = False
        self._symbol: Any = None

    def _missing(self, *_args: Any, **_kwargs: Any) -> Any:
        names = "bind, init_params, get_params, init_optimizer, forward, backward, update, get_outputs, update_metric"
        raise NotImplementedError(f"{type(self).__name__} must define {names}")

    bind: Any = _missing
    init_params: Any = _missing
    get_params: Any = _missing
    init_optimizer: Any = _missing
    forward: Any = _missing
    backward: Any = _missing
    update: Any = _missing
    get_outputs: Any = _missing
    update_metric: Any = _missing
    install_monitor: Any = _missing

    @property
    def symbol(self) -> Any:
        """The network."""
        return self._symbol

    def set_params(
        self,
        arg_params: Mapping[str, NDArray],
        aux_params: Mapping[str, NDArray] | None,
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters to given values; with `allow_missing` others keep theirs."""
        self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)

    def save_params(self, fname: str) -> None:
        """Write the parameters to a file."""
        save_arrays(fname, *self.get_params())

    def load_params(self, fname: str) -> None:
        """Set the parameters from a file that `save_params` wrote."""
        self.set_params(*load_arrays(fname))

    def forward_backward(self, data_batch: DataBatch) -> None:
        """Compute the outputs and gradients for a batch."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: Any = None) -> None:
        """Do nothing before a batch; a subclass may do something."""

    def fit(
        self,
        train_data: DataIter,
        eval_data: DataIter | None = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Callbacks = None,
        batch_end_callback: Callbacks = None,
        kvstore: Any = "local",
        optimizer: str | Optimizer = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        eval_end_callback: Callbacks = None,
        eval_batch_end_callback: Callbacks = None,
        initializer: Fill | None = Uniform(0.01),  # noqa: B008 - as in MXNet
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Any = None,
    ) -> None:
        """Train for the epochs from `begin_epoch` to `num_epoch`, and log the metrics of each.

        Callbacks after batches get a `BatchEndParam`; those after epochs the epoch, symbol, parameters and states.
        """
        if num_epoch is None:
            raise TypeError("fit: num_epoch, the number of epochs, is missing")
        if not hasattr(train_data, "provide_data"):
            raise TypeError(
                f"fit: train_data is a DataIter, such as mx.io.NDArrayIter(X, y, 32), not {train_data!r:.80}"
            )
        self.bind(_shapes(train_data, "data"), _shapes(train_data, "label"), force_rebind=force_rebind)
        if monitor is not None:
            self.install_monitor(monitor)
        if not self.params_initialized or force_init:
            self.init_params(initializer, arg_params, aux_params, allow_missing, force_init)
        self.init_optimizer(kvstore, optimizer, optimizer_params)
        tested = validation_metric if validation_metric is not None else eval_metric
        eval_metric = metrics.create(eval_metric)
        for epoch in range(begin_epoch, num_epoch):
            tic = time.time()
            eval_metric.reset()
            self._fit_epoch(epoch, train_data, eval_metric, monitor, batch_end_callback)
            self._log(epoch, "Train", eval_metric.get_global_name_value())
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            parameters = self.get_params()
            self.set_params(*parameters)  # on several devices, the auxiliary states become equal
            _call(epoch_end_callback, epoch, self.symbol, *parameters)
            if eval_data is not None:
                callbacks = eval_batch_end_callback, eval_end_callback
                found = self.score(eval_data, tested, None, *callbacks, epoch=epoch)
                self._log(epoch, "Validation", found)
            train_data.reset()

    def _fit_epoch(
        self, epoch: int, train_data: Any, eval_metric: Any, monitor: Any, batch_end_callback: Callbacks
    ) -> None:
        nbatch = None
        for nbatch, data_batch in enumerate(train_data):
            if monitor is not None:
                monitor.tic()
            self.forward_backward(data_batch)
            self.update()
            self.update_metric(eval_metric, data_batch.label)
            if monitor is not None:
                monitor.toc_print()
            _call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
        if nbatch is None:
            raise ValueError("fit: train_data has no batch left; call its reset() before")

    def _log(self, epoch: int, what: str, values: Sequence[tuple[str, float]]) -> None:
        for name, value in values:
            self.logger.info("Epoch[%d] %s-%s=%f", epoch, what, name, value)

    def score(
        self,
        eval_data: DataIter,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Callbacks = None,
        score_end_callback: Callbacks = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: Any = None,
    ) -> list[tuple[str, float]]:
        """The names and values of the metrics of an iterator's batches."""
        eval_metric = metrics.create(eval_metric)
        eval_metric.reset()
        count = 0
        for nbatch, eval_batch in self._computed(eval_data, num_batch, reset):
            self.update_metric(eval_metric, eval_batch.label)
            _call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            count = nbatch + 1
        _call(score_end_callback, BatchEndParam(epoch, count, eval_metric, locals()))
        return eval_metric.get_name_value()

    def iter_predict(
        self,
        eval_data: DataIter,
        num_batch: int | None = None,
        reset: bool = True,
        sparse_row_id_fn: Any = None,
    ) -> Iterator[tuple[list[NDArray], int, DataBatch]]:
        """Yield the outputs without padding, the number and the batch for each of an iterator's batches."""
        for nbatch, batch in self._computed(eval_data, num_batch, reset):
            yield [x[: x.shape[0] - (batch.pad or 0)] for x in self.get_outputs()], nbatch, batch

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: Any = None,
    ) -> Any:
        """The outputs for an iterator's batches, or for an array.

        Returns an array, or a list of arrays for several outputs; without `merge_batches` a list of lists by batch.
        """
        if isinstance(eval_data, NDArray | np.ndarray):
            self.forward(DataBatch([nd.array(eval_data)]), is_train=False)
            return self.get_outputs()[0]
        found = [outputs for outputs, _, _ in self.iter_predict(eval_data, num_batch, reset)]
        if not merge_batches or not found:
            return found
        merged = [nd.concat(*parts, dim=0) for parts in zip(*found, strict=True)]
        return merged if always_output_list or len(merged) > 1 else merged[0]

    def _computed(
        self, batches: DataIter, num_batch: int | None, reset: bool
    ) -> Iterator[tuple[int, DataBatch]]:
        if not hasattr(batches, "reset"):
            raise TypeError(
                f"eval_data is a DataIter, such as mx.io.NDArrayIter(X, y, 32), not {batches!r:.80}"
            )
        if reset:
            batches.reset()
        for nbatch, batch in enumerate(batches):
            if nbatch == num_batch:
                return
            self.prepare(batch)
            self.forward(batch, is_train=False)
            yield nbatch, batch


def _call(callbacks: Callbacks, *arguments: Any) -> None:
    for callback in callbacks if isinstance(callbacks, Sequence) else [callbacks] if callbacks else ():
        callback(*arguments)


def _shapes(batches: Any, kind: str) -> Any:
    return getattr(batches, f"provide_{kind}", None)
