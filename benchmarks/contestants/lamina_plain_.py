"""lamina without a decorator: the chapter's loops as they stand there, deferred and compiled by themselves."""

from __future__ import annotations

from collections.abc import Callable

from tasks import Task

from contestants.lamina_ import (
    UNAVAILABLE,
    evaluation_of,
    loop_over,
    network,
    parameters,
    training_step,
    use_gpu,
    version,
    wait,
)

__all__ = ["FACTORIES", "UNAVAILABLE", "use_gpu", "version", "wait"]


def loop(task: Task) -> Callable[[], object]:
    return loop_over(training_step(task), task)


def evaluate(task: Task) -> Callable[[], object]:
    return evaluation_of(network(parameters(task)), task)


FACTORIES = {"loop": loop, "evaluate": evaluate}
