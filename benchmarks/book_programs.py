"""The book's programs, deferred (which is what lamina does) and operator by operator.

    python benchmarks/book_programs.py [--rounds 5] [--only adam,dropout]

Each runs in turns in one process: the time of a run by its median, and how many times as long the other way took. The
first runs, in which what repeats is compiled, are not counted; `--first` tells what they take.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from book import PROGRAMS, USUAL

import lamina
from lamina import nd

__all__ = ["main"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PROGRAMS))
    parser.add_argument("--first", action="store_true", help="the very first run of each")
    options = parser.parse_args()
    totals = [0.0, 0.0]
    print(f"{'':28} deferred   eager   ratio")
    for name in options.only.split(","):
        deferred, eager = _times(PROGRAMS[name], options.rounds, options.first)
        totals = [totals[0] + deferred, totals[1] + eager]
        print(
            f"{name:28} {1e3 * deferred:5.0f} ms {1e3 * eager:4.0f} ms   {deferred / eager:.2f}", flush=True
        )
    print(f"{'all':28} {1e3 * totals[0]:5.0f} ms {1e3 * totals[1]:4.0f} ms   {totals[0] / totals[1]:.2f}")


def _times(program: Callable[..., object], rounds: int, first: bool) -> tuple[float, float]:
    """Seconds, deferred and eagerly."""
    deferred: list[float] = []
    eager: list[float] = []
    for _ in range(1 if first else rounds + 2):
        deferred.append(_seconds(program))
        with lamina.eager():
            eager.append(_seconds(program))
    return tuple(statistics.median(times if first else times[2:]) for times in (deferred, eager))


def _seconds(program: Callable[..., object]) -> float:
    nd.random.seed(0)
    start = time.perf_counter()
    program(USUAL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
