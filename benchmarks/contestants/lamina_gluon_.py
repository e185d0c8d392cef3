"""lamina with the network made of Gluon's layers, its loss and its trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks import Task

import lamina
from contestants.lamina_ import UNAVAILABLE, Step, epoch_of, loop_over, version
from lamina import autograd, gluon, nd
from lamina.gluon import nn

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]


def network(task: Task) -> Any:
    net = nn.HybridSequential()
    hidden = [
        nn.Dense(n, activation="relu", in_units=m)
        for m, n in zip(task.layers, task.layers[1:-1], strict=False)
    ]
    net.add(*hidden, nn.Dense(task.layers[-1], in_units=task.layers[-2]))
    net.initialize()
    for layer, (W, b) in zip(net, task.weights(), strict=True):
        layer.weight.set_data(nd.array(W.T))
        layer.bias.set_data(nd.array(b))
    return net


def training_step(task: Task) -> Step:
    net = network(task)
    trainer = gluon.Trainer(net.collect_params(), task.optimizer, {"learning_rate": task.lr})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(data: Any, label: Any, _lr: float) -> Any:
        with autograd.record():
            loss = loss_of(net(data), label)
        loss.backward()
        trainer.step(1)  # the summed loss, as in the chapter
        return nd.mean(loss)

    return step


def epoch(task: Task) -> Callable[[], object]:
    return epoch_of(training_step(task), task)


def loop(task: Task) -> Callable[[], object]:
    return loop_over(lamina.compile(training_step(task)), task)


FACTORIES = {"epoch": epoch, "loop": loop}
