"""MXNet's `Module`, which trains a symbol on batches of a data iterator."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from lamina import nd
from lamina.device.context import Context, current_context
from lamina.errors import LaminaError, ParameterError
from lamina.gluon import metric as metrics
from lamina.gluon.initializer import Fill, InitDesc, Uniform
from lamina.mxnet import kvstore as stores
from lamina.mxnet.io import DataBatch, DataDesc, DataIter
from lamina.mxnet.model import (
    Arrays,
    BatchEndParam,
    load_arrays,
    load_checkpoint,
    save_arrays,
    save_checkpoint,
)
from lamina.mxnet.symbol import Symbol
from lamina.mxnet.symbol.executor import Executor, bound_to_shapes
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer, create, get_updater
from lamina.support.files.atomic import atomic_write
from lamina.support.messages import closest
from lamina.support.unsupported import names_of_others

__all__ = ["Module"]

Shapes = Sequence[Any] | None
"""Descriptions of inputs, `DataDesc` or pairs (name, shape)."""

Callbacks = Callable[..., object] | Sequence[Callable[..., object]] | None


class Module:
    """A symbol with its parameters and an optimizer.

    Args:
        symbol: the network, with a loss such as `SoftmaxOutput` as its output.
        data_names, label_names: the variables that batches provide, in their order. All others are parameters.
        logger: the logger of `fit`.
        context: the device; of several, the first one computes.
        fixed_param_names: parameters that `update` doesn't change.

    `fit` does everything. Without it, call `bind`, `init_params` and `init_optimizer` once, and `forward`, `backward`
    and `update` for each batch.

    >>> import lamina as mx, numpy as np
    >>> x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    >>> module = mx.mod.Module(mx.sym.SoftmaxOutput(x, name="softmax"))
    >>> rows = np.array([[-1.0], [1.0]] * 8)
    >>> batches = mx.io.NDArrayIter(rows, (rows[:, 0] > 0).astype("float32"), batch_size=4)
    >>> module.fit(batches, num_epoch=5, optimizer_params={"learning_rate": 1.0})
    >>> module.score(batches, "acc")
    [('accuracy', 1.0)]
    """

    def __init__(
        self,
        symbol: Symbol,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Context | Sequence[Context] | None = None,
        work_load_list: Any = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Any = None,
    ) -> None:
        variables = symbol.list_arguments()
        unknown = next((name for name in data_names or () if name not in variables), None)
        if unknown is not None:
            raise ValueError(f"Module: the network has no input {unknown!r}.{closest(unknown, variables)}")
        if state_names:
            raise LaminaError("Module: state_names are not supported; pass states as data")
        self.symbol, self.logger = symbol, logger
        self.data_names = list(data_names or ())
        self.label_names = [name for name in label_names or () if name in variables]
        given = {*self.data_names, *self.label_names}
        self._param_names = [name for name in variables if name not in given]
        self._fixed = set(fixed_param_names or ())
        place = context if isinstance(context, Context | None) else context[0]
        self._context = place or current_context()
        self.binded = self.params_initialized = self.optimizer_initialized = False
        self.for_training = self.inputs_need_grad = False
        self._params: tuple[Arrays, Arrays] = {}, {}
        self._executor: Executor | None = None
        self._store: Any = None
        self._updater: Any = None
        self._states_file: str | None = None

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """A module with the network and parameters of files that `save_checkpoint` wrote, in lamina or MXNet.

        With `load_optimizer_states` `init_optimizer` reads the optimizer's states. `kwargs` are the constructor's.
        """
        symbol, *params = load_checkpoint(prefix, epoch)
        module = Module(symbol, **kwargs)
        module._params, module.params_initialized = (params[0], params[1]), True
        if load_optimizer_states:
            module._states_file = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(
        self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True
    ) -> None:
        """Write ``prefix-symbol.json``, ``prefix-0000.params`` and on request ``prefix-0000.states``."""
        save_checkpoint(prefix, epoch, self.symbol, *self.get_params())
        if save_optimizer_states:
            self.save_optimizer_states(f"{prefix}-{epoch:04d}.states")

    # --- shapes -----------------------------------------------------------------------------------------------------

    def bind(
        self,
        data_shapes: Shapes,
        label_shapes: Shapes = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Module | None = None,
        grad_req: str = "write",
    ) -> None:
        """Create the parameters' arrays, whose shapes follow from those of a batch; batches may differ in length.

        Args:
            data_shapes, label_shapes: an iterator's `provide_data` and `provide_label`.
            for_training: whether parameters get gradients.
            inputs_need_grad: whether data gets gradients, too (`get_input_grads`).
            force_rebind: whether a module that is bound already is bound anew, with the same parameters.
            shared_module: a module whose parameters of the same names are shared.
            grad_req: ``"write"``, or ``"add"`` to accumulate gradients.
        """
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if self.binded:
            self._params = self.get_params()
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.reshape(data_shapes, label_shapes)
        with_gradient = {*self._param_names} - self._fixed | {*(self.data_names if inputs_need_grad else ())}
        requests = {name: grad_req for name in with_gradient if for_training}
        shapes = {desc.name: desc.shape for desc in (*self.data_shapes, *self.label_shapes)}
        types = {desc.name: desc.dtype for desc in self.data_shapes}
        # A label of MXNet's default dtype has the data's; one of integers stays exact.
        types |= {desc.name: desc.dtype for desc in self.label_shapes if np.dtype(desc.dtype).kind != "f"}
        executor = bound_to_shapes(self.symbol, self._context, requests, types, shapes)
        self._executor, self.binded = executor, True
        if shared_module is not None:
            self._share(executor, shared_module)
        elif self.params_initialized:
            self._write(*self._params, allow_extra=True)

    def _share(self, executor: Executor, other: Module) -> None:
        theirs = other._bound()
        for name in (*self._param_names, *executor.aux_dict):
            own = executor.aux_dict if name in executor.aux_dict else executor.arg_dict
            found = theirs.aux_dict.get(name, theirs.arg_dict.get(name))
            if found is not None and found.shape == own[name].shape:
                own[name] = found
                if name in executor.grad_dict:
                    executor.grad_dict[name] = theirs.grad_dict[name]
        self.params_initialized = other.params_initialized
        if other.optimizer_initialized:
            self.borrow_optimizer(other)

    def reshape(self, data_shapes: Shapes, label_shapes: Shapes = None) -> None:
        """Set `data_shapes` and `label_shapes`."""
        self.data_shapes = _described("data", self.data_names, data_shapes)
        self.label_shapes = _described("label", self.label_names, label_shapes) if label_shapes else []

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self.symbol.list_outputs()

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The names and shapes of the outputs."""
        _, shapes, _ = self.symbol.infer_shape(**{desc.name: desc.shape for desc in self.data_shapes})
        return list(zip(self.output_names, shapes or (), strict=True))

    def _bound(self) -> Executor:
        if self._executor is None:
            raise ParameterError("the module has no arrays yet; call bind first")
        return self._executor

    @property
    def _exec_group(self) -> SimpleNamespace:
        """What programs take from MXNet's private attribute of this name; each list has one item per device."""
        executor = self._bound()
        return SimpleNamespace(
            execs=[executor],
            param_names=self._param_names,
            param_arrays=[[executor.arg_dict[name]] for name in self._param_names],
            grad_arrays=[[executor.grad_dict[name]] for name in self._param_names],
        )

    @property
    def _optimizer(self) -> Optimizer | None:
        """The optimizer, whose rate programs for MXNet change under this name."""
        return None if self._updater is None else self._updater.optimizer

    # --- parameters -------------------------------------------------------------------------------------------------

    def init_params(
        self,
        initializer: Fill | None = Uniform(0.01),  # noqa: B008 - as in MXNet
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters to given values, and others by the initializer.

        Args:
            arg_params, aux_params: values by name. With None the initializer sets all.
            allow_missing: whether the initializer sets parameters that are not in these.
            force_init: whether parameters that have values are set anew.
            allow_extra: whether values for unknown parameters are ignored.
        """
        if self.params_initialized and not force_init:
            said = "Parameters already initialized and force_init=False. init_params call ignored."
            warnings.warn(said, stacklevel=2)
            return
        noted = self.symbol.attr_dict()
        for own, given in zip(self._own_arrays(), (arg_params, aux_params), strict=True):
            for name, x in sorted(own.items()):
                if given is not None and name in given:
                    continue
                if given is not None and not allow_missing:
                    raise ParameterError(f"{name} is not presented: pass its values, or allow_missing=True")
                if initializer is not None:
                    initializer(InitDesc(name, noted.get(name)), x)
        self._write(arg_params or {}, aux_params or {}, allow_extra)
        self.params_initialized = True

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

    def get_params(self) -> tuple[Arrays, Arrays]:
        """Copies of the parameters and of the auxiliary states, by name."""
        if not self.binded:
            return self._params
        arguments, states = self._own_arrays()
        return {name: x.copy() for name, x in arguments.items()}, {n: x.copy() for n, x in states.items()}

    def save_params(self, fname: str) -> None:
        """Write the parameters to a file."""
        save_arrays(fname, *self.get_params())

    def load_params(self, fname: str) -> None:
        """Set the parameters from a file that `save_params` wrote."""
        self.set_params(*load_arrays(fname))

    def _own_arrays(self) -> tuple[Arrays, Arrays]:
        executor = self._bound()
        return {name: executor.arg_dict[name] for name in self._param_names}, executor.aux_dict

    def _write(
        self, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray], allow_extra: bool
    ) -> None:
        self._bound().copy_params_from(arg_params, aux_params, allow_extra)

    # --- the optimizer ----------------------------------------------------------------------------------------------

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: str | Optimizer = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Create the optimizer.

        Args:
            kvstore: with ``"dist_sync"`` gradients are summed over all MPI processes.
            optimizer: its name, or an optimizer.
            optimizer_params: its arguments, a dict or pairs. `rescale_grad` is 1 / batch size by default.
            force_init: whether an existing optimizer is replaced.
        """
        if not (self.binded and self.params_initialized):
            raise ParameterError("init_optimizer: call bind and init_params first")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        store = stores.create(kvstore) if isinstance(kvstore, str) else kvstore
        self._store = store if store is not None and store.num_workers > 1 else None
        workers = 1 if self._store is None else self._store.num_workers
        names = dict(enumerate(self._param_names))
        if isinstance(optimizer, str):
            size = self.data_shapes[0].shape[DataDesc.get_batch_axis(self.data_shapes[0].layout)]
            settings = {"rescale_grad": 1.0 / (size * workers), **dict(optimizer_params)}
            optimizer = create(optimizer, sym=self.symbol, param_idx2name=names, **settings)
        elif not optimizer.idx2name:
            optimizer.idx2name = names
        self._updater, self.optimizer_initialized = get_updater(optimizer), True
        if self._store is not None:
            for i, x in enumerate(self._own_arrays()[0].values()):
                self._store.broadcast(i, x, out=x)
        if self._states_file is not None:
            self.load_optimizer_states(self._states_file)
            self._states_file = None

    def borrow_optimizer(self, shared_module: Module) -> None:
        """Use the optimizer of another module."""
        self._updater, self._store = shared_module._updater, shared_module._store
        self.optimizer_initialized = True

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimizer's states to a file."""
        with atomic_write(fname) as file:
            file.write(self._updater.get_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read the optimizer's states from a file that `save_optimizer_states` wrote."""
        self._updater.set_states(Path(fname).read_bytes())

    def update(self) -> None:
        """Change the parameters by the gradients of the last `backward`."""
        if self._updater is None:
            raise ParameterError("update: there is no optimizer; call init_optimizer first")
        executor = self._bound()
        for i, name in enumerate(self._param_names):
            gradient = executor.grad_dict[name]
            if gradient is not None:
                if self._store is not None:
                    self._store.pushpull(i, gradient)
                self._updater(i, gradient, executor.arg_dict[name])

    # --- batches ----------------------------------------------------------------------------------------------------

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Compute the outputs for a batch; without labels, losses get labels of zeros.

        Args:
            is_train: whether `backward` follows; None means as bound.
        """
        executor = self._bound()
        if not self.params_initialized:
            raise ParameterError("forward: the parameters have no values; call init_params first")
        inputs = _named(data_batch, "data", self.data_shapes)
        if self.label_shapes:
            inputs |= _named(data_batch, "label", self.label_shapes)
        absent = [name for name in self.label_names if name not in inputs]
        if absent:
            shapes, _, _ = self.symbol.infer_shape(**{name: x.shape for name, x in inputs.items()})
            found = dict(zip(self.symbol.list_arguments(), shapes or (), strict=False))
            inputs.update((name, nd.zeros(found[name], ctx=self._context)) for name in absent)
        placed = {
            name: x.as_in_context(self._context).astype(executor.arg_dict[name].dtype, copy=False)
            for name, x in inputs.items()
        }
        executor.compute(self.for_training if is_train is None else is_train, placed)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients, from those of the outputs if these are no losses."""
        self._bound().backward(out_grads)

    def forward_backward(self, data_batch: DataBatch) -> None:
        """Compute the outputs and gradients for a batch."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: Any = None) -> None:
        """Do nothing, since all arrays are dense."""

    def get_outputs(self, merge_multi_context: bool = True) -> list[NDArray]:
        """The outputs of the last `forward`."""
        return self._bound().outputs

    def get_input_grads(self, merge_multi_context: bool = True) -> list[NDArray | None]:
        """The gradients of the data, if the module is bound with `inputs_need_grad`."""
        return [self._bound().grad_dict[name] for name in self.data_names]

    def update_metric(
        self, eval_metric: Any, labels: Sequence[NDArray] | None, pre_sliced: bool = False
    ) -> None:
        """Update a metric with labels and the outputs of the last `forward`."""
        described = self.label_shapes or [(name,) for name in self.label_names]
        named = {one[0]: x for one, x in zip(described, labels or (), strict=False)}
        known = {name: x for name, x in named.items() if name in self.label_names}
        eval_metric.update_dict(known, self._bound().output_dict)

    def install_monitor(self, mon: Any) -> None:
        """Let a `Monitor` see the values of all nodes."""
        mon.install(self._bound())

    # --- passes over an iterator ------------------------------------------------------------------------------------

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
            for nbatch, data_batch in enumerate(train_data):
                if monitor is not None:
                    monitor.tic()
                self.forward_backward(data_batch)
                self.update()
                self.update_metric(eval_metric, data_batch.label)
                if monitor is not None:
                    monitor.toc_print()
                _call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            self._log(epoch, "Train", eval_metric.get_global_name_value())
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            if epoch_end_callback is not None:
                _call(epoch_end_callback, epoch, self.symbol, *self.get_params())
            if eval_data is not None:
                callbacks = eval_batch_end_callback, eval_end_callback
                found = self.score(eval_data, tested, None, *callbacks, epoch=epoch)
                self._log(epoch, "Validation", found)
            train_data.reset()

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
        if reset:
            batches.reset()
        for nbatch, batch in enumerate(batches):
            if nbatch == num_batch:
                return
            self.forward(batch, is_train=False)
            yield nbatch, batch


def _call(callbacks: Callbacks, *arguments: Any) -> None:
    for callback in callbacks if isinstance(callbacks, Sequence) else [callbacks] if callbacks else ():
        callback(*arguments)


def _shapes(batches: Any, kind: str) -> Any:
    return getattr(batches, f"provide_{kind}", None)


def _named(batch: Any, kind: str, bound: Sequence[DataDesc]) -> Arrays:
    """A batch's arrays by its own names, or if the module has other ones, in the order of those in `bound`."""
    names = [one[0] for one in getattr(batch, f"provide_{kind}", None) or bound]
    if not {one.name for one in bound} <= {*names}:
        names = [one.name for one in bound]
    return dict(zip(names, getattr(batch, kind) or (), strict=False))


def _described(what: str, names: Sequence[str], shapes: Shapes) -> list[DataDesc]:
    described = [x if isinstance(x, DataDesc) else DataDesc(*x) for x in shapes or ()]
    if sorted(x.name for x in described) != sorted(names):
        raise ValueError(
            f"{what}_shapes describes {[x.name for x in described]}, but the module's {what}_names are {list(names)}"
        )
    return described


__getattr__ = names_of_others("lamina.module")
