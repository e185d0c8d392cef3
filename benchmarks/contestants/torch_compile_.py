"""PyTorch with `torch.compile`: forward and backward compiled, the optimizer fused."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import torch
from tasks import Task

from contestants import torch_
from contestants.torch_ import NoGPUError, use_gpu, version, wait

__all__ = ["FACTORIES", "UNAVAILABLE", "use_gpu", "version", "wait"]


class NoCompilerError(Exception):
    """torch.compile writes C++ for the processor."""


UNAVAILABLE: tuple[type[Exception], ...] = (NoCompilerError, NoGPUError)


def compiled_step(task: Task) -> torch_.Step:
    _need_compiler()
    net = torch_.model(task)
    # On a GPU the fastest that it offers: launches become graphs.
    mode = "reduce-overhead" if next(net.parameters()).is_cuda else "default"
    loss = torch.compile(torch_.summed_loss(net, task), mode=mode)
    return torch_.training_step(loss, torch_.optimizer(net, task))


def _need_compiler() -> None:
    if not any(map(shutil.which, ("g++", "clang++"))):
        raise NoCompilerError("needs a C++ compiler, and there is none")


def epoch(task: Task) -> Callable[[], object]:
    return torch_.epoch_of(compiled_step(task), task)


def loop(task: Task) -> Callable[[], object]:
    return torch_.loop_of(compiled_step(task), task)


def predict(task: Task) -> Callable[[], object]:
    _need_compiler()
    return torch_.predict_with(torch.compile(torch_.model(task).eval()), task)


FACTORIES = {"epoch": epoch, "loop": loop, "first": loop, "predict": predict}
