"""Automatic differentiation by a tape, on which computations are recorded, and which gradients follow backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.core import tape
from lamina.core.anomaly import detect_anomaly, set_detect_anomaly
from lamina.core.finite import watch
from lamina.core.primitive import Primitive, bind
from lamina.core.state import Mode, state
from lamina.core.tape import Leaf, become_leaf, gradients, is_recorded, record_node, recording_suspended
from lamina.errors import AutogradError
from lamina.nd.creation import ones_like, zeros_like
from lamina.nd.facade import Facade, has_facade, mapped, plain, shown
from lamina.nd.ndarray import NDArray
from lamina.primitives.elementwise import independent
from lamina.support.unsupported import names_of_others

__all__ = [
    "Function", "backward", "detect_anomaly", "grad", "is_recording", "is_training", "mark_variables", "pause",
    "predict_mode", "record", "set_detect_anomaly", "set_recording", "set_training", "train_mode",
]  # fmt: skip


def record(train_mode: bool = True) -> Mode:
    """A context in which computations are recorded for differentiation, by default in training mode.

    >>> from lamina import autograd, nd
    >>> x = nd.array([3.0])
    >>> x.attach_grad()
    >>> with autograd.record():
    ...     y = x * x
    >>> y.backward()
    >>> x.grad.asscalar().item()
    6.0
    """
    return Mode(True, train_mode)


def pause(train_mode: bool = False) -> Mode:
    """A context in which nothing is recorded, by default in prediction mode."""
    return Mode(False, train_mode)


def train_mode() -> Mode:
    """A context in which layers behave as in training (for example dropout); recording is not changed."""
    return Mode(None, True)


def predict_mode() -> Mode:
    """A context in which layers behave as in prediction; recording is not changed."""
    return Mode(None, False)


def is_recording() -> bool:
    """Whether operations are being recorded."""
    return state.recording


def is_training() -> bool:
    """Whether layers behave as in training."""
    return state.training


def set_recording(is_recording: bool) -> bool:
    """Switch recording on or off, and return the previous state."""
    before, state.recording = state.recording, bool(is_recording)
    return before


def set_training(train_mode: bool) -> bool:
    """Switch training mode on or off, and return the previous state."""
    before, state.training = state.training, bool(train_mode)
    return before


def mark_variables(
    variables: NDArray | Sequence[NDArray],
    gradients: NDArray | Sequence[NDArray],
    grad_reqs: str | Sequence[str] = "write",
) -> None:
    """Attach the arrays `gradients` to `variables` as their gradients.

    `grad_reqs`, one string or one for each variable, is ``"write"`` or ``"add"`` as for `attach_grad`. With ``"null"``
    a variable has no gradient, and an existing gradient is removed. (`attach_grad` creates new gradient arrays
    instead.)

    >>> from lamina import autograd, nd
    >>> x, slope = nd.array([3.0]), nd.zeros(1)
    >>> autograd.mark_variables(x, slope)
    >>> with autograd.record():
    ...     y = x * x
    >>> y.backward()
    >>> slope.asscalar().item()
    6.0
    """
    leaves, grads = _as_list(variables), _as_list(gradients)
    reqs = [grad_reqs] * len(leaves) if isinstance(grad_reqs, str) else list(grad_reqs)
    for x, g, req in zip(leaves, grads, reqs, strict=True):
        become_leaf(x)
        x._leaf = None if req == "null" else Leaf(g, req)
        watch(x)


def backward(
    heads: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Compute the gradient of the sum of all elements of `heads` with respect to each array with `attach_grad`.

    `head_grads` has factors on the elements. Raises `AutogradError` if a head was not recorded, or if its graph was
    already used without `retain_graph`.

    >>> from lamina import autograd, nd
    >>> x = nd.array([1.0, 2.0])
    >>> x.attach_grad()
    >>> with autograd.record():
    ...     heads = [x * x, 3 * x]
    >>> autograd.backward(heads)
    >>> x.grad.asnumpy()
    array([5., 7.], dtype=float32)
    """
    outputs = _as_list(heads)
    with Mode(False, train_mode):
        tape.backward(outputs, _head_grads(outputs, head_grads), retain_graph=retain_graph)


def grad(
    heads: NDArray | Sequence[NDArray],
    variables: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> list[NDArray]:
    """The gradients of `heads` with respect to `variables`, as a list; attribute `grad` is not changed.

    A variable is an array with `attach_grad`, or an intermediate result in the computation of the heads. As in MXNet
    since 1.3, a single variable gives a list, too. With `create_graph` the gradients are recorded and can be
    differentiated again.

    >>> from lamina import autograd, nd
    >>> x = nd.array([2.0])
    >>> x.attach_grad()
    >>> with autograd.record():
    ...     (slope,) = autograd.grad(x * x * x, x, create_graph=True)
    >>> slope.backward()
    >>> slope.asscalar().item(), x.grad.asscalar().item()
    (12.0, 12.0)
    """
    outputs, inputs = _as_list(heads), _as_list(variables)
    keep = create_graph if retain_graph is None else retain_graph
    for i, x in enumerate(inputs):
        if not is_recorded(x):
            raise AutogradError(
                f"grad: variable {i} (shape {x.shape}) has no gradient; call attach_grad() first"
            )
    with Mode(create_graph, train_mode):
        found = gradients(outputs, _head_grads(outputs, head_grads), retain_graph=keep, inner=inputs)
        grads = [found[id(x)] if id(x) in found else zeros_like(x) for x in inputs]
        if create_graph:
            grads = [_differentiable(g, x) for g, x in zip(grads, inputs, strict=True)]
    is_shown = isinstance(variables, Facade) or has_facade(variables)
    return [shown(g) for g in grads] if is_shown else grads


def _differentiable(gradient: NDArray, x: NDArray) -> NDArray:
    """A gradient with respect to `x` that can be differentiated, with gradient 0 if it is a constant."""
    return gradient if is_recorded(gradient) else bind(independent, gradient, x)


def _as_list(arrays: NDArray | Sequence[NDArray]) -> list[NDArray]:
    return [plain(arrays)] if isinstance(arrays, NDArray | Facade) else [plain(x) for x in arrays]


def _head_grads(heads: list[NDArray], given: Any) -> list[NDArray]:
    """The head gradients `given`, with arrays of ones in place of None."""
    grads: list[Any] = [None] * len(heads) if given is None else _as_list(given)
    if len(grads) != len(heads):
        raise AutogradError(f"backward: {len(heads)} heads but {len(grads)} head gradients")
    return [ones_like(h) if g is None else g for h, g in zip(heads, grads, strict=True)]


class Function:
    """A differentiable function with a hand-written gradient; subclasses override `forward` and `backward`.

    >>> from lamina import autograd, nd
    >>> class Square(autograd.Function):
    ...     def forward(self, x):
    ...         self.save_for_backward(x)
    ...         return x * x
    ...     def backward(self, dy):
    ...         (x,) = self.saved_tensors
    ...         return 2 * x * dy
    >>> x = nd.array([3.0])
    >>> x.attach_grad()
    >>> with autograd.record():
    ...     y = Square()(x)
    >>> y.backward()
    >>> x.grad.asscalar().item()
    6.0
    """

    def __init__(self) -> None:
        self.saved_tensors: tuple[NDArray, ...] = ()

    def save_for_backward(self, *arrays: NDArray) -> None:
        """Store arrays for `backward`, available as ``self.saved_tensors``."""
        self.saved_tensors = arrays

    def forward(self, *inputs: NDArray) -> NDArray | tuple[NDArray, ...]:
        """Compute the outputs, without recording on the tape."""
        raise TypeError(f"{type(self).__name__} must override forward")

    def backward(self, *output_grads: NDArray) -> NDArray | tuple[NDArray, ...]:
        """Compute the gradients of the inputs from the gradients of the outputs."""
        raise TypeError(f"{type(self).__name__} must override backward")

    def __call__(self, *inputs: NDArray) -> Any:
        if has_facade(inputs):
            return mapped(_Shown(self)(*[plain(x) for x in inputs]), shown)
        with recording_suspended():
            result = self.forward(*inputs)
        outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
        if state.recording and any(is_recorded(x) for x in inputs):
            fresh = tuple(y.detach() for y in outputs)
            record_node(self._as_primitive(len(inputs), len(fresh)), inputs, {}, fresh)
            outputs = fresh
        return outputs if isinstance(result, tuple | list) else outputs[0]

    def _as_primitive(self, inputs: int, outputs: int) -> Primitive:
        """This call of the function as a primitive, for the tape, which records only primitives."""
        latest: list[Any] = [None, ()]

        def gradient_of(i: int) -> Any:
            def vjp(g: Any, _out: Any, *_inputs: NDArray) -> NDArray:
                if latest[0] is not g:  # one call of backward serves all inputs
                    grads = self.backward(*(g if outputs > 1 else (g,)))
                    latest[:] = [g, grads if isinstance(grads, tuple | list) else (grads,)]
                    if len(latest[1]) != inputs:
                        raise AutogradError(
                            f"{type(self).__name__}.backward returned {len(latest[1])} gradients "
                            f"for {inputs} inputs"
                        )
                return latest[1][i]

            return vjp

        def never(*_inputs: Any) -> Any:
            raise AutogradError("an autograd.Function is evaluated by its forward")

        vjp = tuple(gradient_of(i) for i in range(inputs))
        return Primitive(type(self).__name__, never, never, vjp, None, same_dtype=False)


class _Shown(Function):
    """A `Function` of `NDArray` that applies another function written for ``np.ndarray``."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self._function = function

    def forward(self, *inputs: NDArray) -> Any:
        return mapped(self._function.forward(*map(shown, inputs)), plain)

    def backward(self, *output_grads: NDArray) -> Any:
        return mapped(self._function.backward(*map(shown, output_grads)), plain)


__getattr__ = names_of_others("lamina.autograd")
