"""Monotone networks: parameter bounds that keep predictions from falling as a column rises.

Every input and hidden unit has a sign. Units of sign 0 don't depend on the constrained numbers. Units of sign +1 rise
with the constrained numbers, units of sign −1 fall. A weight between two constrained units has the sign of the product
of their signs, a weight from a constrained unit to an unconstrained one is 0, and weights from unconstrained units are
free. With ReLU, rising units are convex in the constrained inputs. Falling units have negative outgoing weights where
the output rises, and so give the concave parts (Runje and Shankaranarayana split units similarly, by activation:
"Constrained Monotonic Neural Networks", 2023, arXiv 2205.11775). A constrained number enters only through piecewise
linear functions, whose increments have its sign, and which are constant outside the training range.

All these constraints are bounds on parameters: the optimizer's steps are projected onto the bounds, and the network is
otherwise an ordinary one. Sums, products with numbers of one sign, clipping and ReLU stay monotone under
rounding, so predictions are monotone to the last bit of float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from lamina.estimators.architecture import Architecture

ACTIVATION = "relu"
"""The activation of constrained networks, monotone also in floating point."""

_FEWEST_CONSTRAINED = 0.25
"""The minimum share of constrained units in a hidden layer."""


class Bounds(NamedTuple):
    """Lower and upper bounds of a parameter's elements, float32, in its shape."""

    low: np.ndarray
    high: np.ndarray


def bounds_of(parts: Architecture, name: str, shape: tuple[int, ...]) -> Bounds | None:
    """The bounds of a parameter in a constrained architecture; None if it is free."""
    kind, layer = name.rstrip("0123456789"), int("0" + name.lstrip("abcdefghijklmnopqrstuvwxyz_."))
    direction = np.array(parts.monotone)
    if kind in ("frequency", "number"):  # no cosines of constrained numbers
        return _bounds(
            np.where(direction[:, None, None], 0.0, -np.inf),
            np.where(direction[:, None, None], 0.0, np.inf),
            shape,
        )
    if kind == "pieces":
        return _of_sign(direction[:, None, None], shape)
    if kind == "scale":
        return _of_sign(_signs(parts, 0), shape)
    if kind == "weight":
        return _between(parts, layer, shape)
    signs = _signs(parts, layer + 1)
    if kind == "alpha":  # the activation's weight is always 1
        return _bounds(np.where(signs, 1.0, -np.inf), np.where(signs, 1.0, np.inf), shape)
    return _of_sign(abs(signs), shape) if kind == "gamma" else None


def reflected(values: np.ndarray, bounds: Bounds | None) -> np.ndarray:
    """Values moved within the bounds: those outside change sign, or become the nearest bound."""
    if bounds is None:
        return values
    is_inside = (values >= bounds.low) & (values <= bounds.high)
    return np.clip(np.where(is_inside, values, -values), bounds.low, bounds.high)


def _signs(parts: Architecture, layer: int) -> np.ndarray:
    """The signs of the inputs (layer 0), of a hidden layer's units (free ones first), or of the outputs."""
    if layer == 0:
        signs = np.zeros(parts.width, int)
        embedded = signs[parts.inputs : parts.inputs + parts.number_width * parts.numbers]
        embedded[:] = np.repeat(np.abs(parts.monotone), parts.number_width)
        return signs
    if layer > len(parts.hidden):
        return np.array(parts.rising)
    width = parts.hidden[layer - 1]
    inputs = parts.inputs + len(parts.cardinalities)
    share = np.count_nonzero(parts.monotone) / inputs
    constrained = max(2, round(max(share, _FEWEST_CONSTRAINED) * width))
    signs = np.zeros(width, int)
    signs[width - constrained :] = 1
    signs[width - constrained // 2 :] = -1
    return signs


def _between(parts: Architecture, layer: int, shape: tuple[int, ...]) -> Bounds:
    """Bounds of a layer's weights (in, out), from the signs of its units."""
    sources, targets = _signs(parts, layer)[:, None], _signs(parts, layer + 1)
    low, high = _of_sign(sources * targets, shape)
    is_cut = np.broadcast_to((sources != 0) & (targets == 0), shape)
    if layer == 0:  # constrained numbers themselves, beside their piecewise linear functions
        is_cut = is_cut.copy()
        is_cut[: parts.numbers] |= np.array(parts.monotone)[:, None] != 0
    low[is_cut] = high[is_cut] = 0.0
    return Bounds(low, high)


def _of_sign(signs: np.ndarray, shape: tuple[int, ...]) -> Bounds:
    """Bounds of parameters with these signs; 0 means free."""
    return _bounds(np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf), shape)


def _bounds(low: np.ndarray, high: np.ndarray, shape: tuple[int, ...]) -> Bounds:
    return Bounds(*(np.broadcast_to(x, shape).astype(np.float32) for x in (low, high)))
