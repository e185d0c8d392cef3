"""The meaning of a network's outputs: probabilities, the decision between classes, or numbers in the target's unit.

Each formula is written once, with `lamina.nd`. Exports trace it, and predictions compile it; so predictions in
Python and in an exported library are bit-identical. Every operation is rounded by IEEE 754, in a fixed order, so that
equal outputs give bit-identical probabilities on every processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from lamina import nd
from lamina.compiler import CompiledFunction, compile
from lamina.compiler.deferral import eager
from lamina.core.primitive import bind
from lamina.device.context import cpu
from lamina.estimators.declaring import is_number
from lamina.nd.ndarray import NDArray
from lamina.primitives.random import same_exp

SIZES = (1, 4, 16, 64, 256, 1024, 4096)
"""Block sizes in rows; each is compiled separately."""
_MOST_VALUES = 1 << 16
"""Maximum number of probabilities in a block of several rows."""

_MOST_KEPT = 64
_ArrayT = TypeVar("_ArrayT", np.ndarray, NDArray)


# --- formulas ----------------------------------------------------------------------------------------------------


def exp(x: NDArray) -> NDArray:
    """The exponential e^x, with the same bits on every processor."""
    return bind(same_exp, x)


def probabilities(outputs: NDArray, *, several: bool, dtype: Any = np.float64) -> NDArray:
    """The probability of each class or label, (rows, classes).

    For classes, this is the softmax of a row; with `several` labels per row, the logistic function of each output.

    >>> probabilities(nd.array([[0.0, 0.0], [1000.0, 0.0]]), several=False).asnumpy().tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    x = outputs.astype(dtype)
    return logistic(x) if several else softmax(x)


def logistic(x: NDArray) -> NDArray:
    """The logistic function, 1 / (1 + exp(−x))."""
    return 1 / (exp(-x) + 1)


def softmax(x: NDArray) -> NDArray:
    """The softmax of each row."""
    powers = exp(x - nd.max(x, axis=1, keepdims=True))
    # A sum over an axis other than the last is taken in order on every processor.
    return powers / nd.sum(powers.reshape((*x.shape, 1)), axis=1)


def holds(outputs: _ArrayT) -> _ArrayT:
    """The predicted labels, int64: 1 if the output is positive (a probability above ½), otherwise 0."""
    return (outputs > 0).astype(np.int64)


def numbers(outputs: _ArrayT, *limits: _ArrayT, logarithmic: bool, levels: int = 0) -> _ArrayT:
    """The predicted target in its unit, float64 (rows, outputs): clip(output · scale + center, low, high).

    Args:
        outputs: a NumPy array, or in a graph a `lamina.nd` array.
        limits: center, scale, low and high, (outputs,), or (1, outputs), float64.
        logarithmic: whether to replace outputs by their exponentials first.
        levels: the number of quantiles of a single target, which are sorted; 0: outputs are separate targets.

    >>> limits = np.array([[0.0], [10.0], [-5.0], [5.0]])
    >>> numbers(np.array([[0.1], [3.0]]), *limits, logarithmic=False).tolist()
    [[1.0], [5.0]]
    """
    center, scale, low, high = limits
    F: Any = _GRAPH if isinstance(outputs, NDArray) else _ARRAYS
    x = outputs.astype(np.float64)
    if levels > 1:
        x = F.sort(x)
    if logarithmic:
        x = F.exp(x)
    return F.minimum(F.maximum(x * scale + center, low), high)


def ascending(x: NDArray) -> NDArray:
    """The values of each row of x in ascending order.

    Neighbours are exchanged (bubble sort), since this can be compiled.
    """
    count = x.shape[1]
    columns = [nd.slice_axis(x, axis=1, begin=i, end=i + 1) for i in range(count)]
    for end in range(count - 1, 0, -1):
        for i in range(end):
            one, other = columns[i], columns[i + 1]
            columns[i], columns[i + 1] = nd.minimum(one, other), nd.maximum(one, other)
    return nd.concat(*columns, dim=1)


# --- for NumPy arrays -----------------------------------------------------------------------------------------------


@eager()
def computed_probabilities(outputs: np.ndarray, *, several: bool) -> np.ndarray:
    """The `probabilities` of NumPy outputs, (rows, classes), from functions compiled for a few block sizes.

    >>> computed_probabilities(np.array([[0.0, -1000.0, 1000.0]], np.float32), several=True).tolist()
    [[0.5, 0.0, 1.0]]
    """
    x, function = outputs.astype(np.float64, copy=False), _compiled(several, outputs.shape[1])
    sizes = _sizes(x.shape[1])
    size = next((size for size in sizes if len(x) <= size), sizes[-1])
    blocks: list[np.ndarray] = []
    for begin in range(0, max(len(x), 1), size):
        block = x[begin : begin + size]
        if len(block) < size:
            block = np.concatenate([block, np.zeros((size - len(block), x.shape[1]))])
        blocks.append(function(nd.array(block, ctx=cpu(), dtype=np.float64)).asnumpy())
    whole = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return whole[: len(x)]


def compile_probabilities(classes: int, *, several: bool, rows: int) -> None:
    """Compile in advance all functions that `computed_probabilities` needs for up to `rows` rows."""
    sizes = _sizes(classes)
    for smaller, size in zip((0, *sizes), sizes, strict=False):
        if smaller < rows:
            computed_probabilities(np.zeros((size, classes), np.float32), several=several)


@lru_cache(_MOST_KEPT)
def _sizes(classes: int) -> list[int]:
    return [size for size in SIZES if size == 1 or size * classes <= _MOST_VALUES]


@lru_cache(_MOST_KEPT)
def _compiled(several: bool, _width: int) -> CompiledFunction[[NDArray], NDArray]:
    return compile(lambda outputs: probabilities(outputs, several=several), independent_rows=True)


def _exp(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return same_exp.eval(x)


_GRAPH = SimpleNamespace(minimum=nd.minimum, maximum=nd.maximum, exp=exp, sort=ascending)
_ARRAYS = SimpleNamespace(minimum=np.minimum, maximum=np.maximum, exp=_exp, sort=np.sort)
"""NumPy versions of the functions in `numbers`, with the same bits as those in graphs."""


# --- the decision between classes: the likeliest one, or of two the one that a threshold determines -------------------


_CRITERIA = ("f1", "balanced")
"""Criteria for choosing a threshold: F1 of the positive class, or balanced accuracy."""

_EQUAL = 1e-12


def check_threshold(threshold: float | str | None) -> None:
    """Raise `ValueError` unless `threshold` is None, a criterion, or a number between 0 and 1."""
    if threshold is None or (isinstance(threshold, str) and threshold in _CRITERIA):
        return
    if is_number(threshold) and 0 < float(threshold) < 1:
        return
    raise ValueError(
        "threshold must be 'f1' or 'balanced', to choose it on validation rows, or a number between 0 and 1, not "
        f"{threshold!r}"
    )


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How a class is decided from the classes' probabilities.

    Attributes:
        positive: for two classes, the position of the positive class, for `threshold` and F1; see `positive_class`.
        threshold: for two classes, the minimum probability for predicting the positive class; None: the
            likelier class is predicted.
    """

    positive: int = 1
    threshold: float | None = None

    def decided(self, said: _ArrayT) -> _ArrayT:
        """The position of each row's predicted class, int64 (rows,), from the probabilities `said`, (rows, classes).

        Of equally likely classes, the first is chosen. `said` is of NumPy, or in a graph of `lamina.nd`.

        >>> p = np.array([[0.9, 0.1], [0.6, 0.4]])
        >>> Decision().decided(p).tolist(), Decision(threshold=0.3).decided(p).tolist()
        ([0, 0], [0, 1])
        """
        x: Any = said
        threshold, positive = self.threshold, self.positive
        found = x.argmax(axis=1) if threshold is None else (x[:, positive] >= threshold) == positive
        return found.astype(np.int64)


def best_threshold(
    criterion: str, is_positive: np.ndarray, probability: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, float] | None:
    """The best threshold on some rows, and its score.

    The result is None if all rows are of one class, or all probabilities are 0. Rows whose probability is at least the
    threshold are predicted positive. The threshold is halfway between two rows' probabilities; of equally good
    thresholds, the nearest to 0.5 is chosen.

    Args:
        criterion: "f1" or "balanced".
        is_positive: whether each row is of the positive class, bool (rows,).
        probability: the positive class's probability, float64 (rows,).
        weights: row weights, or None.

    >>> is_positive = np.array([False, False, True, True])
    >>> threshold, f1 = best_threshold("f1", is_positive, np.array([0.05, 0.1, 0.2, 0.4]))
    >>> round(threshold, 3), f1
    (0.15, 1.0)
    """
    from sklearn.metrics import roc_curve

    counts = np.ones(len(is_positive)) if weights is None else weights.astype(np.float64)
    positives, negatives = counts[is_positive].sum(), counts[~is_positive].sum()
    if not (positives > 0 and negatives > 0):
        return None
    false_rate, true_rate, cuts = roc_curve(
        is_positive, probability, sample_weight=weights, drop_intermediate=False
    )
    possible = np.isfinite(cuts) & (cuts > 0)  # at the first cut, no row is positive
    if not possible.any():
        return None
    false_rate, true_rate, cuts = false_rate[possible], true_rate[possible], cuts[possible]
    if criterion == "f1":
        right = true_rate * positives
        scores = 2 * right / (right + false_rate * negatives + positives)
    else:
        scores = (true_rate + 1 - false_rate) / 2
    below = np.append(cuts[1:], 0.0)
    thresholds = np.maximum((cuts + below) / 2, np.nextafter(below, 1.0))
    best = np.flatnonzero(scores >= scores.max() - _EQUAL)
    chosen = best[np.abs(thresholds[best] - 0.5).argmin()]
    return float(thresholds[chosen]), float(scores[chosen])
