"""Probabilities from scores: softmax and its kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.core.primitive import Primitive, bind
from lamina.errors import ShapeError
from lamina.nd._operator import known_name, operator
from lamina.nd._shape import flatten
from lamina.nd.lookup import pick
from lamina.nd.reduce import sum
from lamina.primitives.softmax import log_softmax as log_softmax_primitive
from lamina.primitives.softmax import softmax as softmax_primitive
from lamina.primitives.typing import normalize_axis

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = ["SoftmaxActivation", "log_softmax", "softmax", "softmax_cross_entropy", "softmin"]


def _along(primitive: Primitive, data: NDArray, axis: int, temperature: float | None, dtype: Any) -> NDArray:
    x = data if temperature is None or temperature == 1.0 else data / temperature
    if dtype is not None:
        x = x.astype(dtype, copy=False)
    return bind(primitive, x, axis=normalize_axis(primitive.name, axis, len(data.shape)))


@operator
def softmax(data: NDArray, axis: int = -1, temperature: float | None = None, dtype: Any = None) -> NDArray:
    """exp(x) / Σ exp(x) along `axis`, of ``data / temperature``.

    >>> from lamina import nd
    >>> nd.softmax(nd.array([[0, 0]])).asnumpy()
    array([[0.5, 0.5]], dtype=float32)
    """
    return _along(softmax_primitive, data, axis, temperature, dtype)


@operator
def log_softmax(
    data: NDArray, axis: int = -1, temperature: float | None = None, dtype: Any = None
) -> NDArray:
    """log softmax(x) along `axis`, numerically stable."""
    return _along(log_softmax_primitive, data, axis, temperature, dtype)


@operator
def softmin(data: NDArray, axis: int = -1, temperature: float | None = None, dtype: Any = None) -> NDArray:
    """softmax(-x) along `axis`."""
    return _along(softmax_primitive, -data, axis, temperature, dtype)


@operator
def SoftmaxActivation(data: NDArray, mode: str = "instance") -> NDArray:  # noqa: N802 - MXNet's name
    """softmax over all features of each example (``"instance"``), or over axis 1 (``"channel"``)."""
    known_name("SoftmaxActivation", "mode", mode, ("instance", "channel"))
    if mode == "channel":
        return softmax(data, axis=1)
    return softmax(flatten(data)).reshape(data.shape)


@operator
def softmax_cross_entropy(data: NDArray, label: NDArray) -> NDArray:
    """The sum over the rows of -log softmax(data)[label], of shape (1,).

    >>> from lamina import nd
    >>> nd.softmax_cross_entropy(nd.array([[0, 100], [100, 0]]), nd.array([1, 1])).asscalar().item()
    100.0
    """
    if data.ndim != 2 or label.shape != data.shape[:1]:
        raise ShapeError(
            f"softmax_cross_entropy: needs scores (n, classes) and labels (n,), "
            f"got {data.shape} and {label.shape}"
        )
    return -sum(pick(log_softmax(data), label))
