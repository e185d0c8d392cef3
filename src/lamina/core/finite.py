"""Warns once when weights or a loss become NaN or infinite during training.

The loss alone is not enough: `nansum` of NaNs is 0. So the weights are checked, too, whenever the program reads a value
or saves arrays; training steps have no overhead. An array counts as a weight if it has a gradient, and both it and the
gradient were written since the gradient was attached. (An input with missing values is never written.)
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np

from lamina.core.array import Array, StaleGradient
from lamina.core.state import pending, state
from lamina.errors import NonFiniteWarning
from lamina.support.messages import counted, warn

_REST = 200  # minimum pause between checks of the weights, in multiples of a check's duration
_MOST_ELEMENTS = 1024  # the largest array that is checked as a loss when the program reads it
_PATIENCE = 16  # extra checks allowed between two scheduled ones

_data_of: Any = Array._data


class _Weight:
    """An array with a gradient, and its write counts when the gradient was attached and when it was last finite."""

    __slots__ = ("finite_at", "gradient_since", "is_told", "name", "reference", "since", "thread", "was_bad")

    def __init__(self, array: Array, reference: weakref.ref[Array], name: str) -> None:
        assert array._leaf is not None
        self.reference, self.name, self.thread = reference, name, threading.get_ident()
        self.since = self.finite_at = array._version
        self.gradient_since = array._leaf.grad._version
        self.is_told = self.was_bad = False

    def array(self) -> Array | None:
        """The array; None unless this thread trains it and its values can be read."""
        x = self.reference()
        if x is None or x._leaf is None or self.thread != threading.get_ident() or not can_be_read(x):
            return None
        gradient = x._leaf.grad
        return x if gradient._version != self.gradient_since or _is_stale(gradient) else None

    def updates(self, x: Array) -> int:
        """The number of writes to the array since its gradient was attached."""
        return x._version - self.since


weights: dict[int, _Weight] = {}
"""All arrays with a gradient, by `id`."""


class _Turns:
    """The schedule of checks: when the next check is due, and how many extra checks are allowed before then."""

    due = 0.0
    patience = _PATIENCE


def watch(array: Array, name: str = "") -> None:
    """Start checking that an array with a gradient stays finite; warnings call the array `name`."""
    if state.trace is not None:
        return
    key = id(array)
    if array._leaf is None:
        weights.pop(key, None)
    else:
        weights[key] = _Weight(array, weakref.ref(array, lambda _: weights.pop(key, None)), name)


def unwatch(array: Array) -> None:
    """Stop checking an array.

    lamina's training loops need no check, since they raise an error for a non-finite loss.
    """
    weights.pop(id(array), None)


def look(array: Array, numbers: np.ndarray) -> None:
    """If a check is due, warn of non-finite weights, or of non-finite values `numbers` just read from `array`."""
    if numbers.dtype.kind != "f":
        return
    if numbers.size == 1:
        number = numbers.item()
        is_bad, is_suspicious = not isfinite(number), not number or not isfinite(number)
    else:
        is_loss = array._node is not None and numbers.size <= _MOST_ELEMENTS
        is_bad = is_suspicious = is_loss and not np.isfinite(numbers).all()
    now = perf_counter()
    if now < _Turns.due and not (is_suspicious and _Turns.patience):
        return
    _Turns.patience = _PATIENCE if now >= _Turns.due else _Turns.patience - 1
    trained = [(weight, x) for weight in list(weights.values()) if (x := weight.array()) is not None]
    _tell_of(trained, array if is_bad else None)
    after = perf_counter()
    _Turns.due = after + _REST * (after - now)


def look_at_saved(arrays: Iterable[Array]) -> None:
    """Warn if weights among the arrays to be saved are not finite."""
    found = [(weights[id(x)], x) for x in arrays if id(x) in weights]
    _tell_of([(weight, x) for weight, x in found if weight.array() is x], None)


def _tell_of(trained: list[tuple[_Weight, Array]], seen: Array | None) -> None:
    """Warn of non-finite weights. If all weights are finite, warn of `seen` if it is a non-finite loss."""
    bad = [(weight, x, before) for weight, x in trained if (before := _last_finite(weight, x)) is not None]
    new = [each for each in bad if not each[0].is_told]
    untold = [(weight, x) for weight, x in trained if not weight.is_told]
    if new:
        said = _of_weights(new)
    elif seen is not None and seen._node is not None and untold and _is_of_loss(seen, untold):
        said = _of_loss(seen, untold)
    else:
        return
    for weight, _ in trained:
        weight.is_told = True
    for weight, _, _ in bad:
        weight.was_bad = True
    warn(
        NonFiniteWarning(
            f"{said}. Training makes no progress from here on. Often the learning rate is too high; "
            "`with lamina.detect_anomaly():` around a step finds the operator that made the first such number."
        )
    )


def _last_finite(weight: _Weight, x: Array) -> int | None:
    """The number of updates after which a non-finite weight was last seen finite; None for a finite weight."""
    if x._version != weight.finite_at and not _is_finite(np.asarray(x._data)):
        return None if _is_on_purpose(x) else weight.finite_at - weight.since
    weight.finite_at = x._version
    if weight.was_bad:  # and is finite again
        weight.is_told = weight.was_bad = False
    return None


def _is_on_purpose(x: Array) -> bool:
    """Whether NaNs in the array are intended, such as missing values: its gradient is finite then."""
    assert x._leaf is not None
    gradient = x._leaf.grad
    if x._leaf.req == "add" or not can_be_read(gradient) or not np.isnan(np.asarray(x._data)).any():
        return False
    return _is_finite(np.asarray(gradient._data))


def _is_finite(numbers: np.ndarray) -> bool:
    """Whether all values are finite. Tests their sum first, which is much faster."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(numbers)) or np.isfinite(numbers).all())


def _is_stale(gradient: Array) -> bool:
    """Whether a compiled step used the gradient without storing it."""
    return isinstance(_contents(gradient), StaleGradient)


def can_be_read(x: Array) -> bool:
    """Whether an array can be read without computing pending arrays, which would split a training step in two."""
    contents = _contents(x)
    if contents is None:
        return x._is_computed and not pending.is_open
    return isinstance(contents, np.ndarray)  # on a device it would have to be copied


def _contents(x: Array) -> Any:
    """The array's contents; None if they are pending, or stored by a compiled step."""
    try:
        return _data_of.__get__(x)
    except AttributeError:
        return None


def _is_of_loss(seen: Array, trained: list[tuple[_Weight, Array]]) -> bool:
    """Whether `seen` is a loss: a scalar that `backward` has used, or any array while gradients are not finite."""
    if seen._node is not None and seen._node.inputs is None and seen._data.shape in ((), (1,)):
        return True
    gradients = [x._leaf.grad for _, x in trained if x._leaf is not None]
    return any(can_be_read(g) and not _is_finite(np.asarray(g._data)) for g in gradients)


def _of_weights(bad: list[tuple[_Weight, Array, int]]) -> str:
    weight, x, before = bad[0]
    named = f"{weight.name} of" if weight.name else "an array of"
    others = f", and {counted(len(bad) - 1, 'other array')} with it" if len(bad) > 1 else ""
    when = f"after {counted(weight.updates(x), 'update')}"
    known = f" (it was finite after {before:,})" if before else ""
    return f"a weight is no longer finite: {named} shape {x.shape} holds {_kind(x)} {when}{known}{others}"


def _of_loss(seen: Array, trained: list[tuple[_Weight, Array]]) -> str:
    updates = max((weight.updates(x) for weight, x in trained), default=0)
    return f"the loss of shape {seen.shape} holds {_kind(seen)} after {counted(updates, 'update')} of the weights"


def _kind(x: Array) -> str:
    return "NaN" if np.isnan(np.asarray(x._data)).any() else "infinity"
