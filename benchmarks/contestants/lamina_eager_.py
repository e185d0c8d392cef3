"""lamina without its compiler: the chapter's loop as it stands there."""

from __future__ import annotations

from collections.abc import Callable

from tasks import Task

from contestants.lamina_ import UNAVAILABLE, loop_over, training_step, version

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]


def loop(task: Task) -> Callable[[], object]:
    return loop_over(training_step(task), task)


FACTORIES = {"loop": loop}
