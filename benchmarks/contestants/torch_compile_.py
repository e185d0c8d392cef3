"""PyTorch with `torch.compile`: forward and backward compiled, the optimizer fused."""

from __future__ import annotations

from collections.abc import Callable

import torch
from workloads import Task

from contestants import torch_
from contestants.torch_ import version

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]


class NoCompilerError(Exception):
    """torch.compile needs a C++ compiler."""


UNAVAILABLE: tuple[type[Exception], ...] = (NoCompilerError,)


def compiled_step(task: Task) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    net = torch_.model(task)
    loss = torch.compile(torch_.summed_loss(net))
    return torch_.training_step(loss, torch_.sgd(net, task))


def warm(run: Callable[[], object]) -> Callable[[], object]:
    """Compile now, and say in one line if that cannot be done."""
    try:
        run()
    except Exception as error:
        if "compiler" not in str(error).lower():
            raise
        raise NoCompilerError("needs a C++ compiler, and there is none") from error
    return run


def epoch(task: Task) -> Callable[[], object]:
    return warm(torch_.epoch_with(compiled_step(task), task))


def loop(task: Task) -> Callable[[], object]:
    return warm(torch_.loop_with(compiled_step(task), task))


FACTORIES = {"epoch": epoch, "loop": loop}
