"""MXNet's `Monitor`, which logs statistics of a network's values while it trains."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from lamina import nd
from lamina.mxnet.symbol.executor import Executor
from lamina.nd.ndarray import NDArray

__all__ = ["Monitor"]


class Monitor:
    """A statistic of outputs, parameters and states, every `interval` batches.

    Args:
        interval: the number of batches from one log to the next.
        stat_func: a function from an array to an array, or a list of arrays; by default the root mean square.
        pattern: a regular expression at the beginning of the names.
        sort: whether the log is sorted by name.
        monitor_all: whether variables are also seen before each computation.
    """

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[NDArray], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ValueError(f"Monitor: interval is a number of batches, 1 or more, not {interval!r}")
        self.interval, self.sort, self.monitor_all = interval, sort, monitor_all
        self.stat_func = stat_func or (lambda x: nd.norm(x) / x.size**0.5)
        self.re_prog = re.compile(pattern)
        self.activated, self.step = False, 0
        self.queue: list[tuple[int, str, Any]] = []
        self.exes: list[Executor] = []

    def install(self, exe: Executor) -> None:
        """Watch an executor."""
        exe.set_monitor_callback(self._see, self.monitor_all)
        self.exes.append(exe)

    def _see(self, name: str, array: NDArray) -> None:
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def tic(self) -> None:
        """Begin a batch."""
        self.activated = self.step % self.interval == 0
        self.queue = []
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """End a batch; return number, name and text of each statistic, or nothing between two logs."""
        if not self.activated:
            return []
        for exe in self.exes:
            for name, x in (*exe.arg_dict.items(), *exe.aux_dict.items()):
                self._see(name, x)
        self.activated = False
        found = sorted(self.queue, key=lambda one: one[1]) if self.sort else self.queue
        return [(step, name, _text(value)) for step, name, value in found]

    def toc_print(self) -> None:
        """End a batch, and log its statistics."""
        for step, name, text in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, text)


def _text(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return "".join(f"{x.asscalar() if x.size == 1 else x.asnumpy()}\t" for x in values)
