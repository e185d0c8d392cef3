"""MXNet's `FeedForward`, the older interface of `Module`, with arrays in place of iterators."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.device.context import Context
from lamina.errors import ParameterError, ShapeError
from lamina.gluon import metric as metrics
from lamina.gluon.initializer import Fill, Uniform
from lamina.mxnet.io import DataIter, NDArrayIter, ResizeIter
from lamina.mxnet.model import load_checkpoint, save_checkpoint
from lamina.mxnet.module import Module
from lamina.mxnet.symbol import Symbol
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer

__all__ = ["FeedForward"]


class FeedForward:
    """A network with its parameters.

    Args:
        symbol: the network, with a loss such as `SoftmaxOutput` as its output.
        ctx: the device, or several, which compute slices of every batch.
        num_epoch, begin_epoch: the last and the first epoch of `fit`.
        epoch_size: the number of batches in an epoch; by default all.
        optimizer: its name or an optimizer; `kwargs` are its arguments.
        initializer: sets those parameters that `arg_params` and `aux_params` don't have.
        numpy_batch_size: the batch size for arrays.
        allow_extra_params: whether parameters may be given that the network does not have.

    >>> import lamina as mx, numpy as np
    >>> x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    >>> model = mx.model.FeedForward(mx.sym.SoftmaxOutput(x, name="softmax"), num_epoch=20, learning_rate=1.0)
    >>> rows = np.array([[-1.0], [1.0]] * 8)
    >>> model.fit(rows, (rows[:, 0] > 0).astype("float32"))
    >>> model.predict(rows).argmax(axis=1)[:4].tolist()
    [0, 1, 0, 1]
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Context | Sequence[Context] | None = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: str | Optimizer = "sgd",
        initializer: Fill = Uniform(0.01),  # noqa: B008 - as in MXNet
        numpy_batch_size: int = 128,
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_extra_params: bool = False,
        begin_epoch: int = 0,
        **kwargs: Any,
    ) -> None:
        self.symbol, self.ctx, self.num_epoch, self.epoch_size = symbol, ctx, num_epoch, epoch_size
        self.optimizer, self.initializer, self.numpy_batch_size = optimizer, initializer, numpy_batch_size
        self.arg_params, self.aux_params = arg_params, aux_params
        self.allow_extra_params, self.begin_epoch, self.kwargs = allow_extra_params, begin_epoch, kwargs

    def fit(
        self,
        X: Any,
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Any = None,
        monitor: Any = None,
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
    ) -> None:
        """Train on an iterator, or on arrays `X` (rows first) and `y` (rows).

        `eval_data` is an iterator, or a pair of arrays. The other arguments are those of `Module.fit`.
        """
        batches = self._batches(X, y, shuffle=True)
        if self.epoch_size is not None:
            batches = ResizeIter(batches, self.epoch_size, reset_internal=False)
        if isinstance(eval_data, tuple | list):
            eval_data = self._batches(np.asarray(eval_data[0]), np.asarray(eval_data[1]))
        data, labels = [[x[0] for x in part] for part in (batches.provide_data, batches.provide_label)]
        module = Module(self.symbol, data, labels, logger or logging, self.ctx)
        module.bind(batches.provide_data, batches.provide_label)
        module.init_params(
            self.initializer, self.arg_params, self.aux_params, True, False, self.allow_extra_params
        )
        module.fit(
            batches, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, self.optimizer,
            self.kwargs or (("learning_rate", 0.01),), eval_end_callback, eval_batch_end_callback,
            begin_epoch=self.begin_epoch, num_epoch=self.num_epoch, monitor=monitor, force_rebind=True,
        )  # fmt: skip
        self.arg_params, self.aux_params = module.get_params()

    def predict(
        self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True
    ) -> Any:
        """The outputs for an iterator or an array, as a NumPy array, or a list of these for several outputs.

        With `return_data`, outputs, data and labels.
        """
        batches = self._batches(X, None)
        found: list[list[list[np.ndarray]]] = []
        for outputs, _, batch in self._trained(batches).iter_predict(batches, num_batch, reset):
            rows = len(outputs[0])
            parts = [outputs, batch.data, batch.label or []]
            found.append([[x[:rows].asnumpy() for x in part] for part in parts])
        merged = [[np.concatenate(x) for x in zip(*part, strict=True)] for part in zip(*found, strict=True)]
        alone = [part[0] if len(part) == 1 else part for part in merged]
        return tuple(alone) if return_data else alone[0]

    def score(
        self,
        X: Any,
        eval_metric: Any = "acc",
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        reset: bool = True,
    ) -> Any:
        """The value of a metric on an iterator."""
        metric = metrics.create(eval_metric)
        batches = self._batches(X, None)
        self._trained(batches).score(batches, metric, num_batch, batch_end_callback, reset=reset)
        return metric.get()[1]

    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Write ``prefix-symbol.json`` and ``prefix-0000.params``, where 0000 is `epoch`, `num_epoch` by default."""
        number = self.num_epoch if epoch is None else epoch
        if number is None:
            raise TypeError("save: epoch, the number in the file's name, is missing")
        save_checkpoint(prefix, number, self.symbol, self.arg_params or {}, self.aux_params or {})

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """The network and parameters in files that `save` wrote; `kwargs` are the constructor's arguments."""
        symbol, arguments, states = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx, arg_params=arguments, aux_params=states, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(symbol: Symbol, X: Any, y: Any = None, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """A trained network; `kwargs` are arguments of the constructor and of `fit`."""
        fitted = {name: kwargs.pop(name) for name in _OF_FIT & {*kwargs}}
        model = FeedForward(symbol, ctx, **kwargs)
        model.fit(X, y, **fitted)
        return model

    def _batches(self, X: Any, y: Any, shuffle: bool = False) -> Any:
        if isinstance(X, DataIter):
            return X
        if not isinstance(X, np.ndarray | NDArray) or (shuffle and y is None):
            raise TypeError(f"FeedForward takes a DataIter, or arrays X and y; X is a {type(X).__name__}")
        if y is not None and len(X) != len(y):
            raise ShapeError(f"FeedForward: X has {len(X)} rows, and y {len(y)}")
        labels = None if y is None else y.reshape(-1)
        last = "roll_over" if shuffle else "pad"
        return NDArrayIter(X, labels, min(len(X), self.numpy_batch_size), shuffle, last)

    def _trained(self, batches: Any) -> Module:
        if self.arg_params is None:
            raise ParameterError("FeedForward: the network is not trained; call fit, or pass arg_params")
        data = [x[0] for x in batches.provide_data]
        labels = [n for n in self.symbol.list_arguments() if n not in data and n not in self.arg_params]
        module = Module(self.symbol, data, labels, context=self.ctx)
        module.bind(batches.provide_data, None, for_training=False)
        module.init_params(None, self.arg_params, self.aux_params, allow_extra=self.allow_extra_params)
        return module


_OF_FIT = {
    "eval_data", "eval_metric", "epoch_end_callback", "batch_end_callback", "kvstore", "logger", "work_load_list",
    "monitor", "eval_end_callback", "eval_batch_end_callback",
}  # fmt: skip
