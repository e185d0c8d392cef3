"""Programs in the manner of "Deep Learning: The Straight Dope" that train multilayer perceptrons and their kin."""

from __future__ import annotations

from collections.abc import Callable

from book import from_scratch, probabilistic, with_gluon
from book.size import SMALL, USUAL, Size

__all__ = ["PROGRAMS", "SMALL", "USUAL", "Size"]

PROGRAMS: dict[str, Callable[[Size], list[float]]] = {
    **from_scratch.PROGRAMS,
    **probabilistic.PROGRAMS,
    **with_gluon.PROGRAMS,
}
"""By name; each gives the numbers that it looks at."""
