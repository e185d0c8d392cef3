"""`bind` and the registry."""

import pickle
import threading
import warnings

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.core.primitive import REGISTRY, bind, primitive
from lamina.core.state import call_each_step, concrete, state
from lamina.errors import ShapeError
from lamina.primitives.elementwise import BINARY, UNARY


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ValueError, match="primitive 'exp' is declared twice"):
        primitive("exp", eval=np.exp, infer=lambda x: (x.shape, x.dtype))


def test_a_primitive_pickles_as_its_name() -> None:
    exp = REGISTRY["exp"]
    assert pickle.loads(pickle.dumps(exp)) is exp
    assert repr(exp) == "<primitive exp>"


def test_the_result_lives_where_the_inputs_do() -> None:
    x = nd.ones(2, ctx=mx.cpu(1))
    assert bind(BINARY["add"], x, 1.0).context == mx.cpu(1)
    assert bind(BINARY["add"], 1.0, x).context == mx.cpu(1)


def test_a_failure_is_explained_by_infer() -> None:
    with pytest.raises(ShapeError, match=r"add: shapes \(2,\) and \(3,\)"):
        bind(BINARY["add"], nd.ones(2), nd.ones(3))


def test_floating_point_warnings_are_off_inside_and_on_outside() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bind(UNARY["log"], nd.zeros(1)).asscalar() == -np.inf
        with pytest.raises(RuntimeWarning):
            np.log(np.zeros(1))


def test_bind_works_inside_an_eval() -> None:
    """As a signal handler or a finalizer might do it."""
    nested = REGISTRY.get("nested for the test") or primitive(
        "nested for the test",
        eval=lambda x: (nd.log(nd.array(x) - 1) + 1).asnumpy(),
        infer=lambda x: (x.shape, x.dtype),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert bind(nested, nd.ones(1)).asscalar() == -np.inf
    finally:
        del REGISTRY["nested for the test"]


def test_an_eval_that_fails_is_not_run_again() -> None:
    calls: list[int] = []

    def fail(x: np.ndarray) -> np.ndarray:
        calls.append(1)
        raise RuntimeError("out of luck")

    failing = primitive("failing for the test", eval=fail, infer=lambda x: (x.shape, x.dtype))
    try:
        with pytest.raises(RuntimeError, match="out of luck"):
            bind(failing, nd.ones(1))
    finally:
        del REGISTRY["failing for the test"]
    assert len(calls) == 1


def test_threads_compute_at_the_same_time() -> None:
    results: list[float] = []

    def work() -> None:
        x = nd.ones((50, 50))
        for _ in range(50):
            x = nd.sqrt(x * x)
        results.append(x.mean().item())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [1.0] * 4


def test_a_number_for_each_step_is_eagerly_just_a_call() -> None:
    counter = iter(range(3))
    assert [call_each_step(lambda: next(counter)) for _ in range(3)] == [0, 1, 2]


def test_concrete_suspends_recording() -> None:
    state.recording = True
    try:
        with concrete():
            assert not state.recording
        assert state.recording
    finally:
        state.recording = False
