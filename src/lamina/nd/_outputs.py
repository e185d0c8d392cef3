"""Softmax and related functions, and MXNet's output layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.labels import check_labels
from lamina.core.primitive import Primitive, bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd._shape import flatten, moveaxis
from lamina.nd.activation import sigmoid
from lamina.nd.creation import ones_like
from lamina.nd.elementwise import maximum, stop_gradient
from lamina.nd.lookup import one_hot, pick
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.reduce import sum
from lamina.primitives import elementwise, iota, normalize_axis, reshape, straight_through, where
from lamina.primitives.softmax import log_softmax as log_softmax_primitive
from lamina.primitives.softmax import softmax as softmax_primitive

__all__ = [
    "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "MakeLoss", "SVMOutput", "Softmax",
    "SoftmaxActivation", "SoftmaxOutput", "log_softmax", "make_loss", "softmax", "softmax_cross_entropy", "softmin",
]  # fmt: skip

Change = Callable[[NDArray], NDArray]

# --- probabilities from scores ------------------------------------------------------------------------------------


def _along(primitive: Primitive, data: NDArray, axis: int, temperature: float | None, dtype: Any) -> NDArray:
    x = data if temperature is None or temperature == 1.0 else data / temperature
    if dtype is not None:
        x = x.astype(dtype, copy=False)
    return bind(primitive, x, axis=normalize_axis(primitive.name, axis, len(data.shape)))


@operator
def softmax(
    data: NDArray,
    length: NDArray | int | None = None,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Any = None,
    use_length: bool = False,
) -> NDArray:
    """exp(x) / Σ exp(x) along `axis`, with x = ``data / temperature``.

    With `use_length` only the first elements along `axis` count and the others become 0; `length` has the number of
    elements for each row. A Python number passed as `length` is used as `axis`.

    >>> from lamina import nd
    >>> nd.softmax(nd.array([[0, 0]])).asnumpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    if isinstance(length, int):
        return _along(softmax_primitive, data, length, temperature, dtype)
    if not use_length:
        return _along(softmax_primitive, data, axis, temperature, dtype)
    inside = _within(data, length, normalize_axis("softmax", axis, data.ndim))
    lowest = float(np.finfo(data.dtype).min)  # pyright: ignore[reportArgumentType, reportCallIssue]
    known = bind(where, inside, data, lowest)
    return bind(where, inside, _along(softmax_primitive, known, axis, temperature, dtype), 0.0)


def _within(data: NDArray, length: NDArray | None, axis: int) -> NDArray:
    """A mask that is true for the first `length` elements along `axis`."""
    lines = data.shape[:axis] + data.shape[axis + 1 :]
    if length is None or length.shape != lines:
        raise ShapeError(
            f"softmax: with use_length, data {data.shape} along axis {axis} needs a length of shape {lines}, "
            f"got {None if length is None else length.shape}"
        )
    place = bind(iota, size=data.shape[axis], start=0, step=1, dtype=np.dtype(length.dtype))
    place = bind(reshape, place, shape=(data.shape[axis],) + (1,) * (data.ndim - 1 - axis))
    return place < bind(reshape, length, shape=(*lines[:axis], 1, *lines[axis:]))


@operator
def log_softmax(
    data: NDArray,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Any = None,
    use_length: bool = False,
) -> NDArray:
    """log softmax(x) along `axis`, numerically stable."""
    _has_no_length("log_softmax", use_length)
    return _along(log_softmax_primitive, data, axis, temperature, dtype)


def _has_no_length(name: str, use_length: bool) -> None:
    if use_length:
        raise ParameterError(f"{name}: takes no length; use nd.softmax, which does")


@operator
def softmin(
    data: NDArray,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Any = None,
    use_length: bool = False,
) -> NDArray:
    """softmax(-x) along `axis`."""
    _has_no_length("softmin", use_length)
    return _along(softmax_primitive, -data, axis, temperature, dtype)


@operator
def SoftmaxActivation(data: NDArray, mode: str = "instance") -> NDArray:
    """Softmax over all features of each example (``mode="instance"``), or over axis 1 (``"channel"``)."""
    known_name("SoftmaxActivation", "mode", mode, ("instance", "channel"))
    if mode == "channel":
        return softmax(data, axis=1)
    return softmax(flatten(data)).reshape(data.shape)


@operator
def softmax_cross_entropy(data: NDArray, label: NDArray) -> NDArray:
    """The cross-entropy -log softmax(data)[label], summed over the rows, as an array of shape (1,).

    Raises `ShapeError` unless `data` has shape (n, classes) and `label` (n,).

    >>> from lamina import nd
    >>> nd.softmax_cross_entropy(nd.array([[0, 100], [100, 0]]), nd.array([1, 1])).asscalar().item()
    100.0
    """
    if data.ndim != 2 or label.shape != data.shape[:1]:
        raise ShapeError(
            f"softmax_cross_entropy: needs scores (n, classes) and labels (n,), "
            f"got {data.shape} and {label.shape}"
        )
    check_labels(label, data.shape[1], "softmax_cross_entropy")
    return -sum(pick(log_softmax(data), label))


# --- output layers: they return predictions, and their gradient is that of a loss ---------------------------------


_NORMALIZATIONS = ("null", "batch", "valid")


# --- classification -----------------------------------------------------------------------------------------------


@operator
def SoftmaxOutput(
    data: NDArray,
    label: NDArray,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: str = "null",
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
) -> NDArray:
    """softmax(data), with the cross-entropy's gradient softmax(data) - one_hot(label) in the backward pass.

    Args:
        label: class indices, or probabilities if it has the shape of `data`. (With probabilities the gradient is only
            scaled by `grad_scale`; `normalization`, `smooth_alpha` and `use_ignore` have no effect.)
        grad_scale: a factor on the gradient.
        ignore_label: with `use_ignore`, examples with this label get gradient 0.
        multi_output, preserve_shape: the axis of classes is 1 with `multi_output` and the last with `preserve_shape`.
            By default all axes but the first are flattened, and index the classes.
        normalization: the gradient is divided by the number of examples (``"batch"``), by the number of labels other
            than `ignore_label` (``"valid"``, as in MXNet also without `use_ignore`), or by 1 (``"null"``).
        out_grad: whether to multiply by the incoming gradient, which is ignored by default.
        smooth_alpha: the share of the label's probability that is spread over the other classes.

    >>> from lamina import autograd, nd
    >>> x = nd.array([[0.0, 0.0]])
    >>> x.attach_grad()
    >>> with autograd.record():
    ...     y = nd.SoftmaxOutput(x, nd.array([1]))
    >>> y.backward()
    >>> x.grad.asnumpy()
    array([[ 0.5, -0.5]], dtype=float32)
    """
    known_name("SoftmaxOutput", "normalization", normalization, _NORMALIZATIONS)
    with_classes_last, back = _classes_last(data, multi_output, preserve_shape)
    p = softmax(stop_gradient(with_classes_last(data)), axis=-1)
    if label.shape == data.shape:
        slope = (p - with_classes_last(label)) * grad_scale
    else:
        slope = _slope(p, label, smooth_alpha)
        labels = bind(reshape, label, shape=p.shape[:-1])
        valid = (labels != ignore_label).astype(p.dtype)
        if use_ignore:
            slope = slope * bind(reshape, valid, shape=(*labels.shape, 1))
        examples = p.shape[0] if multi_output else math.prod(p.shape[:-1])
        divisor: Any = {"null": 1, "batch": examples}.get(normalization)
        if divisor is None:
            divisor = maximum(sum(valid), 1.0)
        if multi_output and normalization != "valid":
            divisor = divisor * max(1, math.prod(data.shape[2:]))
        slope = slope * grad_scale / divisor
    value, gradient = back(p), stop_gradient(back(slope))
    if out_grad:
        return bind(straight_through, value, data * gradient)
    return bind(elementwise.output_layer, value, data, gradient)


def _classes_last(data: NDArray, multi_output: bool, preserve_shape: bool) -> tuple[Change, Change]:
    """Functions that move the classes of an array like `data` to the last axis, and back."""
    if multi_output:
        return lambda x: moveaxis(x, 1, -1), lambda x: moveaxis(x, -1, 1)
    if preserve_shape:
        return lambda x: x, lambda x: x
    rows = (data.shape[0], math.prod(data.shape[1:]))
    return lambda x: bind(reshape, x, shape=rows), lambda x: bind(reshape, x, shape=data.shape)


def _slope(p: NDArray, label: NDArray, smooth_alpha: float) -> NDArray:
    if math.prod(label.shape) != math.prod(p.shape[:-1]):
        raise ShapeError(
            f"SoftmaxOutput: data of shape {p.shape} needs labels of shape {p.shape[:-1]}, not {label.shape}"
        )
    classes = p.shape[-1]
    labels = bind(reshape, label, shape=p.shape[:-1])
    other = smooth_alpha / (classes - 1) if smooth_alpha else 0.0
    return p - one_hot(labels, classes, on_value=1.0 - smooth_alpha, off_value=other, dtype=p.dtype)


@operator
def SVMOutput(
    data: NDArray,
    label: NDArray,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
) -> NDArray:
    """`data`, with the gradient of a squared hinge loss, or of a hinge loss with `use_linear`."""
    x = stop_gradient(data)
    side = 1.0 - 2.0 * one_hot(label, data.shape[1], dtype=data.dtype)  # -1 at the label
    short = margin + side * x
    slope = side * (short > 0) if use_linear else 2.0 * side * short * (short > 0)
    return bind(elementwise.output_layer, x, data, stop_gradient(slope * regularization_coefficient))


# --- regression ---------------------------------------------------------------------------------------------------


def _regression(data: NDArray, label: NDArray, value: NDArray, slope: Any, grad_scale: float) -> NDArray:
    if math.prod(label.shape) != math.prod(data.shape):
        raise ShapeError(f"a regression's data {data.shape} and label {label.shape} differ in size")
    outputs = math.prod(label.shape[1:])
    gradient = slope(value - bind(reshape, label, shape=data.shape)) * (grad_scale / max(1, outputs))
    return bind(elementwise.output_layer, value, data, stop_gradient(gradient))


@operator
def LinearRegressionOutput(data: NDArray, label: NDArray, grad_scale: float = 1.0) -> NDArray:
    """`data`, with the gradient of half the squared error.

    The gradient is (data - label) · grad_scale / n, where n is the number of outputs per example.
    """
    return _regression(data, label, stop_gradient(data), lambda d: d, grad_scale)


@operator
def LogisticRegressionOutput(data: NDArray, label: NDArray, grad_scale: float = 1.0) -> NDArray:
    """sigmoid(data), with the gradient of the binary cross-entropy.

    The gradient is (sigmoid(data) - label) · grad_scale / n, where n is the number of outputs per example.
    """
    return _regression(data, label, sigmoid(stop_gradient(data)), lambda d: d, grad_scale)


@operator
def MAERegressionOutput(data: NDArray, label: NDArray, grad_scale: float = 1.0) -> NDArray:
    """`data`, with the gradient of the absolute error.

    The gradient is grad_scale / n where data > label, else -grad_scale / n, where n is the number of outputs per
    example.
    """
    return _regression(data, label, stop_gradient(data), lambda d: 2.0 * (d > 0) - 1.0, grad_scale)


# --- losses -------------------------------------------------------------------------------------------------------


@operator
def MakeLoss(
    data: NDArray, grad_scale: float = 1.0, valid_thresh: float = 0.0, normalization: str = "null"
) -> NDArray:
    """`data` unchanged, with the gradient `grad_scale` for every element.

    `normalization` divides the gradient by the number of examples (``"batch"``) or by the number of elements above
    `valid_thresh` (``"valid"``). As in MXNet, each row along the last axis is an example, so an array with one axis
    is one.
    """
    known_name("MakeLoss", "normalization", normalization, _NORMALIZATIONS)
    x = stop_gradient(data)
    divisor: Any = {"null": 1, "batch": math.prod(data.shape[:-1])}.get(normalization)
    if divisor is None:
        divisor = maximum(sum(x > valid_thresh), 1.0)
    return bind(elementwise.output_layer, x, data, stop_gradient(ones_like(x) * grad_scale / divisor))


@operator
def make_loss(data: NDArray) -> NDArray:
    """`data` unchanged, with the gradient 1 for every element."""
    x = stop_gradient(data)
    return bind(elementwise.output_layer, x, data, ones_like(x))


Softmax = SoftmaxOutput
