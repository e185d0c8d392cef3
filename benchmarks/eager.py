"""The chapter's loop, eagerly: seconds an epoch of lamina and of PyTorch on the same data, in turns.

    python benchmarks/eager.py [--epochs 7] [--threads 2]

The first run makes an environment of its own, benchmarks/.venv, with both libraries. The data (MNIST, batches of 64)
is in memory as arrays. PyTorch runs its usual eager loop: nn.Linear, cross_entropy, optim.SGD.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import peers

HIDDEN, BATCH, LEARNING_RATE = 256, 64, 0.001


def lamina_epoch() -> Callable[[], float]:
    """The chapter's program on a list of batches."""
    from lamina import autograd, datasets, nd

    mnist = datasets.mnist()
    images = nd.array(mnist.train_images.reshape(-1, 784) / 255)
    labels = nd.array(mnist.train_labels)
    starts = range(0, len(images), BATCH)
    batches = [(images[i : i + BATCH], labels[i : i + BATCH]) for i in starts]
    sizes = [784, HIDDEN, HIDDEN, 10]
    params = [
        nd.random_normal(shape=shape, scale=0.01)
        for inputs, outputs in itertools.pairwise(sizes)
        for shape in ((inputs, outputs), outputs)
    ]
    W1, b1, W2, b2, W3, b3 = params
    for param in params:
        param.attach_grad()

    def relu(X: Any) -> Any:
        return nd.maximum(X, nd.zeros_like(X))

    def net(X: Any) -> Any:
        h1 = relu(nd.dot(X, W1) + b1)
        h2 = relu(nd.dot(h1, W2) + b2)
        return nd.dot(h2, W3) + b3

    def softmax_cross_entropy(yhat_linear: Any, y: Any) -> Any:
        return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)

    def epoch() -> float:
        start = time.perf_counter()
        for data, label in batches:
            label_one_hot = nd.one_hot(label, 10)
            with autograd.record():
                loss = softmax_cross_entropy(net(data), label_one_hot)
            loss.backward()
            for param in params:
                param[:] = param - LEARNING_RATE * param.grad
            nd.mean(loss).asscalar()
        return time.perf_counter() - start

    return epoch


def torch_epoch() -> Callable[[], float]:
    """The same network and update in PyTorch."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from lamina import datasets

    mnist = datasets.mnist()
    images = torch.from_numpy(mnist.train_images.reshape(-1, 784).copy()).float() / 255
    labels = torch.from_numpy(mnist.train_labels.copy()).long()
    batches = list(zip(images.split(BATCH), labels.split(BATCH), strict=True))
    net = nn.Sequential(
        nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)

    def epoch() -> float:
        start = time.perf_counter()
        for data, label in batches:
            optimizer.zero_grad()
            loss = cross_entropy(net(data), label, reduction="sum")
            loss.backward()
            optimizer.step()
            loss.item()
        return time.perf_counter() - start

    return epoch


def main() -> None:
    """Compare, or be one of the compared."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", choices=["lamina", "torch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        import importlib

        version = f"{options.peer} {importlib.import_module(options.peer).__version__}"
        peers.serve(version, lamina_epoch() if options.peer == "lamina" else torch_epoch())
        return
    python = peers.environment("torch")
    running = {name: peers.Peer(python, __file__, name, options.threads) for name in ("lamina", "torch")}
    peers.take_turns(running, options.epochs)
    report(running, options)


def report(running: dict[str, peers.Peer], options: argparse.Namespace) -> None:
    """The table: medians, the first and the last epoch, and the ratio."""
    print(f"{peers.processor()}, {options.threads} threads; 784-{HIDDEN}-{HIDDEN}-10, batches of {BATCH}")
    print(f"{'seconds an epoch':20} {'median':>8} {'first':>8} {'last':>8}")
    for peer in running.values():
        print(f"{peer.version:20} {peer.median:8.3f} {peer.seconds[0]:8.3f} {peer.seconds[-1]:8.3f}")
    print(f"lamina takes {running['lamina'].median / running['torch'].median:.2f} times as long as PyTorch")


if __name__ == "__main__":
    main()
