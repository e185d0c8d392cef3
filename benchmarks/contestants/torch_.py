"""PyTorch, eager: modules, fused optimizers, the data in memory as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tasks import Task
from torch import nn
from torch.nn import functional

__all__ = [
    "FACTORIES",
    "UNAVAILABLE",
    "epoch_of",
    "loop_of",
    "model",
    "optimizer",
    "predict_with",
    "summed_loss",
    "training_step",
    "use_gpu",
    "version",
    "wait",
]


class NoGPUError(Exception):
    """There is no GPU that PyTorch can use."""


UNAVAILABLE: tuple[type[Exception], ...] = (NoGPUError,)
_place = torch.device("cpu")

Step = Callable[[Any, Any], Any]

torch.set_flush_denormal(True)  # as lamina does; without it, later epochs are slower


def version() -> str:
    return torch.__version__


def use_gpu() -> None:
    """Have data and parameters on the first GPU."""
    global _place  # noqa: PLW0603 - one process, one place
    if not torch.cuda.is_available():
        raise NoGPUError("PyTorch finds no GPU")
    _place = torch.device("cuda")


def wait() -> None:
    """Until the device is done."""
    torch.cuda.synchronize()


def model(task: Task) -> nn.Sequential:
    torch.set_float32_matmul_precision("high" if task.precision == "tf32" else "highest")
    layers: list[nn.Module] = []
    for W, b in task.weights():
        linear = nn.Linear(*W.shape)
        linear.weight.data = torch.from_numpy(W.T.copy())
        linear.bias.data = torch.from_numpy(b)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(_place)


def summed_loss(net: nn.Module, task: Task) -> Step:
    def scores(x: Any) -> Any:
        if task.precision != "bfloat16":
            return net(x)
        with torch.autocast(_place.type, torch.bfloat16):
            return net(x).float()

    def classification(x: Any, y: Any) -> Any:
        return functional.cross_entropy(scores(x), y, reduction="sum")

    def regression(x: Any, y: Any) -> Any:
        return functional.mse_loss(scores(x), y, reduction="sum") / 2

    return classification if task.classifies else regression


def optimizer(net: nn.Module, task: Task) -> torch.optim.Optimizer:
    kind = torch.optim.SGD if task.optimizer == "sgd" else torch.optim.Adam
    return kind(net.parameters(), lr=task.lr, fused=True)


def training_step(loss_of: Step, rule: torch.optim.Optimizer) -> Step:
    def step(x: Any, y: Any) -> Any:
        rule.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        rule.step()
        return loss.detach()

    return step


def tensors(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    answers = torch.from_numpy(task.answers)
    inputs = torch.from_numpy(task.inputs).to(_place)
    return inputs, (answers.long() if task.classifies else answers).to(_place)


def epoch_of(step: Step, task: Task) -> Callable[[], object]:
    inputs, answers = tensors(task)

    def run() -> None:
        for rows in torch.from_numpy(next(task.permutations)).to(_place):
            step(inputs[rows], answers[rows])

    return run


def loop_of(step: Step, task: Task) -> Callable[[], object]:
    inputs, answers = tensors(task)
    batches = [(inputs[rows], answers[rows]) for rows in torch.from_numpy(next(task.permutations)).to(_place)]

    def run() -> float:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * step(data, label).item() / task.batch_size
        return moving_loss

    return run


def predict_with(net: Callable[[Any], Any], task: Task) -> Callable[[], object]:
    rows = task.inputs

    def run() -> object:
        with torch.inference_mode():
            return net(torch.from_numpy(rows)).numpy()

    return run


def evaluate(task: Task) -> Callable[[], object]:
    net, (inputs, answers) = model(task).eval(), tensors(task)
    batches = [(inputs[rows], answers[rows]) for rows in torch.from_numpy(next(task.permutations))]

    def run() -> float:
        correct = torch.zeros(())
        total = 0
        with torch.inference_mode():
            for data, label in batches:
                correct += (net(data).argmax(1) == label).sum()
                total += len(data)
        return (correct / total).item()

    return run


def eager_step(task: Task) -> Step:
    net = model(task)
    return training_step(summed_loss(net, task), optimizer(net, task))


def epoch(task: Task) -> Callable[[], object]:
    return epoch_of(eager_step(task), task)


def loop(task: Task) -> Callable[[], object]:
    return loop_of(eager_step(task), task)


def predict(task: Task) -> Callable[[], object]:
    return predict_with(model(task).eval(), task)


FACTORIES = {"epoch": epoch, "loop": loop, "evaluate": evaluate, "predict": predict}
