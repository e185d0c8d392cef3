"""MXNet's `BucketingModule`: several modules with the same parameters, one for each kind of batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from lamina.errors import UnfitParameterError
from lamina.gluon.initializer import Fill, Uniform
from lamina.gluon.name import NameManager
from lamina.mxnet.base_module import BaseModule
from lamina.mxnet.io import DataBatch
from lamina.mxnet.module import Module, Shapes
from lamina.mxnet.symbol import Symbol
from lamina.nd.ndarray import NDArray

__all__ = ["BucketingModule"]


def _of_current(name: str) -> Any:
    """The method of the current module with this name."""

    def call(self: BucketingModule, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._current(), name)(*args, **kwargs)

    return call


def _shown(name: str) -> Any:
    """The attribute of the current module with this name."""
    return property(lambda self: getattr(self._current(), name), doc=f"The current module's `{name}`.")


class BucketingModule(BaseModule):
    """Modules that share parameters and an optimizer; a batch's `bucket_key` selects the one that computes it.

    Args:
        sym_gen: a function from a key to a network, the names of its data, and those of its labels.
        default_bucket_key: the key of the module that `bind` makes. Parameters of others are among its parameters.
        logger, context, fixed_param_names: as in `Module`.

    >>> import lamina as mx
    >>> def network(key):
    ...     x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    ...     loss = mx.sym.SoftmaxOutput(x, name="softmax")
    ...     return (loss, ["data"], ["softmax_label"]) if key else (x, ["data"], None)
    >>> module = mx.mod.BucketingModule(network, default_bucket_key=True)
    >>> module.bind([("data", (4, 3))], [("softmax_label", (4,))])
    >>> module.init_params(mx.init.One())
    >>> module.switch_bucket(False, [("data", (1, 3))])
    >>> module.forward(mx.io.DataBatch([mx.nd.ones((1, 3))], bucket_key=False, provide_data=[("data", (1, 3))]))
    >>> module.get_outputs()[0].asnumpy().tolist()
    [[3.0, 3.0]]
    """

    def __init__(
        self,
        sym_gen: Callable[[Any], tuple[Symbol, Sequence[str] | None, Sequence[str] | None]],
        default_bucket_key: Hashable = None,
        logger: Any = logging,
        context: Any = None,
        work_load_list: Any = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: Any = None,
    ) -> None:
        super().__init__(logger)
        if default_bucket_key is None:
            raise ValueError("BucketingModule: default_bucket_key, the key of the first network, is missing")
        self._sym_gen, self._default_bucket_key = sym_gen, default_bucket_key
        self._settings: dict[str, Any] = {
            "logger": logger, "context": context, "fixed_param_names": fixed_param_names, "state_names": state_names,
        }  # fmt: skip
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Module | None = None
        self._curr_bucket_key: Any = None
        self._monitor: Any = None
        self._bound_as: Any = None

    def _made(self, key: Any) -> Module:
        """The module of a key, which is not bound if it is new."""
        if key not in self._buckets:
            with NameManager():
                symbol, data_names, label_names = self._sym_gen(key)
            self._buckets[key] = Module(symbol, data_names, label_names, **self._settings)
        return self._buckets[key]

    def _current(self) -> Module:
        if self._curr_module is None:
            raise UnfitParameterError("the module has no arrays yet; call bind first")
        return self._curr_module

    def bind(
        self,
        data_shapes: Shapes,
        label_shapes: Shapes = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: str = "write",
    ) -> None:
        """Create the arrays of the module with the default key; the arguments are those of `Module.bind`."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        given = self.get_params() if self.params_initialized else None
        self._buckets, self._bound_as = {}, (for_training, inputs_need_grad, False, None, grad_req)
        self.for_training, self.inputs_need_grad, self.binded = for_training, inputs_need_grad, True
        self.optimizer_initialized = False
        self._curr_module, self._curr_bucket_key = (
            self._made(self._default_bucket_key),
            self._default_bucket_key,
        )
        self._curr_module.bind(data_shapes, label_shapes, *self._bound_as)
        if given is not None:
            self.set_params(*given)

    def switch_bucket(self, bucket_key: Any, data_shapes: Shapes, label_shapes: Shapes = None) -> None:
        """Make another module the current one; it is created and bound at the first time."""
        self._current()
        if bucket_key is None:
            raise ValueError("BucketingModule: the batch has no bucket_key, which selects its network")
        module = self._made(bucket_key)
        if not module.binded:
            for_training, inputs_need_grad, again, _, grad_req = self._bound_as
            default = self._buckets[self._default_bucket_key]
            module.bind(data_shapes, label_shapes, for_training, inputs_need_grad, again, default, grad_req)
            if self._monitor is not None:
                module.install_monitor(self._monitor)
        self._curr_module, self._curr_bucket_key = module, bucket_key

    def init_params(
        self,
        initializer: Fill | None = Uniform(0.01),  # noqa: B008 - as in MXNet
        arg_params: Mapping[str, NDArray] | None = None,
        aux_params: Mapping[str, NDArray] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Set the parameters of all modules, as `Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        self._current().init_params(
            initializer, arg_params, aux_params, allow_missing, force_init, allow_extra
        )
        self.params_initialized = True
        for module in self._buckets.values():
            module.params_initialized = True

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Make the optimizer of all modules, as `Module.init_optimizer`."""
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        current = self._current()
        current.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        self.optimizer_initialized = True
        for module in self._buckets.values():
            if module is not current:
                module.borrow_optimizer(current)

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: Any = None) -> None:
        """Create the module of a batch, without making it the current one."""
        current, key = self._current(), self._curr_bucket_key
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._curr_module, self._curr_bucket_key = current, key

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Compute the outputs for a batch by the module of its `bucket_key`, which becomes the current one."""
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._current().forward(data_batch, is_train)

    get_params, backward, update = map(_of_current, ("get_params", "backward", "update"))
    get_outputs, get_input_grads = map(_of_current, ("get_outputs", "get_input_grads"))
    update_metric = _of_current("update_metric")
    label_names = _shown("label_names")
    data_shapes, label_shapes, output_shapes = map(_shown, ("data_shapes", "label_shapes", "output_shapes"))

    @property
    def data_names(self) -> list[str]:
        """The names of the data, before `bind` those of the default key's network."""
        return [*(self._curr_module or self._made(self._default_bucket_key)).data_names]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, before `bind` those of the default key's network."""
        return [*(self._curr_module or self._made(self._default_bucket_key)).output_names]

    @property
    def symbol(self) -> Any:
        """The network of the current module."""
        return self._current().symbol

    def install_monitor(self, mon: Any) -> None:
        """Let a `Monitor` see the values of all nodes of all modules."""
        self._current()
        self._monitor = mon
        for module in self._buckets.values():
            module.install_monitor(mon)
