"""tinygrad: TinyJit on its CPU backend. It takes seconds for what others do in milliseconds, so it does fewer steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import tinygrad
from tinygrad import Context, Device, Tensor, TinyJit, dtypes
from tinygrad.nn import optim
from workloads import Sample, Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

_STEPS = 40
"""Steps that are measured; an epoch's time is extrapolated from them."""

Device.DEFAULT = "CPU"


class NoClangError(Exception):
    """tinygrad's CPU backend calls clang."""


UNAVAILABLE: tuple[type[Exception], ...] = (NoClangError,)


def version() -> str:
    from importlib.metadata import version as installed

    return installed(tinygrad.__name__)


def training_step(task: Task) -> Callable[[Any, Any], Any]:
    if shutil.which("clang") is None:
        raise NoClangError("its CPU backend needs clang, and there is none")
    weights = [(Tensor(W).is_param_(), Tensor(b).is_param_()) for W, b in task.weights()]
    optimizer = optim.SGD([p for pair in weights for p in pair], lr=task.lr)

    @TinyJit
    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        for W, b in weights[:-1]:
            x = (x @ W + b).relu()
        W, b = weights[-1]
        loss = (x @ W + b).sparse_categorical_crossentropy(labels, reduction="sum").backward()
        return loss.realize(*optimizer.schedule_step())

    def train(x: Any, labels: Any) -> Any:
        with Context(TRAINING=1):
            return step(x, labels)

    return train


def loop(task: Task) -> Callable[[], object]:
    step = training_step(task)
    rows = next(task.permutations)[:_STEPS]
    batches = [
        (Tensor(task.inputs[i]).realize(), Tensor(task.labels[i].astype(np.int32)).realize()) for i in rows
    ]

    def run() -> None:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * step(data, label).item() / task.batch_size

    run()  # TinyJit captures in the first calls
    return Sample(run, len(rows) / task.steps)


def epoch(task: Task) -> Callable[[], object]:
    step = training_step(task)

    def run() -> None:
        for rows in next(task.permutations)[:_STEPS]:
            data = Tensor(task.inputs[rows])
            label = Tensor(task.labels[rows].astype(np.int32), dtype=dtypes.int32)
            step(data.realize(), label.realize())
        Device[Device.DEFAULT].synchronize()

    run()
    return Sample(run, min(1.0, _STEPS / task.steps))


FACTORIES = {"epoch": epoch, "loop": loop}
