"""Deferral keeps no more than a program itself would."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from typing import Any

import pytest
from both_modes import deferring, sees_the_same

from lamina import autograd, gluon, nd
from lamina.core.state import state
from lamina.deferral import _queue
from lamina.deferral._entries import Entry


def test_sequences_that_never_repeat_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_queue, "_MOST_ENTRIES", 200)
    with deferring() as compiled:
        for i in range(400):
            (nd.ones((i % 19 + 1, i % 23 + 1)) * 2 + 1).asnumpy()
            ((nd.ones((5,)) * 3 + 1) * 2).asnumpy()
        count = 0
        todo: list[Entry] = [state.queue._root]  # pyright: ignore
        while todo:
            entry = todo.pop()
            todo += entry.children.values()
            count += len(entry.children)
        assert count < 250
        assert len(compiled) > 200, "what repeats must stay compiled"


@pytest.mark.slow
def test_arrays_of_a_model_that_is_dropped_are_freed() -> None:
    with deferring() as compiled:
        net = gluon.nn.Sequential()
        net.add(gluon.nn.Dense(8, in_units=4, activation="relu"), gluon.nn.Dense(2, in_units=8))
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "adam")
        x = nd.ones((3, 4))
        for _ in range(6):
            with autograd.record():
                loss = nd.mean(net(x))
            loss.backward()
            trainer.step(3)
            loss.asscalar()
        assert compiled
        arrays = [p.data() for p in net.collect_params().values()]
        alive = [weakref.ref(x) for array in arrays for x in (array, array.grad, array._data)]
        del net, trainer, loss, arrays, x
        gc.collect()
        assert not [r for r in alive if r() is not None]


@pytest.mark.slow
def test_weak_references_keep_nothing_and_hide_nothing() -> None:
    def program(see: Any) -> None:
        a = nd.ones((2, 2))
        for _ in range(7):
            b = a * 2
            c = b + 1
            known = weakref.ref(c)
            d = c * 3
            del b
            see(known())
            see(d)
            del c, d
            gc.collect()
            see(known() is None)

    gc.collect()
    gc.freeze()  # so that the collector looks through little
    try:
        sees_the_same(program)
    finally:
        gc.unfreeze()


def test_an_array_may_outlive_the_modules_at_the_end_of_a_program() -> None:
    program = """
import threading
from lamina import nd
w = threading.kept = nd.ones((2, 2))
for _ in range(6):
    y = w
    for _ in range(8):
        y = y * w + 1
    y.asnumpy()
"""
    environment = {**os.environ, "LAMINA_COMPILE": "1", "LAMINA_EAGER": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert ended.stderr == ""
