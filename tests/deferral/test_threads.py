"""Other threads see what the program has done, computed or not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from both_modes import deferring

import lamina
from lamina import autograd, gluon, nd

READERS: dict[str, Callable[[Any], Any]] = {
    "look": lambda w: w.asnumpy().min(),
    "operator": lambda w: (w + 0).asnumpy().min(),
    "NumPy": lambda w: memoryview(w.__array__())[0, 0],
}


@pytest.mark.parametrize("kind", READERS)
def test_a_thread_never_sees_old_contents(kind: str) -> None:
    """Also while a sequence is compiled, which takes long."""
    w, x = nd.zeros((20, 20)), nd.ones((20, 20))
    done, old, stop = [0], [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            steps = done[0]
            seen = READERS[kind](w)
            if seen < steps:
                old.append((steps, seen))

    with deferring() as compiled:
        thread = threading.Thread(target=read)
        thread.start()
        try:
            for i in range(40):
                y = x * 2
                w[:] = w + y * 0.5
                done[0] += 1
                for _ in range(i % 5):
                    y = y + 1
                nd.sum(y).asscalar()
        finally:
            stop.set()
            thread.join()
        assert w.asnumpy().min() == 40
        assert compiled or kind == "NumPy"
    assert not old


def test_threads_that_share_a_network_do_not_wait_for_each_other() -> None:
    """One evaluates it, compiled, while the main thread trains it, deferred; both hold the weights in turn."""
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(64, in_units=32, activation="relu"), gluon.nn.Dense(16, in_units=64))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    x, errors, stop = nd.ones((8, 32)), [], threading.Event()

    def evaluate() -> None:
        predict = lamina.compile(lambda batch: nd.sum(net(batch)))
        while not stop.is_set():
            try:
                predict(x).asscalar()
            except Exception as error:
                errors.append(error)
                return

    with deferring() as compiled:
        thread = threading.Thread(target=evaluate, daemon=True)
        thread.start()
        try:
            for _ in range(60):
                with autograd.record():
                    loss = nd.mean(nd.square(net(x)))
                loss.backward()
                trainer.step(8)
                loss.asscalar()
        finally:
            stop.set()
            thread.join(60)
        assert not thread.is_alive()
        assert compiled
    assert not errors


def test_threads_with_programs_of_their_own() -> None:
    results: dict[int, float] = {}

    def train(seed: int) -> None:
        w = nd.full((4,), seed)
        w.attach_grad()
        for _ in range(30):
            with autograd.record():
                loss = nd.sum(nd.square(w))
            loss.backward()
            w[:] = w - 0.1 * w.grad
        results[seed] = nd.sum(w).asscalar().item()

    with deferring():
        threads = [threading.Thread(target=train, args=(i,)) for i in range(1, 4)]
        for thread in threads:
            thread.start()
        train(5)
        for thread in threads:
            thread.join()
    assert {i: round(x / i, 5) for i, x in results.items()} == dict.fromkeys(
        [1, 2, 3, 5], round(4 * 0.8**30, 5)
    )
