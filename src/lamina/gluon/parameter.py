"""`Parameter`, a named array with a gradient, and `Constant`, a named array that is not trained."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamina import autograd
from lamina.core.finite import watch
from lamina.core.state import concrete, state
from lamina.device.context import Context, cpu, current_context, usable
from lamina.errors import ParameterError, UnfitParameterError
from lamina.gluon import initializer
from lamina.nd import NDArray, array
from lamina.nd.creation import as_shape, zeros, zeros_like
from lamina.nd.facade import is_presenting, plain, presented
from lamina.support.messages import warn
from lamina.support.unsupported import names_of_others

if TYPE_CHECKING:
    from lamina.mxnet.symbol import Symbol

__all__ = [
    "Constant", "DeferredInitializationError", "DenseParameterError", "Parameter", "UninitializedParameterError",
]  # fmt: skip

Shape = tuple[int, ...]
_STORAGE = ("default", "row_sparse", "csr")
Contexts = Context | Sequence[Context] | None


class UninitializedParameterError(ParameterError, RuntimeError):
    """An error raised if a parameter is used before `initialize`."""


class DeferredInitializationError(UninitializedParameterError):
    """An error raised if a parameter with unknown shape is used before the network's first call."""


class DenseParameterError(ParameterError, RuntimeError):
    """An error raised if rows of a sparse parameter are requested, since every parameter is dense."""


class _Deferred(NamedTuple):
    """The arguments of an initialization that waits for the parameter's shape."""

    init: Any
    contexts: list[Context]
    default_init: Any
    data: np.ndarray | None


class Parameter:
    """A named array that is trained, such as a weight or a bias.

    Args:
        name: the full name, such as ``"dense0_weight"``. Initializers and an optimizer's settings can depend on the
            name.
        grad_req: whether `backward` overwrites the gradient (``"write"``) or adds to it (``"add"``); with ``"null"``
            there is no gradient.
        shape: the sizes of the axes; 0 is an unknown size, and None an unknown number of axes.
        dtype: the element type.
        lr_mult, wd_mult: factors on the optimizer's learning rate and weight decay.
        init: an initializer or its name; None uses the initializer passed to `initialize`.
        allow_deferred_init: whether `initialize` may defer initialization until the shape is known.
        differentiable: whether the parameter can have a gradient; False fixes `grad_req` at ``"null"``.
        stype, grad_stype: MXNet's storage types. All arrays of lamina are dense, whatever `grad_stype` is.

    >>> import lamina as mx
    >>> weight = mx.gluon.Parameter("weight", shape=(2, 3), init="ones")
    >>> weight
    Parameter weight (shape=(2, 3), dtype=<class 'numpy.float32'>)
    >>> weight.initialize()
    >>> weight.data()
    <BLANKLINE>
    [[1. 1. 1.]
     [1. 1. 1.]]
    <NDArray 2x3 @cpu(0)>
    """

    def __init__(
        self,
        name: str,
        grad_req: str = "write",
        shape: int | Shape | None = None,
        dtype: Any = np.float32,
        lr_mult: float = 1.0,
        wd_mult: float = 1.0,
        init: Any = None,
        allow_deferred_init: bool = False,
        differentiable: bool = True,
        stype: str = "default",
        grad_stype: str = "default",
    ) -> None:
        if stype != "default":
            raise UnfitParameterError(
                f"Parameter '{name}': stype is {stype!r}, but every array here is dense"
            )
        if grad_stype not in _STORAGE:
            raise UnfitParameterError(
                f"Parameter '{name}': grad_stype is one of {', '.join(_STORAGE)}, not {grad_stype!r}"
            )
        self.name = name
        self.dtype = dtype
        self.lr_mult, self.wd_mult = lr_mult, wd_mult
        self.init = init
        self._shape = None if shape is None else as_shape(shape)
        self._allow_deferred_init = allow_deferred_init
        self._differentiable = differentiable
        self._data: list[NDArray] | None = None
        self._grad: list[NDArray] | None = None
        self._deferred_init: _Deferred | None = None
        self._var: Symbol | None = None
        self._grad_req = "null"
        self.grad_req = grad_req

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name} (shape={self.shape}, dtype={self.dtype})"

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        """Restore a deep copy or a pickle, and connect the array with its gradient again."""
        self.__dict__.update({**attributes, "_var": None})
        if self._data is not None and self._grad is not None:
            self._mark()

    # --- what is known about it -----------------------------------------------------------------------------

    @property
    def shape(self) -> Shape | None:
        """The sizes of the axes, with 0 for an unknown size, or None if the number of axes is unknown.

        Assigning a shape can only fill in unknown sizes.
        """
        return self._shape

    @shape.setter
    def shape(self, new_shape: Shape) -> None:
        if not self._fits(new_shape):
            raise UnfitParameterError(
                f"Parameter '{self.name}' has shape {self._shape}, which can't become {tuple(new_shape)}"
            )
        self._shape = tuple(new_shape)

    def _fits(self, shape: Sequence[int]) -> bool:
        known = self._shape
        if known is None:
            return True
        return len(known) == len(shape) and all(k in (0, n) for k, n in zip(known, shape, strict=True))

    @property
    def _shape_is_known(self) -> bool:
        return self._shape is not None and all(n > 0 for n in self._shape)

    @property
    def grad_req(self) -> str:
        """The effect of `backward` on the gradient, ``"write"`` or ``"add"``, or ``"null"`` for no gradient."""
        return self._grad_req

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req not in ("write", "add", "null"):
            raise ParameterError(
                f"Parameter '{self.name}': grad_req is 'write', 'add' or 'null', not {req!r}"
            )
        req = req if self._differentiable else "null"
        if req != self._grad_req:
            self._grad_req = req
            if self._data is not None:
                self._attach_grad()

    # --- initialization -------------------------------------------------------------------------------------

    def initialize(
        self, init: Any = None, ctx: Contexts = None, default_init: Any = None, force_reinit: bool = False
    ) -> None:
        """Create the array and its gradient, or defer this to the network's first call if the shape is unknown.

        Args:
            init: an initializer or its name for this parameter, which overrides `self.init`.
            ctx: the device, or several devices, which each get a copy.
            default_init: the initializer if `init` and `self.init` are None. Its values depend on the parameter's name;
                a bias becomes 0. By default weights are uniform on [-0.07, 0.07].
            force_reinit: whether to initialize again; without it, a second initialization only warns.

        Raises:
            ParameterError: the shape is unknown and `allow_deferred_init` is false.
        """
        if self._data is not None and not force_reinit:
            warn(
                f"Parameter '{self.name}' is already initialized, ignoring. Set force_reinit=True to "
                "re-initialize."
            )
            return
        if not self._shape_is_known and not self._allow_deferred_init:
            raise ParameterError(
                f"Parameter '{self.name}' cannot be initialized: its shape {self.shape} is not fully known. "
                "Give all sizes, or allow_deferred_init=True."
            )
        self._data = self._grad = None
        own = self.init if init is None else init
        self._deferred_init = _Deferred(own, _as_contexts(ctx), default_init, None)
        if self._shape_is_known:
            self._finish_deferred_init()

    def _finish_deferred_init(self) -> None:
        """Initialize now if the initialization was deferred for an unknown shape, else do nothing."""
        waiting = self._deferred_init
        if waiting is None:
            return
        if not self._shape_is_known:
            raise ParameterError(
                f"Parameter '{self.name}' cannot be initialized: its shape {self.shape} is not fully known. "
                "Give in_units, in_channels, … to its layer."
            )
        with concrete():
            data = self._initial(waiting) if waiting.data is None else waiting.data
            self._place(data, waiting.contexts)

    def _initial(self, how: _Deferred) -> np.ndarray:
        """The initial values, from the parameter's initializer or else the default initializer."""
        values = zeros(self._shape or (), ctx=cpu(), dtype=self.dtype)
        default = initializer.create("uniform" if how.default_init is None else how.default_init)
        own = default if how.init is None else how.init
        default(initializer.InitDesc(self.name, {"__init__": own}), presented(values))
        return values.asnumpy()

    def _place(self, values: Any, contexts: Sequence[Context]) -> None:
        """Create the array and its gradient on each device of `contexts`."""
        self._deferred_init = None
        self._data = [self._array_of(values, context) for context in contexts]
        self._grad = None
        self._attach_grad()

    def _array_of(self, values: Any, context: Context) -> NDArray:
        """A new array with these values, where a scalar has shape () after ``npx.set_np()``, otherwise (1,)."""
        made = array(values, ctx=context, dtype=self.dtype)
        return made.reshape(()).copy() if self._shape == () and is_presenting() else made

    def _attach_grad(self) -> None:
        assert self._data is not None
        if self._grad_req == "null":
            self._grad = None
            self._data = [x.detach() for x in self._data]
            return
        with concrete():
            self._grad = [zeros_like(x) for x in self._data]
        self._mark()

    def _mark(self) -> None:
        """Connect the array on each device with its gradient."""
        assert self._data is not None and self._grad is not None
        autograd.mark_variables(self._data, self._grad, self._grad_req)
        for x in self._data:
            watch(x, self.name)

    def reset_ctx(self, ctx: Contexts) -> None:
        """Move the parameter to another device or to several devices."""
        contexts = _as_contexts(ctx)
        if self._data is not None:
            with concrete():
                self._place(self._values(), contexts)
        elif self._deferred_init is not None:
            self._deferred_init = self._deferred_init._replace(contexts=contexts)
        else:
            raise self._missing()

    def cast(self, dtype: Any) -> None:
        """Change the element type, with new arrays for the value and for the gradient, which becomes 0."""
        self.dtype = dtype
        if self._data is not None:
            with concrete():
                self._place(self._values(), self.list_ctx())

    # --- the arrays -----------------------------------------------------------------------------------------

    def data(self, ctx: Context | None = None) -> NDArray:
        """The parameter's array, the same object until the parameter is initialized again or cast.

        Raises:
            DeferredInitializationError: the shape is still unknown.
            UninitializedParameterError: `initialize` has not been called, or not for this device.
        """
        return presented(self._array_on(ctx))

    def _array_on(self, ctx: Context | None) -> NDArray:
        arrays = self._initialized(self._data)
        i = self._position(arrays, ctx)
        if state.trace is not None:
            state.trace.source(arrays[i], self, "_data", i)
        return arrays[i]

    def grad(self, ctx: Context | None = None) -> NDArray:
        """The gradient's array, the same object at every step."""
        return presented(self._gradient_on(ctx))

    def _gradient_on(self, ctx: Context | None) -> NDArray:
        arrays = self._gradients()
        i = self._position(arrays, ctx)
        if state.trace is not None:
            state.trace.source(arrays[i], self, "_grad", i)
        return arrays[i]

    def list_data(self) -> list[NDArray]:
        """The arrays on all devices."""
        return presented(self._arrays())

    def _arrays(self) -> list[NDArray]:
        return list(self._initialized(self._data))

    def list_grad(self) -> list[NDArray]:
        """The gradients on all devices."""
        return presented(self._gradients())

    def _gradients(self) -> list[NDArray]:
        if self._grad_req == "null":
            raise ParameterError(f"Parameter '{self.name}' has no gradient, because its grad_req is 'null'")
        return list(self._initialized(self._grad))

    def row_sparse_data(self, row_id: Any) -> NDArray:
        """Raise `DenseParameterError`, since all parameters are dense."""
        raise DenseParameterError(
            f"Parameter '{self.name}' is dense, as all are here: use data() or list_data(), and nd.take for its rows"
        )

    list_row_sparse_data = row_sparse_data

    def list_ctx(self) -> list[Context]:
        """The devices on which the parameter is, or will be, initialized."""
        if self._data is None and self._deferred_init is not None:
            return list(self._deferred_init.contexts)
        return [x.context for x in self._initialized(self._data)]

    def var(self) -> Symbol:
        """The variable that represents the parameter in a symbol, always the same object."""
        found = self._var
        if found is None:
            init = self.init if isinstance(self.init, str | initializer.Initializer) else None
            found = self._var = import_module("lamina.mxnet.symbol").var(
                self.name, {"__storage_type__": "0"}, self.shape, self.lr_mult, self.wd_mult, self.dtype, init
            )
        return found

    def set_data(self, data: Any) -> None:
        """Write new values into the array on each device; the arrays stay the same objects.

        While initialization is deferred, the values are stored as the initial values and determine an unknown shape.
        """
        if self._data is None and self._deferred_init is None:
            raise self._missing()
        data = plain(data)
        self.shape = np.shape(data) if not isinstance(data, NDArray) else data.shape
        if self._data is None:
            assert self._deferred_init is not None
            self._deferred_init = self._deferred_init._replace(data=np.array(data))
            return
        for x in self._data:
            x[:] = data

    def zero_grad(self) -> None:
        """Set the gradient, if any, to 0."""
        for g in self._grad or ():
            g[:] = 0

    def _values(self) -> np.ndarray:
        """The values, equal on all devices; of running means, which differ, the mean over the devices."""
        first, *others = self._initialized(self._data)
        values = first.asnumpy()
        if self._differentiable or not others or values.dtype.kind != "f":
            return values
        # In float64, the mean of equal values is that value.
        return np.mean([values, *(x.asnumpy() for x in others)], 0, np.float64).astype(values.dtype)

    def _initialized(self, arrays: list[NDArray] | None) -> list[NDArray]:
        if arrays is None:
            raise self._missing()
        return arrays

    def _missing(self) -> UninitializedParameterError:
        if self._deferred_init is not None:
            return DeferredInitializationError(
                f"Parameter '{self.name}' has not been initialized yet: its shape {self.shape} is known "
                "only after the first forward. Pass one batch through the network first, or give in_units, "
                "in_channels, … to its layer."
            )
        return UninitializedParameterError(
            f"Parameter '{self.name}' has not been initialized. Call initialize() on the network, or on "
            "collect_params(): Block.params alone leaves out the children's."
        )

    def _position(self, arrays: list[NDArray], ctx: Context | None) -> int:
        """The index in `arrays` of the array on the device `ctx`.

        The default is the only array, or the array on the current context.
        """
        if len(arrays) == 1 and (ctx is None or ctx is arrays[0].context):
            return 0
        contexts, wanted = self.list_ctx(), ctx or current_context()
        if wanted not in contexts:
            raise UninitializedParameterError(
                f"Parameter '{self.name}' was not initialized on {wanted}, only on {contexts}: move the inputs to one "
                "of these with as_in_context, or pass all contexts to initialize"
            )
        return contexts.index(wanted)

    # --- loading --------------------------------------------------------------------------------------------

    def _check_loaded(self, values: np.ndarray, cast_dtype: bool, source: str) -> None:
        """Raise `UnfitParameterError` if shape or dtype of `values` don't fit.

        `source` names the values' origin in messages.
        """
        if not self._fits(values.shape):
            raise UnfitParameterError(
                f"Parameter '{self.name}': {source} has shape {values.shape}, but {self.shape} is expected"
            )
        if not cast_dtype and np.dtype(self.dtype) != values.dtype:
            raise UnfitParameterError(
                f"Parameter '{self.name}': {source} has dtype {values.dtype}, but {np.dtype(self.dtype)} is "
                "expected. Set cast_dtype=True to convert."
            )

    def _load_init(
        self, data: Any, ctx: Contexts, cast_dtype: bool = False, dtype_source: str = "current"
    ) -> None:
        """Set the values, as programs for MXNet do to fill a `SymbolBlock`."""
        values = np.asarray(data)
        self._check_loaded(values, cast_dtype, f"'{self.name}'")
        self._take(values, ctx, values.dtype if cast_dtype and dtype_source == "saved" else self.dtype)

    def _take(self, values: np.ndarray, ctx: Contexts, dtype: Any) -> None:
        """Set the values and the element type `dtype`, also if the parameter is not initialized."""
        if np.dtype(self.dtype) != np.dtype(dtype):
            self.cast(dtype)
        if self._data is None:
            waiting = self._deferred_init
            contexts = _as_contexts(ctx) if ctx is not None or waiting is None else waiting.contexts
            self.shape = values.shape
            with concrete():
                self._place(values, contexts)
        elif ctx is not None and _as_contexts(ctx) != self.list_ctx():
            raise UnfitParameterError(
                f"Parameter '{self.name}' is initialized on {self.list_ctx()}, so it cannot be loaded on "
                f"{ctx}; use reset_ctx first"
            )
        else:
            self.set_data(values)


def _as_contexts(ctx: Contexts) -> list[Context]:
    """A list of contexts from one context, several contexts, or None (the current context)."""
    if ctx is None:
        return [current_context()]
    contexts: list[Any] = list(ctx) if isinstance(ctx, list | tuple) else [ctx]
    return [usable(context) for context in contexts]


class Constant(Parameter):
    """A named array that is not trained and has no gradient; `initialize` sets it to `value`.

    >>> import lamina as mx
    >>> half = mx.gluon.Constant("half", [0.5])
    >>> half.initialize()
    >>> half.data().asscalar().item()
    0.5
    """

    def __init__(self, name: str, value: Any) -> None:
        value = plain(value)
        self.value = value if isinstance(value, NDArray) else array(value)
        super().__init__(name, grad_req="null", shape=self.value.shape, dtype=self.value.dtype)

    @property
    def grad_req(self) -> str:
        return "null"

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req != "null":
            warn(f"Constant '{self.name}' has no gradient; grad_req={req!r} is ignored")

    def _initial(self, how: _Deferred) -> np.ndarray:
        return self.value.asnumpy()


__getattr__ = names_of_others("lamina.gluon.parameter", {"ParameterDict": "lamina.gluon.parameter_dict"})
