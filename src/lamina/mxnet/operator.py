"""Custom operators under MXNet's names: `CustomOp` computes, `CustomOpProp` describes inputs and outputs.

>>> import lamina as mx
>>> class Square(mx.operator.CustomOp):
...     def forward(self, is_train, req, in_data, out_data, aux):
...         self.assign(out_data[0], req[0], in_data[0] * in_data[0])
...     def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
...         self.assign(in_grad[0], req[0], 2 * in_data[0] * out_grad[0])
>>> @mx.operator.register("square_of_docs")
... class SquareProp(mx.operator.CustomOpProp):
...     def create_operator(self, ctx, in_shapes, in_dtypes):
...         return Square()
>>> x = mx.nd.array([3.0])
>>> x.attach_grad()
>>> with mx.autograd.record():
...     y = mx.nd.Custom(x, op_type="square_of_docs")
>>> y.backward()
>>> y.item(), x.grad.item()
(9.0, 6.0)

New programs should use `autograd.Function`, which is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from lamina import autograd, nd
from lamina.errors import DataError, ShapeError
from lamina.nd.ndarray import NDArray
from lamina.nd.operators import CUSTOM
from lamina.support.messages import closest
from lamina.support.unsupported import names_of_others

__all__ = ["CustomOp", "CustomOpProp", "register"]

Arrays = list[NDArray]
Shapes = Sequence[Sequence[int]]


class CustomOp:
    """A base class of custom operators; subclasses override `forward` and `backward`, which use `assign`."""

    def forward(self, is_train: bool, req: list[str], in_data: Arrays, out_data: Arrays, aux: Arrays) -> None:
        """Compute `out_data` from `in_data`; ``req[i]`` is the argument `req` of `assign` for output i."""
        raise NotImplementedError(f"{type(self).__name__} must override forward")

    def backward(
        self,
        req: list[str],
        out_grad: Arrays,
        in_data: Arrays,
        out_data: Arrays,
        in_grad: Arrays,
        aux: Arrays,
    ) -> None:
        """Compute the inputs' gradients `in_grad` from the outputs' gradients `out_grad`."""
        raise NotImplementedError(f"{type(self).__name__} must override backward")

    def assign(self, dst: NDArray, req: str, src: Any) -> None:
        """Write `src` into `dst`, add `src` to `dst`, or do nothing, as `req` requests.

        `req` is ``"write"`` or ``"inplace"``, ``"add"``, or ``"null"``.
        """
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] = dst + src
        elif req != "null":
            raise ValueError(f"assign: req is 'write', 'inplace', 'add' or 'null', not {req!r}")


class CustomOpProp:
    """A base class that describes inputs and outputs of a custom operator.

    The constructor gets the settings of `nd.Custom` as strings.

    Args:
        need_top_grad: whether `backward` uses `out_grad`; lamina ignores it.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """The names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the operator's auxiliary states, arrays passed after the inputs."""
        return []

    def infer_shape(self, in_shape: Any) -> Any:
        """The shapes of inputs, outputs and auxiliary states, as three lists.

        By default outputs have the shape of the first input, and there are no auxiliary states.
        """
        return in_shape, (in_shape[0],) * len(self.list_outputs()), ()

    def infer_type(self, in_type: Any) -> Any:
        """The dtypes of inputs, outputs and auxiliary states, as three lists.

        By default outputs and auxiliary states have the dtype of the first input.
        """
        states = len(self.list_auxiliary_states())
        return in_type, [in_type[0]] * len(self.list_outputs()), [in_type[0]] * states

    def declare_backward_dependency(self, out_grad: Any, in_data: Any, out_data: Any) -> list[Any]:
        """The arrays that `backward` needs; lamina ignores the result and passes all arrays."""
        return [*(out_grad if self.need_top_grad_ else ()), *in_data, *out_data]

    def create_operator(self, ctx: Any, in_shapes: Shapes, in_dtypes: Sequence[Any]) -> CustomOp:
        """Create the operator for inputs of these shapes and dtypes."""
        raise NotImplementedError(f"{type(self).__name__} must override create_operator")


_PROPS: dict[str, type[CustomOpProp]] = {}
"""The registered descriptions by name."""

P = TypeVar("P", bound=type[CustomOpProp])


def register(reg_name: str) -> Callable[[P], P]:
    """A decorator that registers a `CustomOpProp` for ``nd.Custom(…, op_type=reg_name)``.

    >>> import lamina as mx
    >>> from lamina import nd
    >>> class Double(mx.operator.CustomOp):
    ...     def forward(self, is_train, req, in_data, out_data, aux):
    ...         self.assign(out_data[0], req[0], 2 * in_data[0])
    ...     def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
    ...         self.assign(in_grad[0], req[0], 2 * out_grad[0])
    >>> @mx.operator.register("double")
    ... class DoubleProp(mx.operator.CustomOpProp):
    ...     def create_operator(self, ctx, in_shapes, in_dtypes):
    ...         return Double()
    >>> nd.Custom(nd.array([1.0, 2.0]), op_type="double").asnumpy()
    array([2., 4.], dtype=float32)
    """

    def enter(prop_cls: P) -> P:
        _PROPS[reg_name] = prop_cls
        CUSTOM[reg_name] = partial(_applied, reg_name)
        return prop_cls

    return enter


def described(op_type: str, settings: Mapping[str, Any]) -> CustomOpProp:
    """The description of a registered custom operator with these settings.

    Raises:
        DataError: there is no such operator.
    """
    if op_type not in _PROPS:
        raise DataError(f"no custom operator is registered as {op_type!r}.{closest(op_type, _PROPS)}")
    texts: dict[str, Any] = {name: str(value) for name, value in settings.items()}
    return _PROPS[op_type](**texts)


def _applied(name: str, *data: NDArray, **given: Any) -> Any:
    """The output of a custom operator, or a list of several outputs."""
    arrays = {key: value for key, value in given.items() if isinstance(value, NDArray)}
    prop = described(name, {key: value for key, value in given.items() if key not in arrays})
    inputs, states = prop.list_arguments(), prop.list_auxiliary_states()
    arrays.update(zip([n for n in (*inputs, *states) if n not in arrays], data, strict=False))
    missing = [n for n in inputs if n not in arrays]
    if missing or len(arrays) > len(inputs) + len(states) or len(data) > len(arrays):
        raise TypeError(
            f"Custom({name}) takes {', '.join([*inputs, *states])}; got {len(data)} arrays and "
            f"{', '.join(k for k in given if isinstance(given[k], NDArray)) or 'none'} by name"
        )
    taken = [arrays[n] for n in inputs]
    shapes = prop.infer_shape([list(x.shape) for x in taken])
    types = prop.infer_type([x.dtype for x in taken])
    arrays_of = [list(zip(*pair, strict=True)) for pair in zip((*shapes, ())[:3], types, strict=False)]
    _check(name, prop, shapes, taken)
    context = taken[0].context
    aux = [
        arrays[n] if n in arrays else nd.zeros(shape, dtype=dtype, ctx=context)
        for n, (shape, dtype) in zip(states, arrays_of[2] if states else [], strict=True)
    ]
    operator = prop.create_operator(context, [list(x.shape) for x in taken], [x.dtype for x in taken])
    found = _Application(operator, arrays_of[1], aux)(*taken)
    return found if isinstance(found, NDArray) or len(found) > 1 else found[0]


def _check(name: str, prop: CustomOpProp, shapes: Any, taken: list[NDArray]) -> None:
    """Raise `ShapeError` if the result `shapes` of `infer_shape` contradicts the lists of names or the inputs."""
    wanted = len(prop.list_arguments()), len(prop.list_outputs()), len(prop.list_auxiliary_states())
    counts = tuple(len(part) for part in (*shapes, ())[:3])
    if counts != wanted:
        raise ShapeError(
            f"Custom({name}): infer_shape returned {counts} shapes of inputs, outputs and states, not {wanted}"
        )
    for argument, shape, x in zip(prop.list_arguments(), shapes[0], taken, strict=True):
        if tuple(shape) != x.shape:
            raise ShapeError(
                f"Custom({name}): {argument} has shape {x.shape}, but infer_shape returned {tuple(shape)}"
            )


class _Application(autograd.Function):
    """A call of a custom operator, recorded on the tape as a function with its own backward pass."""

    def __init__(self, operator: CustomOp, outputs: Any, aux: list[NDArray]) -> None:
        super().__init__()
        self._operator, self._outputs, self._arrays = operator, outputs, {"aux": aux}

    def forward(self, *inputs: NDArray) -> tuple[NDArray, ...]:
        context = inputs[0].context
        out = [nd.zeros(tuple(shape), dtype=dtype, ctx=context) for shape, dtype in self._outputs]
        self._arrays |= {"in_data": list(inputs), "out_data": out}
        req = ["write"] * len(out)
        self._operator.forward(is_train=autograd.is_training(), req=req, **self._arrays)
        return tuple(out)

    def backward(self, *output_grads: NDArray) -> tuple[NDArray, ...]:
        grads = [nd.zeros_like(x) for x in self._arrays["in_data"]]
        req = ["write"] * len(grads)
        self._operator.backward(req=req, out_grad=list(output_grads), in_grad=grads, **self._arrays)
        return tuple(grads)


__getattr__ = names_of_others("lamina.operator")
