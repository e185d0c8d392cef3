"""Grids of parameters of which a quick run takes a sample that has every pair of values; the rest is slow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from allpairspy import AllPairs

__all__ = ["pairwise"]


def pairwise(**axes: Sequence[Any]) -> pytest.MarkDecorator:
    """Like a `pytest.mark.parametrize` for each axis, with slow tests outside of a sample.

    In the sample every two values of any two axes occur together.
    """
    indices = [range(len(values)) for values in axes.values()]
    sample = {tuple(chosen) for chosen in AllPairs(list(map(list, indices)))}
    combinations = [
        pytest.param(
            *(values[i] for values, i in zip(axes.values(), chosen, strict=True)),
            marks=() if chosen in sample else pytest.mark.slow,
            id="-".join(
                _text(values[i], name) for (name, values), i in zip(axes.items(), chosen, strict=True)
            ),
        )
        for chosen in itertools.product(*indices)
    ]
    return pytest.mark.parametrize(list(axes), combinations)


def _text(value: Any, name: str) -> str:
    """What a value is called in a test's name: truth values by their axis."""
    if isinstance(value, bool):
        return name if value else f"not {name}"
    return getattr(value, "__name__", str(value))
