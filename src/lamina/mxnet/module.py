"""MXNet's `Module`, which trains a symbol on batches of a data iterator."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from lamina import nd
from lamina.device.context import Context, current_context
from lamina.errors import LaminaError, ParameterError, UnfitParameterError
from lamina.gluon.initializer import Fill, InitDesc, Uniform
from lamina.mxnet import kvstore as stores
from lamina.mxnet.base_module import BaseModule
from lamina.mxnet.executor_group import ExecutorGroup
from lamina.mxnet.io import DataBatch, DataDesc
from lamina.mxnet.model import Arrays, load_checkpoint, save_checkpoint
from lamina.mxnet.symbol import Symbol
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer, create, get_updater
from lamina.support.files.atomic import atomic_write
from lamina.support.messages import closest
from lamina.support.unsupported import names_of_others

__all__ = ["BaseModule", "Module"]

Shapes = Sequence[Any] | None
"""Descriptions of inputs, `DataDesc` or pairs (name, shape)."""


class Module(BaseModule):
    """A symbol with its parameters and an optimizer.

    Args:
        symbol: the network, with a loss such as `SoftmaxOutput` as its output.
        data_names, label_names: the variables that batches provide, in their order. All others are parameters.
        logger: the logger of `fit`.
        context: the device, or several, which compute slices of every batch.
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
        super().__init__(logger)
        if not isinstance(symbol, Symbol):
            raise TypeError(f"Module: symbol is a Symbol, such as mx.sym.SoftmaxOutput(net), not {symbol!r}")
        if state_names:
            raise LaminaError("Module: state_names are not supported; pass states as data")
        contexts = [context or current_context()] if isinstance(context, Context | None) else context
        if (
            not isinstance(contexts, Sequence)
            or not contexts
            or not all(isinstance(x, Context) for x in contexts)
        ):
            raise TypeError(
                f"Module: context is a device such as mx.cpu(), or a list of devices, not {context!r}"
            )
        variables = symbol.list_arguments()
        for what, names in (("data_names", data_names), ("fixed_param_names", fixed_param_names)):
            _check_names(what, names, variables)
        self._symbol, self._context = symbol, list(contexts)
        self._data_names = list(data_names or ())
        self._label_names = [name for name in label_names or () if name in variables]
        given = {*self._data_names, *self._label_names}
        self._param_names = [name for name in variables if name not in given]
        self._fixed_param_names = list(fixed_param_names or ())
        self._data_shapes: list[DataDesc] | None = None
        self._label_shapes: list[DataDesc] | None = None
        self._given: tuple[Arrays | None, Arrays | None] = None, None
        self._group: ExecutorGroup | None = None
        self._kvstore: Any = None
        self._updater: Any = None
        self._states_file: str | None = None

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """A module with the network and parameters of files that `save_checkpoint` wrote, in lamina or MXNet.

        With `load_optimizer_states` `init_optimizer` reads the optimizer's states. As in MXNet these don't have the
        number of updates, with which Adam and schedules go on if it is passed to `init_optimizer` as
        ``begin_num_update``. `kwargs` are the constructor's.
        """
        symbol, *given = load_checkpoint(prefix, epoch)
        module = Module(symbol, **kwargs)
        module._arg_params, module._aux_params = given
        module.params_initialized = True
        if load_optimizer_states:
            module._states_file = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(
        self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True
    ) -> None:
        """Write ``prefix-symbol.json``, ``prefix-0000.params`` and on request ``prefix-0000.states``."""
        save_checkpoint(prefix, epoch, self._symbol, *self.get_params())
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
        if self.binded and self.params_initialized:
            self._given = self.get_params()
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.reshape(data_shapes, label_shapes)
        with_gradient = {*self._param_names} - {*self._fixed_param_names}
        with_gradient |= {*(self._data_names if inputs_need_grad else ())}
        requests = {name: grad_req for name in with_gradient if for_training}
        shapes = {desc.name: desc.shape for desc in (*self.data_shapes, *self.label_shapes)}
        types = {desc.name: desc.dtype for desc in self.data_shapes}
        # A label of MXNet's default dtype has the data's; one of integers stays exact.
        types |= {desc.name: desc.dtype for desc in self.label_shapes if np.dtype(desc.dtype).kind != "f"}
        self._group = ExecutorGroup(self._symbol, self._context, requests, types, shapes, self._param_names)
        self.binded = True
        if shared_module is not None:
            self._group.share(shared_module._exec_group)
            self.params_initialized = shared_module.params_initialized
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)
        elif self.params_initialized:
            arguments, states = self._given
            self._group.write(arguments or {}, states or {}, True)

    def reshape(self, data_shapes: Shapes, label_shapes: Shapes = None) -> None:
        """Set `data_shapes` and `label_shapes`, and the number of rows of the next batch."""
        self._data_shapes = _described("data", self._data_names, data_shapes)
        self._label_shapes = _described("label", self._label_names, label_shapes) if label_shapes else []
        if self._group is not None and self._data_shapes:
            self._group.divide(self._data_shapes[0].shape[0])

    data_names = property(attrgetter("_data_names"), doc="The names of the data.")
    label_names = property(attrgetter("_label_names"), doc="The names of the labels that the network has.")
    data_shapes = property(attrgetter("_data_shapes"), doc="Descriptions of the data.")
    label_shapes = property(attrgetter("_label_shapes"), doc="Descriptions of the labels, [] without labels.")

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._symbol.list_outputs()

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """The names and shapes of the outputs."""
        if not self.binded:
            raise UnfitParameterError("the outputs have no shapes yet; call bind first")
        _, shapes, _ = self._symbol.infer_shape(**{desc.name: desc.shape for desc in self.data_shapes})
        return list(zip(self.output_names, shapes or (), strict=True))

    # --- what programs take from MXNet's private attributes of these names -------------------------------------------

    @property
    def _exec_group(self) -> ExecutorGroup:
        """The executors on all devices."""
        if self._group is None:
            raise UnfitParameterError("the module has no arrays yet; call bind first")
        return self._group

    @property
    def _optimizer(self) -> Optimizer | None:
        """The optimizer, whose rate programs change."""
        return None if self._updater is None else self._updater.optimizer

    @property
    def _arg_params(self) -> Arrays | None:
        """Copies of the parameters; what is set before `bind` are the values that it begins with."""
        return self.get_params()[0] if self.params_initialized else self._given[0]

    @_arg_params.setter
    def _arg_params(self, given: Arrays | None) -> None:
        self._given = given, self._given[1]

    @property
    def _aux_params(self) -> Arrays | None:
        """Copies of the auxiliary states, as `_arg_params`."""
        return self.get_params()[1] if self.params_initialized else self._given[1]

    @_aux_params.setter
    def _aux_params(self, given: Arrays | None) -> None:
        self._given = self._given[0], given

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
            allow_extra: whether `set_params` with `allow_missing` ignores values for unknown parameters, as all other
                calls do.
        """
        if self.params_initialized and not force_init:
            said = "Parameters already initialized and force_init=False. init_params call ignored."
            warnings.warn(said, stacklevel=2)
            return
        if initializer is not None and not callable(initializer):
            raise TypeError(
                f"init_params: initializer is an Initializer such as mx.init.Xavier(), not {initializer!r}"
            )
        noted, group = self._symbol.attr_dict(), self._exec_group
        arguments, states = group.parameters()
        for own, given in zip((arguments, states), (arg_params, aux_params), strict=True):
            for name, x in sorted(own.items()):
                if given is not None and name in given:
                    continue
                if given is not None and not allow_missing:
                    raise ParameterError(f"{name} is not presented: pass its values, or allow_missing=True")
                if initializer is not None:
                    initializer(InitDesc(name, noted.get(name)), x)
        group.write(arguments, states, True)
        is_strict = (
            initializer is None and allow_missing and not allow_extra
        )  # as in MXNet, an update in part
        group.write(arg_params or {}, aux_params or {}, not is_strict)
        self.params_initialized = True

    def get_params(self) -> tuple[Arrays, Arrays]:
        """Copies of the parameters and of the auxiliary states, by name; of several devices, the states' means."""
        if not self.params_initialized:
            raise UnfitParameterError("the parameters have no values yet; call bind and init_params first")
        if not self.binded:
            return self._given[0] or {}, self._given[1] or {}
        arguments, states = self._exec_group.parameters()
        return {name: x.copy() for name, x in arguments.items()}, {n: x.copy() for n, x in states.items()}

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
            raise UnfitParameterError("init_optimizer: call bind and init_params first")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if not isinstance(optimizer, str | Optimizer):
            raise TypeError(
                f"init_optimizer: optimizer is a name such as 'sgd', or an Optimizer, not {optimizer!r}"
            )
        if not isinstance(kvstore, str | stores.KVStoreBase | None):
            raise TypeError(
                f"init_optimizer: kvstore is a name such as 'local', a KVStore or None, not {kvstore!r}"
            )
        store = stores.create(kvstore) if isinstance(kvstore, str) else kvstore
        self._kvstore = store if store is not None and store.num_workers > 1 else None
        workers = 1 if self._kvstore is None else self._kvstore.num_workers
        names = dict(enumerate(self._param_names))
        if isinstance(optimizer, str):
            if not isinstance(optimizer_params, Mapping | Sequence):
                raise TypeError(
                    f"init_optimizer: optimizer_params is a dict of arguments, not {optimizer_params!r}"
                )
            size = self.data_shapes[0].shape[DataDesc.get_batch_axis(self.data_shapes[0].layout)]
            settings = {"rescale_grad": 1.0 / (size * workers), **dict(optimizer_params)}
            optimizer = create(optimizer, sym=self._symbol, param_idx2name=names, **settings)
        elif not optimizer.idx2name:
            optimizer.idx2name = names
        self._updater, self.optimizer_initialized = get_updater(optimizer), True
        if self._kvstore is not None:
            for i, (first, *_) in enumerate(self._exec_group.param_arrays):
                self._kvstore.broadcast(i, first, out=first)
                self._exec_group.update_others(self._param_names[i])
        if self._states_file is not None:
            self.load_optimizer_states(self._states_file)
            self._states_file = None

    def _known_updater(self) -> Any:
        if self._updater is None:
            raise UnfitParameterError("the module has no optimizer yet; call init_optimizer first")
        return self._updater

    def borrow_optimizer(self, shared_module: Module) -> None:
        """Use the optimizer of another module."""
        self._updater, self._kvstore = shared_module._known_updater(), shared_module._kvstore
        self.optimizer_initialized = True

    def save_optimizer_states(self, fname: str) -> None:
        """Write the optimizer's states to a file."""
        with atomic_write(fname) as file:
            file.write(self._known_updater().get_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Read the optimizer's states from a file that `save_optimizer_states` wrote."""
        self._known_updater().set_states(Path(fname).read_bytes())

    def update(self) -> None:
        """Change the parameters by the gradients of the last `backward`."""
        updater, group = self._known_updater(), self._exec_group
        for i, name in enumerate(self._param_names):
            gradient = group.gradient(name)
            if gradient is not None:
                if self._kvstore is not None:
                    self._kvstore.pushpull(i, gradient)
                updater(i, gradient, group.execs[0].arg_dict[name])
                group.update_others(name)

    # --- batches ----------------------------------------------------------------------------------------------------

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Compute the outputs for a batch; without labels, losses get labels of zeros.

        Args:
            is_train: whether `backward` follows; None means as bound.
        """
        group = self._exec_group
        if not self.params_initialized:
            raise UnfitParameterError("forward: the parameters have no values; call init_params first")
        inputs = _named(data_batch, "data", self.data_shapes)
        if self.label_shapes:
            inputs |= _named(data_batch, "label", self.label_shapes)
        absent = [name for name in self._label_names if name not in inputs]
        if absent:
            shapes, _, _ = self._symbol.infer_shape(**{name: x.shape for name, x in inputs.items()})
            found = dict(zip(self._symbol.list_arguments(), shapes or (), strict=False))
            inputs.update((name, nd.zeros(found[name], ctx=self._context[0])) for name in absent)
        group.forward(self.for_training if is_train is None else is_train, inputs)

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients, from those of the outputs if these are no losses."""
        self._exec_group.backward(out_grads)

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the last `forward`; without `merge_multi_context`, each as a list of one array per device."""
        group = self._exec_group
        return group.merged([each.outputs for each in group.execs], merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data, if the module is bound with `inputs_need_grad`, in the form of `get_outputs`."""
        group = self._exec_group
        gradients = [[each.grad_dict[name] for name in self._data_names] for each in group.execs]
        return group.merged(gradients, merge_multi_context)

    def update_metric(
        self, eval_metric: Any, labels: Sequence[NDArray] | None, pre_sliced: bool = False
    ) -> None:
        """Update a metric with labels and the outputs of the last `forward`."""
        described = self.label_shapes or [(name,) for name in self._label_names]
        named = {one[0]: x for one, x in zip(described, labels or (), strict=False)}
        known = {name: x for name, x in named.items() if name in self._label_names}
        self._exec_group.update_metric(eval_metric, known)

    def install_monitor(self, mon: Any) -> None:
        """Let a `Monitor` see the values of all nodes."""
        for each in self._exec_group.execs:
            mon.install(each)


def _check_names(what: str, names: Sequence[str] | None, variables: Sequence[str]) -> None:
    if isinstance(names, str):
        raise TypeError(f"Module: {what} is a list of names, such as [{names!r}], not {names!r}")
    unknown = next((name for name in names or () if name not in variables), None)
    if unknown is not None:
        raise ValueError(
            f"Module: {what}: the network has no input {unknown!r}.{closest(unknown, variables)}"
        )


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


__getattr__ = names_of_others("lamina.module", {"BucketingModule": "lamina.mxnet.bucketing"})
