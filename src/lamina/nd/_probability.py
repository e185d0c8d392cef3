"""Probabilities from scores: softmax and related functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.labels import check_labels
from lamina.core.primitive import Primitive, bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd._shape import flatten
from lamina.nd.lookup import pick
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.reduce import sum
from lamina.primitives.elementwise import where
from lamina.primitives.indexing import iota
from lamina.primitives.reshape import reshape
from lamina.primitives.softmax import log_softmax as log_softmax_primitive
from lamina.primitives.softmax import softmax as softmax_primitive
from lamina.primitives.typing import normalize_axis

__all__ = ["SoftmaxActivation", "log_softmax", "softmax", "softmax_cross_entropy", "softmin"]


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
def SoftmaxActivation(data: NDArray, mode: str = "instance") -> NDArray:  # noqa: N802 - MXNet's name
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
