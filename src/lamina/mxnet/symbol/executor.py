"""`Executor`, a symbol bound to arrays, which computes its outputs and the gradients of its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import autograd, nd
from lamina.core.tape import is_recorded
from lamina.device.context import Context, current_context
from lamina.errors import AutogradError, ParameterError, ShapeError
from lamina.mxnet.symbol.computing import Seen, inferred_types, planned, run
from lamina.nd.ndarray import NDArray
from lamina.support.messages import closest

if TYPE_CHECKING:
    from lamina.mxnet.symbol.nodes import Symbol

__all__ = ["Executor", "Given", "bound", "bound_to_shapes", "by_name"]

ByName = Mapping[str, Any]
Arrays = Mapping[str, NDArray]
Given = ByName | Sequence[Any]


_WITH_GRADIENT = {
    "SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput",
    "MakeLoss", "BlockGrad", "Custom",
}  # fmt: skip
"""Operators whose outputs need no gradient in `Executor.backward`."""


class Executor:
    """A symbol with an array for each argument; `Symbol.bind` and `Symbol.simple_bind` create executors.

    Attributes:
        outputs: the arrays of the last `forward`.
        arg_dict, grad_dict, aux_dict: arguments, their gradients (None without one) and auxiliary states by name.

    >>> import lamina as mx
    >>> a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    >>> exe = (2 * a + b).simple_bind(mx.cpu(), a=(2,), b=(2,))
    >>> exe.forward(is_train=True, a=mx.nd.array([1, 2]))[0].asnumpy()
    array([2., 4.], dtype=float32)
    >>> exe.backward(mx.nd.array([1, 10]))
    >>> exe.grad_dict["a"].asnumpy()
    array([ 2., 20.], dtype=float32)
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Context,
        arguments: Arrays,
        gradients: Mapping[str, NDArray | None],
        requests: Mapping[str, str],
        states: Arrays,
    ) -> None:
        self._symbol, self._ctx, self._requests = symbol, ctx, dict(requests)
        self._steps = planned(symbol.heads)
        self._monitor: Seen | None = None
        self._monitors_inputs = False
        self.arg_dict, self.aux_dict = dict(arguments), dict(states)
        self.grad_dict = {name: gradients.get(name) for name in arguments}
        self.outputs: list[NDArray] = []

    @property
    def arg_arrays(self) -> list[NDArray]:
        """The arguments, in the order of the symbol's `list_arguments`."""
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self) -> list[NDArray | None]:
        """The arguments' gradients, in the same order."""
        return list(self.grad_dict.values())

    @property
    def aux_arrays(self) -> list[NDArray]:
        """The auxiliary states, in the order of the symbol's `list_auxiliary_states`."""
        return list(self.aux_dict.values())

    @property
    def output_dict(self) -> dict[str, NDArray]:
        """The outputs by name."""
        return dict(zip(self._symbol.list_outputs(), self.outputs, strict=True))

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Compute the outputs, after writing the arrays `kwargs` into the arguments of these names.

        Args:
            is_train: whether dropout and batch normalization train, and `backward` follows.
        """
        for name, x in kwargs.items():
            if name not in self.arg_dict:
                raise TypeError(f"forward: unknown argument {name!r}.{closest(name, self.arg_dict)}")
            if not isinstance(x, NDArray | np.ndarray):
                raise ValueError(f"forward: {name} is an NDArray or numpy.ndarray, not {type(x).__name__}")
            if x.shape != self.arg_dict[name].shape:
                raise ShapeError(f"forward: {name} has shape {x.shape}, not {self.arg_dict[name].shape}")
            self.arg_dict[name][:] = x
        return self.compute(is_train, {})

    def compute(self, is_train: bool, inputs: Arrays) -> list[NDArray]:
        """Compute the outputs with `inputs` in place of the arguments of these names, in any batch size."""
        for name, x in inputs.items():
            # No gradient flows on into another executor, nor into an array of the caller's.
            is_shared = self.grad_dict[name] is not None or is_recorded(x)
            self.arg_dict[name] = x.detach() if is_shared else x
        values: dict[Any, NDArray] = {**self.arg_dict, **self.aux_dict}
        for name, gradient in self.grad_dict.items():
            leaf, request = values[name]._leaf, self._requests[name]
            is_marked = leaf is not None and leaf.grad is gradient and leaf.req == request
            if is_train and gradient is not None and not is_marked:
                autograd.mark_variables(values[name], gradient, request)
        if self._monitor is not None and self._monitors_inputs:
            for name, x in list(values.items()):
                self._monitor(name, x)
        with autograd.record() if is_train else autograd.pause():
            self.outputs = run(self._steps, values, self._symbol.heads, self._monitor)
        return self.outputs

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Compute the arguments' gradients, after ``forward(is_train=True)``.

        Args:
            out_grads: the gradients of the outputs: an array, a list of arrays, or a dict by output name. Not needed
                if all outputs are losses, such as `SoftmaxOutput` or `MakeLoss`.

        Raises:
            AutogradError: `out_grads` is missing, or `forward` was not called with ``is_train=True``.
        """
        if isinstance(out_grads, Mapping):
            out_grads = [out_grads[name] for name in self._symbol.list_outputs()]
        if not any(request != "null" for request in self._requests.values()):
            return
        grads = [out_grads] if isinstance(out_grads, NDArray) else list(out_grads or ())
        grads += [None] * (len(self._symbol) - len(grads))
        for (node, _), grad in zip(self._symbol.heads, grads, strict=True):
            if grad is None and (node.operator is None or node.operator.name not in _WITH_GRADIENT):
                raise AutogradError(
                    f"backward: output {node.name!r} is not a loss; pass its gradient (out_grads), or end the network "
                    "with SoftmaxOutput, LinearRegressionOutput or MakeLoss"
                )
        pairs = [(x, g) for x, g in zip(self.outputs, grads, strict=False) if is_recorded(x)]
        if not pairs:
            raise AutogradError("backward: nothing was recorded; call forward(is_train=True) first")
        autograd.backward([x for x, _ in pairs], [g for _, g in pairs], train_mode=is_train)
        if self._monitor is not None:
            self._show_gradients(self._monitor)

    def _show_gradients(self, monitor: Seen) -> None:
        """Call a monitor for the gradients of the arguments, named after the nodes that read them."""
        for node in (step.node for step in self._steps):
            for name, (given, _) in zip(node.input_names(), node.inputs, strict=False):
                gradient = self.grad_dict.get(given.name) if given.operator is None else None
                if gradient is not None:
                    monitor(f"{node.name}_backward_{name}", gradient)

    def copy_params_from(
        self, arg_params: Arrays, aux_params: Arrays | None = None, allow_extra_params: bool = False
    ) -> None:
        """Write values into arguments and auxiliary states, by name."""
        for own, given in ((self.arg_dict, arg_params), (self.aux_dict, aux_params or {})):
            for name, x in given.items():
                if name in own:
                    own[name][:] = x.as_in_context(own[name].context)
                elif not allow_extra_params:
                    raise ParameterError(f"the network has no parameter {name!r}.{closest(name, own)}")

    def reshape(
        self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: tuple[int, ...]
    ) -> Executor:
        """An executor for inputs of other shapes, which shares all arrays whose shapes stay."""
        types = {name: x.dtype for name, x in self.arg_dict.items()}
        made = bound_to_shapes(self._symbol, self._ctx, self._requests, types, kwargs)
        for own, mine in ((made.arg_dict, self.arg_dict), (made.aux_dict, self.aux_dict)):
            for name, x in mine.items():
                if x.shape == own[name].shape:
                    own[name] = x
                    if name in self.grad_dict:
                        made.grad_dict[name] = self.grad_dict[name]
        return made

    def set_monitor_callback(self, callback: Seen, monitor_all: bool = False) -> None:
        """Call ``callback(name, array)`` for the output of each node, with `monitor_all` also for the variables."""
        self._monitor, self._monitors_inputs = callback, monitor_all


def bound(
    symbol: Symbol,
    ctx: Context,
    args: Any,
    args_grad: Any = None,
    grad_req: Any = "write",
    aux_states: Any = None,
) -> Executor:
    """`Symbol.bind`: an executor on these arrays, lists in the symbol's order or dicts by name.

    Raises:
        ParameterError: an argument or auxiliary state has no array.
        TypeError: one has something else than an NDArray.
    """
    names, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    requests = _requests(names, grad_req)
    gradients = {n: g for n, g in by_name("args_grad", args_grad, names).items() if requests[n] != "null"}
    given = by_name("args", args, names) | by_name("aux_states", aux_states, states)
    missing = [name for name in (*names, *states) if name not in given]
    if missing:
        raise ParameterError(f"bind: there is no array for {', '.join(missing)}")
    arguments, auxiliary = ({name: _own(name, given[name]) for name in part} for part in (names, states))
    return Executor(symbol, ctx, arguments, gradients, requests, auxiliary)


def _own(name: str, x: Any) -> NDArray:
    """The array itself, or for an output of another executor one that no gradient leaves."""
    if not isinstance(x, NDArray):
        raise TypeError(f"bind: {name} is an NDArray, not {type(x).__name__}")
    return x if x._node is None else x.detach()


def bound_to_shapes(
    symbol: Symbol, ctx: Context | None, grad_req: Any, types: ByName | None, shapes: ByName
) -> Executor:
    """`Symbol.simple_bind`: an executor on new arrays of zeros, whose shapes follow from those of the inputs."""
    found, _, state_shapes = symbol.infer_shape(**shapes)
    if found is None or state_shapes is None:
        raise ShapeError(
            f"simple_bind: the shapes {dict(shapes)} don't determine the shapes of all arguments"
        )
    place = ctx or current_context()
    names, dtypes = symbol.list_arguments(), inferred_types(symbol.heads, types or {})
    requests = _requests(names, grad_req)

    def zeros(name: str, shape: tuple[int, ...]) -> NDArray:
        inferred = dtypes.get(name, np.float32)
        is_meant = name in (types or {}) or issubclass(inferred, np.floating)
        return nd.zeros(shape, ctx=place, dtype=inferred if is_meant else np.float32)

    arguments = {name: zeros(name, shape) for name, shape in zip(names, found, strict=True)}
    gradients = {name: zeros(name, x.shape) for name, x in arguments.items() if requests[name] != "null"}
    states = {n: zeros(n, s) for n, s in zip(symbol.list_auxiliary_states(), state_shapes, strict=True)}
    return Executor(symbol, place, arguments, gradients, requests, states)


def _requests(names: Sequence[str], grad_req: Any) -> dict[str, str]:
    given = (
        dict.fromkeys(names, grad_req) if isinstance(grad_req, str) else by_name("grad_req", grad_req, names)
    )
    unknown = next((x for x in given.values() if x not in ("write", "add", "null")), None)
    if unknown is not None:
        raise ValueError(f"grad_req is 'write', 'add' or 'null', not {unknown!r}")
    return {name: given.get(name, "null") for name in names}


def by_name(what: str, given: Given | None, names: Sequence[str]) -> dict[str, Any]:
    """Arrays or values by name, from a dict, or a list in the order of `names`.

    Raises:
        ValueError: a name is unknown, or a list has another length.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            raise ValueError(f"{what}: {unknown!r} is none of {', '.join(names)}.{closest(unknown, names)}")
        return dict(given)
    if len(given) != len(names):
        raise ValueError(f"{what}: got {len(given)} values for {len(names)} names: {', '.join(names)}")
    return dict(zip(names, given, strict=True))
