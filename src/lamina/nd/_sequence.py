"""Functions of batches of sequences with different lengths, among them the CTC loss.

The axis of time steps is `axis`, 0 or 1; the axis of the batch is the other of these two.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd._outputs import log_softmax
from lamina.nd._shape import swapaxes
from lamina.nd.creation import full
from lamina.nd.elementwise import add, exp, log, maximum
from lamina.nd.join import concat, stack
from lamina.nd.lookup import pick
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.reduce import sum
from lamina.nd.slicing import copied_part
from lamina.primitives import broadcast_to, cast, iota, reshape, take, take_along, where

__all__ = ["CTCLoss", "SequenceLast", "SequenceMask", "SequenceReverse", "ctc_loss"]

_WHOLE = np.dtype(np.int32)


def _lengths_of(
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
    return _lengths_of(name, "sequence_length", sequence_length, use, data.shape[1 - axis])


def _count(size: int) -> NDArray:
    return bind(iota, size=size, start=0, step=1, dtype=_WHOLE)


@operator
def SequenceMask(
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
def SequenceLast(
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
def SequenceReverse(
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


# --- the connectionist temporal classification loss of unaligned sequences (Graves et al., 2006) ------------------


_NEVER = -1e30
"""A finite substitute for log 0, since the difference of two infinities would be NaN."""


@operator
def CTCLoss(
    data: NDArray,
    label: NDArray,
    data_lengths: NDArray | None = None,
    label_lengths: NDArray | None = None,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: str = "first",
) -> NDArray:
    """The negative log probability of each label sequence under softmax(data).

    The probability is summed over all alignments of the labels with blanks.

    Args:
        data: scores of shape (steps, batch, classes).
        label: classes of shape (batch, longest label sequence), padded at the end.
        data_lengths, label_lengths: the number of steps and of labels of each example, used only with
            `use_data_lengths` and `use_label_lengths`. By default all steps count, and all labels except the padding.
        blank_label: ``"first"`` if the blank is class 0 (padding is 0), or ``"last"`` if the blank is the last class
            (padding is -1).

    Raises `ShapeError` if `data` or `label` has an unsuitable shape.

    >>> from lamina import nd
    >>> nd.CTCLoss(nd.zeros((2, 1, 3)), nd.array([[1, 2]])).asscalar().round(3).item() < 2.2
    True
    """
    known_name("CTCLoss", "blank_label", blank_label, ("first", "last"))
    if data.ndim != 3 or label.ndim != 2 or label.shape[0] != data.shape[1]:
        raise ShapeError(
            "CTCLoss: needs data (steps, batch, classes) and label (batch, longest), "
            f"got {data.shape} and {label.shape}"
        )
    steps, batch, classes = data.shape
    blank, padding = (0, 0) if blank_label == "first" else (classes - 1, -1)
    lengths = _lengths_of("CTCLoss", "label_lengths", label_lengths, use_label_lengths, batch)
    if lengths is None:
        lengths = sum(label.astype(np.int32) != padding, axis=1)
    ends = _lengths_of("CTCLoss", "data_lengths", data_lengths, use_data_lengths, batch)
    states, may_skip = _states(label.astype(np.int32), blank)
    count = states.shape[1]
    at = bind(broadcast_to, bind(reshape, states, shape=(1, batch, count)), shape=(steps, batch, count))
    emitted = bind(take_along, log_softmax(data, axis=-1), at, axis=2, mode="clip")
    never, later = (full((batch, n), _NEVER, ctx=data.context, dtype=data.dtype) for n in (2, count - 2))
    alpha = concat(emitted[0][:, :2], later, dim=1)
    for t in range(1, steps):
        skipped = bind(where, may_skip, concat(never, alpha[:, :-2], dim=1), _NEVER)
        before = [alpha, concat(never[:, :1], alpha[:, :-1], dim=1), skipped]
        following = _log_sum(before) + emitted[t]
        if ends is not None:
            following = bind(where, bind(reshape, ends > t, shape=(batch, 1)), following, alpha)
        alpha = following
    last = 2 * lengths
    at_label = bind(where, lengths > 0, pick(alpha, maximum(last - 1, 0), axis=1), _NEVER)
    return -_log_sum([pick(alpha, last, axis=1), at_label])


def _states(label: NDArray, blank: int) -> tuple[NDArray, NDArray]:
    """The labels with blanks between them, and a mask of the labels whose preceding blank may be skipped."""
    batch, longest = label.shape
    blanks = full((batch, longest), blank, ctx=label.context, dtype=np.int32)
    pairs = bind(reshape, stack(blanks, label, axis=2), shape=(batch, 2 * longest))
    states = concat(pairs, blanks[:, :1], dim=1)
    two_before = concat(blanks[:, :1], blanks[:, :1], states[:, :-2], dim=1)
    return states, (states != blank) * (states != two_before)


def _log_sum(parts: list[NDArray]) -> NDArray:
    """log Σ exp(x) over several arrays of equal shape, element by element."""
    most = reduce(maximum, parts).detach()
    return log(reduce(add, [exp(x - most) for x in parts])) + most


ctc_loss = CTCLoss
