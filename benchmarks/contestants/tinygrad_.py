"""tinygrad: TinyJit on its CPU backend. It takes long, so it does a few steps, and an epoch's time is extrapolated."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.metadata import version as installed
from typing import Any

import numpy as np
from tasks import Sample, Task

os.environ["DEV"] = "CPU"  # read when it is imported

from tinygrad import Context, Device, Tensor, TinyJit
from tinygrad.nn import optim

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

_STEPS = 40
"""Steps that are measured of an epoch."""


class NoClangError(Exception):
    """tinygrad's CPU backend calls clang."""


UNAVAILABLE: tuple[type[Exception], ...] = (NoClangError,)


def version() -> str:
    return installed("tinygrad")


def training_step(task: Task) -> Callable[[Any, Any], Any]:
    if shutil.which("clang") is None:
        raise NoClangError("its CPU backend needs clang, and there is none")
    weights = [(Tensor(W).is_param_(), Tensor(b).is_param_()) for W, b in task.weights()]
    params = [p for pair in weights for p in pair]
    optimizer = (optim.SGD if task.optimizer == "sgd" else optim.Adam)(params, lr=task.lr)

    @TinyJit
    def step(x: Any, answers: Any) -> Any:
        optimizer.zero_grad()
        for W, b in weights[:-1]:
            x = (x @ W + b).relu()
        W, b = weights[-1]
        output = x @ W + b
        if task.classifies:
            loss = output.sparse_categorical_crossentropy(answers, reduction="sum")
        else:
            loss = (output - answers).square().sum() / 2
        loss.backward()
        return loss.realize(*optimizer.schedule_step())

    def train(x: Any, answers: Any) -> Any:
        with Context(TRAINING=1):
            return step(x, answers)

    return train


def batch(task: Task, rows: np.ndarray) -> tuple[Any, Any]:
    answers = task.answers[rows]
    return (
        Tensor(task.inputs[rows]).realize(),
        Tensor(answers.astype(np.int32) if task.classifies else answers).realize(),
    )


def first(task: Task) -> Callable[[], object]:
    step = training_step(task)
    batches = [batch(task, rows) for rows in next(task.permutations)[:_STEPS]]

    def run() -> float:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * step(data, label).item() / task.batch_size
        return moving_loss

    return run


def loop(task: Task) -> Callable[[], object]:
    return Sample(first(task), min(1.0, _STEPS / task.steps))


def epoch(task: Task) -> Callable[[], object]:
    step = training_step(task)

    def run() -> None:
        for rows in next(task.permutations)[:_STEPS]:
            step(*batch(task, rows))
        Device["CPU"].synchronize()

    return Sample(run, min(1.0, _STEPS / task.steps))


FACTORIES = {"epoch": epoch, "loop": loop, "first": first}
