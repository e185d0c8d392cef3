"""A program that is run eagerly and deferred, and must see the same both times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

import lamina
from lamina import nd
from lamina.core.state import pending, state
from lamina.deferral import _path, _queue

__all__ = ["deferring", "sees_the_same"]

See = Callable[[Any], None]


@contextmanager
def deferring() -> Iterator[list[_path.Path]]:
    """A queue of its own, which puts off sequences of any length from the third time on. Gives what it compiled."""
    compiled: list[_path.Path] = []
    run_compiled = _path.Path.run_compiled

    def noted(path: _path.Path, *arguments: Any) -> None:
        run_compiled(path, *arguments)
        compiled.append(path)

    before, flush = state.queue, pending.flush
    pending.flush()
    queue = _queue.DeferralQueue()
    state.queue, pending.flush = queue, queue.end
    with patch.object(_path, "FEWEST_EVENTS", 1), patch.object(_path.Path, "run_compiled", noted):
        try:
            yield compiled
            pending.flush()
        finally:
            state.queue, pending.flush = before, flush


def sees_the_same(program: Callable[[See], None], *, compiled: bool = True) -> None:
    """Run ``program(see)`` eagerly and deferred: what it gives to `see`, and its errors, must be the same.

    `compiled`: the program repeats, so something of it must have been compiled.
    """
    with lamina.eager():
        wanted = _seen(program)
    with deferring() as ran_compiled:
        got = _seen(program)
    assert len(got) == len(wanted)
    for i, (x, y) in enumerate(zip(got, wanted, strict=True)):
        if isinstance(y, np.ndarray):
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6, err_msg=f"what was seen at {i}")
        else:
            assert x == y, f"what was seen at {i}"
    assert bool(ran_compiled) >= compiled, "nothing was compiled"


def _seen(program: Callable[[See], None]) -> list[Any]:
    """What a program sees: arrays as NumPy's, a function as what it returns or raises, all else as it is."""
    found: list[Any] = []

    def see(value: Any) -> None:
        if callable(value) and not isinstance(value, nd.NDArray):
            try:
                value = value()
            except Exception as error:  # what errors say is compared, too
                value = f"{type(error).__name__}: {error}"
        found.append(value.asnumpy() if isinstance(value, nd.NDArray) else value)

    nd.random.seed(3)
    program(see)
    return found
