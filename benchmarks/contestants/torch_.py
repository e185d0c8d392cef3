"""PyTorch, eager: modules, fused optimizers, the data in memory as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from workloads import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "epoch_with", "loop_with", "model", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()

torch.set_flush_denormal(True)  # as lamina does; without it, later epochs are slower


def version() -> str:
    return torch.__version__


def model(task: Task) -> nn.Sequential:
    layers: list[nn.Module] = []
    for W, b in task.weights():
        linear = nn.Linear(*W.shape)
        linear.weight.data = torch.from_numpy(W.T.copy())
        linear.bias.data = torch.from_numpy(b)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def summed_loss(net: nn.Module) -> Callable[[Any, Any], Any]:
    def loss(x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(net(x), y, reduction="sum")

    return loss


def training_step(loss_of: Callable[[Any, Any], Any], optimizer: Any) -> Callable[[Any, Any], Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def sgd(net: nn.Module, task: Task) -> Any:
    return torch.optim.SGD(net.parameters(), lr=task.lr, fused=True)


def epoch_with(step: Callable[[Any, Any], Any], task: Task) -> Callable[[], object]:
    inputs, labels = torch.from_numpy(task.inputs), torch.from_numpy(task.labels).long()

    def run() -> None:
        for rows in torch.from_numpy(next(task.permutations)):
            step(inputs[rows], labels[rows])

    return run


def loop_with(step: Callable[[Any, Any], Any], task: Task) -> Callable[[], object]:
    inputs, labels = torch.from_numpy(task.inputs), torch.from_numpy(task.labels).long()
    batches = [(inputs[rows], labels[rows]) for rows in torch.from_numpy(next(task.permutations))]

    def run() -> None:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * step(data, label).item() / task.batch_size

    return run


def epoch(task: Task) -> Callable[[], object]:
    net = model(task)
    return epoch_with(training_step(summed_loss(net), sgd(net, task)), task)


def loop(task: Task) -> Callable[[], object]:
    net = model(task)
    return loop_with(training_step(summed_loss(net), sgd(net, task)), task)


FACTORIES = {"epoch": epoch, "loop": loop}
