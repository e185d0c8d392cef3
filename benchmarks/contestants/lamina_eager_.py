"""lamina without compiler and deferral: the chapter's loop, operator by operator."""

from __future__ import annotations

from collections.abc import Callable

from tasks import Task

import lamina
from contestants.lamina_ import UNAVAILABLE, version
from contestants.lamina_plain_ import FACTORIES as PLAIN

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]


def loop(task: Task) -> Callable[[], object]:
    run = PLAIN["loop"](task)

    def eagerly() -> object:
        with lamina.eager():
            return run()

    return eagerly


FACTORIES = {"loop": loop}
