"""Several Python threads, forked and spawned processes: results stay right, and nothing waits for ever."""

from __future__ import annotations

import multiprocessing
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd


def workload(seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    return nd.array(random.normal(size=(40, 150))), nd.array(random.normal(size=(150, 200)))


def product(x: Any, w: Any) -> Any:
    return nd.softmax(nd.relu(nd.dot(x, w)), axis=1)


def in_threads(count: int, work: Any) -> None:
    errors: list[BaseException] = []

    def guarded(i: int) -> None:
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
    assert not any(t.is_alive() for t in threads)
    assert not errors, errors


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_that_call_the_same_function(threads: int) -> None:
    lamina.set_num_threads(threads)
    compiled = lamina.compile(product)
    inputs = [workload(i) for i in range(4)]
    expected = [compiled(*pair).asnumpy() for pair in inputs]

    def work(i: int) -> None:
        for _ in range(30):
            np.testing.assert_array_equal(compiled(*inputs[i]).asnumpy(), expected[i])

    in_threads(4, work)


def test_first_calls_at_once_compile_once_and_lose_no_step() -> None:
    x = workload(0)[0]
    for _ in range(3):
        total = nd.zeros((150, 200))

        def add(x: Any, total: Any = total) -> Any:
            total[:] = total + (nd.sum(x) * 0 + 1)
            return nd.sum(total)

        compiled = lamina.compile(add)
        in_threads(4, lambda _i, compiled=compiled: [compiled(x) for _ in range(25)])
        assert (total.asnumpy() == 100).all()
        assert len(compiled._entries) == compiled._compilations == 1


def test_threads_that_compile_the_same_function_at_once() -> None:
    compiled = lamina.compile(product)
    inputs = [workload(i) for i in range(4)]
    results: dict[int, np.ndarray] = {}
    in_threads(4, lambda i: results.update({i: compiled(*inputs[i]).asnumpy()}))
    for i, pair in enumerate(inputs):
        np.testing.assert_allclose(results[i], product(*pair).asnumpy(), rtol=1e-4, atol=1e-6)
    assert len(compiled._entries) == 1


def test_threads_that_train_models_of_their_own() -> None:
    def trained() -> np.ndarray:
        w = nd.ones((150, 20))
        w.attach_grad()

        @lamina.compile
        def step(x: Any) -> Any:
            with autograd.record():
                loss = nd.mean(nd.dot(x, w) ** 2)
            loss.backward()
            w[:] = w - 0.01 * w.grad
            return loss

        x, _ = workload(0)
        for _ in range(20):
            step(x)
        return w.asnumpy()

    results: dict[int, np.ndarray] = {}
    in_threads(3, lambda i: results.update({i: trained()}))
    for i in range(3):
        np.testing.assert_array_equal(results[i], results[0])


def _child(queue: Any) -> None:
    compiled = lamina.compile(product)
    queue.put([compiled(*workload(0)).asnumpy(), _shared(*workload(1)).asnumpy()])


_shared = lamina.compile(product)


@pytest.mark.few(1)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_after_compilation(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        method = "spawn"
    lamina.set_num_threads(2)
    expected = [lamina.compile(product)(*workload(0)).asnumpy(), _shared(*workload(1)).asnumpy()]
    context = multiprocessing.get_context(method)
    queue: Any = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # fork in a process with threads is what is tested
        process = context.Process(target=_child, args=(queue,))
        process.start()
    try:
        results = queue.get(timeout=60)
    finally:
        process.join(timeout=60)
        if process.is_alive():
            process.kill()
    for actual, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(actual, want)
    np.testing.assert_array_equal(_shared(*workload(1)).asnumpy(), expected[1])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_fork_waits_for_what_other_threads_compile() -> None:
    started = threading.Event()

    @lamina.compile
    def slow(x: Any) -> Any:
        started.set()
        time.sleep(0.2)  # while the function's lock is held
        return x * 2

    thread = threading.Thread(target=slow, args=(nd.ones((3,)),))
    thread.start()
    started.wait()
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    process = context.Process(target=lambda: queue.put(slow(nd.ones((3,))).asnumpy()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    try:
        np.testing.assert_array_equal(queue.get(timeout=30), 2)
    finally:
        process.kill()
        process.join()
        thread.join()
