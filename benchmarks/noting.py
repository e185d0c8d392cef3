"""What it costs to note an operator that repeats, and what small work costs, deferred and eagerly.

    python benchmarks/noting.py

Medians, in microseconds an operator, of loops over operators on ten numbers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import lamina
from lamina import nd

__all__ = ["main"]

_OPERATORS, _ROUNDS = 100, 400


class _Number:
    """Adding to it costs what calling Python's method costs."""

    def __add__(self, _other: object) -> _Number:
        return self


def main() -> None:
    x, number = nd.zeros(10), _Number()
    calls = _micros(lambda: _chain(number), lambda _: None)
    deferred = _micros(lambda: _chain(x), lambda y: y.asnumpy())
    with lamina.eager():
        eager = _micros(lambda: _chain(x), lambda y: y.asnumpy())
    print(f"Python's own call                              {calls:6.2f} µs")
    print(
        f"an operator that repeats, noted                {deferred:6.2f} µs, {deferred - calls:.2f} beyond the call"
    )
    print(f"an operator, eagerly                           {eager:6.2f} µs")
    looks = _looks(x)
    with lamina.eager():
        eager_looks = _looks(x)
    print(f"an operator on ten numbers and a look          {looks:6.2f} µs, eagerly {eager_looks:.2f}")


def _chain(x: object) -> object:
    for _ in range(_OPERATORS):
        x = x + 1  # pyright: ignore[reportOperatorIssue]
    return x


def _micros(run: Callable[[], object], look: Callable[[object], object]) -> float:
    times: list[float] = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        result = run()
        times.append((time.perf_counter() - start) / _OPERATORS)
        look(result)
    return 1e6 * statistics.median(times[10:])


def _looks(x: object) -> float:
    times: list[float] = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for _ in range(_OPERATORS):
            nd.sum(x).asscalar()
        times.append((time.perf_counter() - start) / _OPERATORS)
    return 1e6 * statistics.median(times)


if __name__ == "__main__":
    main()
