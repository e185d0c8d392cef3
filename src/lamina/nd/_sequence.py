"""Functions of batches of sequences with different lengths.

The axis of time steps is `axis`, 0 or 1; the axis of the batch is the other of these two.
"""

from __future__ import annotations

import math

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd._basic_index import copied_part
from lamina.nd._shape import swapaxes
from lamina.nd.operators import NDArray, operator
from lamina.primitives.elementwise import cast, where
from lamina.primitives.indexing import iota, take
from lamina.primitives.movement import reshape

__all__ = ["SequenceLast", "SequenceMask", "SequenceReverse"]

_WHOLE = np.dtype(np.int32)


def lengths_of(
    operator: str, argument: str, lengths: NDArray | None, use: bool, batch: int
) -> NDArray | None:
    """The argument `lengths` as int32 of shape (batch,), or None if `use` is false (all have full length)."""
    if not use:
        return None
    if lengths is None or lengths.shape != (batch,):
        shape = None if lengths is None else lengths.shape
        raise ParameterError(f"{operator}: use_{argument} needs {argument} of shape ({batch},), got {shape}")
    return bind(cast, lengths, dtype=_WHOLE)


def _lengths(
    name: str, data: NDArray, sequence_length: NDArray | None, use: bool, axis: int
) -> NDArray | None:
    if axis not in (0, 1) or data.ndim < 2:
        raise ShapeError(
            f"{name}: needs data of two axes or more with time on axis 0 or 1, got {data.shape}, axis={axis}"
        )
    return lengths_of(name, "sequence_length", sequence_length, use, data.shape[1 - axis])


def _count(size: int) -> NDArray:
    return bind(iota, size=size, start=0, step=1, dtype=_WHOLE)


@operator
def SequenceMask(  # noqa: N802 - MXNet's name
    data: NDArray,
    sequence_length: NDArray | None = None,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: int = 0,
) -> NDArray:
    """A copy of `data` in which the steps after the end of each sequence are set to `value`.

    >>> from lamina import nd
    >>> nd.SequenceMask(nd.ones((3, 2)), nd.array([1, 2]), use_sequence_length=True).asnumpy()
    array([[1., 1.],
           [0., 1.],
           [0., 0.]], dtype=float32)
    """
    lengths = _lengths("SequenceMask", data, sequence_length, use_sequence_length, axis)
    if lengths is None:
        return data.copy()
    steps, batch = data.shape[axis], data.shape[1 - axis]
    time = bind(reshape, _count(steps), shape=(steps, 1) if axis == 0 else (1, steps))
    ends = bind(reshape, lengths, shape=(1, batch) if axis == 0 else (batch, 1))
    inside = bind(reshape, time < ends, shape=(*data.shape[:2], *(1,) * (data.ndim - 2)))
    return bind(where, inside, data, float(value))


@operator
def SequenceLast(  # noqa: N802 - MXNet's name
    data: NDArray, sequence_length: NDArray | None = None, use_sequence_length: bool = False, axis: int = 0
) -> NDArray:
    """The last step of each sequence."""
    lengths = _lengths("SequenceLast", data, sequence_length, use_sequence_length, axis)
    if lengths is None:
        return copied_part(data, (slice(None),) * axis + (-1,))
    x = data if axis == 0 else swapaxes(data, 0, 1)
    flat = bind(reshape, x, shape=(math.prod(x.shape[:2]), *x.shape[2:]))
    return bind(take, flat, (lengths - 1) * x.shape[1] + _count(x.shape[1]), axis=0, mode="clip")


@operator
def SequenceReverse(  # noqa: N802 - MXNet's name
    data: NDArray, sequence_length: NDArray | None = None, use_sequence_length: bool = False, axis: int = 0
) -> NDArray:
    """Each sequence in reverse order; padding after its end stays in place."""
    if axis != 0:
        raise ParameterError(f"SequenceReverse: axis must be 0, as in MXNet, not {axis}")
    lengths = _lengths("SequenceReverse", data, sequence_length, use_sequence_length, axis)
    if lengths is None:
        return copied_part(data, (slice(None, None, -1),))
    steps, batch = data.shape[:2]
    time = bind(reshape, _count(steps), shape=(steps, 1))
    ends = bind(reshape, lengths, shape=(1, batch))
    place = bind(where, time < ends, ends - 1 - time, time) * batch + _count(batch)
    flat = bind(reshape, data, shape=(steps * batch, *data.shape[2:]))
    moved = bind(take, flat, bind(reshape, place, shape=(steps * batch,)), axis=0, mode="clip")
    return bind(reshape, moved, shape=data.shape)
