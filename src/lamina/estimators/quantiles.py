"""Several quantiles of a single target, predicted by a single network, in ascending order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from lamina.estimators.targets import Numbers

SCALES = ("low", "high", "center", "scale")
"""The names of the arrays of `Numbers`."""


@dataclass(frozen=True)
class Quantiles(Numbers):
    """Quantiles of a single target; the network has a standardized output for each level.

    Outputs are sorted. Sorting separately learned quantiles never increases the pinball loss (Chernozhukov,
    Fernández-Val, Galichon, "Quantile and probability curves without crossing", 2010).
    """

    @classmethod
    def of_numbers(cls, numbers: Numbers, levels: Sequence[float]) -> Self:
        """Quantiles at these levels of the target `numbers`.

        Raises:
            ValueError: there are several targets.
        """
        if numbers.outputs != 1:
            raise ValueError(
                f"several quantiles need a single target, but y has {numbers.outputs} columns; fit a model for each "
                "column"
            )
        count = len(levels)
        scales = {name: getattr(numbers, name).repeat(count) for name in SCALES}
        return cls(**scales, flat=False, levels=tuple(levels))

    @classmethod
    def restored(cls, numbers: Numbers, levels: Sequence[float]) -> Self:
        """Quantiles from a file's values.

        A file stores the target's scale once for each level.

        Raises:
            ValueError: the values are inconsistent.
        """
        if len(levels) != numbers.outputs or numbers.logarithmic or numbers.flat:
            raise ValueError(
                f"{len(levels)} quantiles need a target of {len(levels)} outputs, neither 1-D nor logarithmic; "
                f"this one has {numbers.outputs}"
            )
        found = cls.of_numbers(_single(numbers), _levels(levels))
        if any((getattr(found, name) != getattr(numbers, name)).any() for name in SCALES):
            raise ValueError("quantiles of one target must have equal scales")
        return found

    @property
    def single(self) -> Numbers:
        """The target's scale, without quantiles."""
        return _single(self)

    @property
    def middle(self) -> int:
        """The position of the level that is nearest to the median."""
        return int(np.abs(np.array(self.levels) - 0.5).argmin())

    def encode(self, y: np.ndarray) -> np.ndarray:
        """The standardized target, (rows, 1), float32."""
        return self.single.encode(y)

    def decode(self, target: np.ndarray) -> np.ndarray:
        """The target in its unit, (rows,), from the standardized target."""
        return self.single.decode(target)

    def clamped(self, outputs: np.ndarray) -> np.ndarray:
        """The standardized outputs, sorted and limited to the range of the training targets."""
        return super().clamped(np.sort(outputs, axis=1))


def _single(numbers: Numbers) -> Numbers:
    """The scale of the first target of `numbers`."""
    return Numbers(**{name: getattr(numbers, name)[:1] for name in SCALES}, flat=True)


def pinball(target: np.ndarray, predicted: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The pinball loss of each row, averaged over levels (Koenker and Bassett, 1978), float64.

    Args:
        target: (rows,).
        predicted: (rows, levels).
        levels: the quantiles' levels.

    >>> import numpy as np
    >>> pinball(np.array([1.0]), np.array([[0.0, 3.0]]), [0.1, 0.9]).round(3).tolist()
    [0.15]
    """
    difference, shares = target[:, None] - predicted, np.asarray(levels, np.float64)
    return np.maximum(shares * difference, (shares - 1) * difference).mean(axis=1)


def checked_levels(quantile: Any, loss: Any) -> float | tuple[float, ...]:
    """Check the setting `quantile`; return a level, or several ascending levels.

    Raises:
        ValueError: the levels are not ascending numbers between 0 and 1, or the loss does not support several
            levels.
    """
    if not isinstance(quantile, list | tuple) and np.ndim(quantile) == 0:
        return _levels([quantile.item() if isinstance(quantile, np.ndarray) else quantile])[0]
    values = _levels(quantile)
    if loss != "quantile":
        raise ValueError(f"several quantiles need loss='quantile', not {loss!r}")
    return values


def _levels(levels: Any) -> tuple[float, ...]:
    said = list(levels)
    is_number = all(isinstance(x, float | int | np.number) and not isinstance(x, bool) for x in said)
    if not said or not is_number or not all(0 < float(x) < 1 for x in said):
        raise ValueError(f"quantile must be one or several numbers between 0 and 1, got {said!r}")
    values = tuple(float(x) for x in said)
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError(f"quantile must be ascending, got {said!r}; write {sorted(set(values))}")
    return values
