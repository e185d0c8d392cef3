"""Compiled functions in pickles: by name as Python's functions, by value as cloudpickle has them, methods by object."""

import copy
import pickle
import subprocess
import sys
from typing import Any

import cloudpickle
import numpy as np
import pytest

import lamina
from lamina import autograd, nd


@lamina.compile
def doubled(x: Any) -> Any:
    return x * 2


class Layer:
    @lamina.compile
    def forward(self, x: Any) -> Any:
        return x + 1


def step_and_look() -> tuple[Any, Any]:
    """Two functions of one parameter, which one of them changes."""
    w = nd.ones((2, 2))
    w.attach_grad()

    @lamina.compile
    def step(x: Any) -> Any:
        with autograd.record():
            loss = nd.sum(nd.dot(x, w) ** 2)
        loss.backward()
        w[:] = w - 0.1 * w.grad
        return loss

    @lamina.compile(keep_gradients=True)
    def look(x: Any) -> Any:
        return nd.dot(x, w)

    return step, look


def test_a_function_of_a_module_is_sent_by_its_name() -> None:
    for way in (pickle, cloudpickle):
        assert way.loads(way.dumps(doubled)) is doubled
    assert copy.copy(doubled) is doubled
    assert copy.deepcopy({"f": doubled})["f"] is doubled


def test_a_method_goes_with_its_object() -> None:
    layer = Layer()
    layer.forward(nd.ones((2,)))
    for moved in (cloudpickle.loads(cloudpickle.dumps(layer)).forward, copy.deepcopy(layer).forward):
        assert moved is not layer.forward
        np.testing.assert_array_equal(moved(nd.ones((2,))).asnumpy(), [2, 2])


@pytest.mark.parametrize("is_used", [False, True])
def test_closures_arrive_with_what_they_share_and_train_on(is_used: bool) -> None:
    x = nd.ones((3, 2))
    step, look = step_and_look()
    if is_used:
        step(x)
    moved_step, moved_look = pickle.loads(cloudpickle.dumps((step, look)))
    for _ in range(2):
        np.testing.assert_array_equal(moved_step(x).asnumpy(), step(x).asnumpy())
        np.testing.assert_array_equal(moved_look(x).asnumpy(), look(x).asnumpy())
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"step_and_look.<locals>.step"):
        pickle.dumps(step)


def test_an_array_takes_its_gradient_along() -> None:
    w = nd.array([1, 2])
    w.attach_grad("add")
    for _ in range(2):
        with autograd.record():
            y = w * 3
        y.backward()
        w = pickle.loads(pickle.dumps(w))
    assert w.grad.asnumpy().tolist() == [6, 6]
    assert pickle.loads(pickle.dumps(nd.ones(1))).grad is None


PROGRAM = """
import pickle, subprocess, sys
import cloudpickle
import lamina
from lamina import nd

w = nd.array([[1, 2], [3, 4]])

@lamina.compile
def product(x):
    return nd.dot(x, w)

if __name__ == "__main__":
    assert pickle.loads(pickle.dumps(product)) is product
    product(nd.ones((1, 2)))
    sys.stdout.buffer.write(cloudpickle.dumps(product))
"""


def test_a_function_of_main_is_compiled_where_it_arrives(tmp_path: Any) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, check=False)
    assert not done.stderr
    product = pickle.loads(done.stdout)
    assert isinstance(product, type(doubled))
    np.testing.assert_array_equal(product(nd.ones((1, 2))).asnumpy(), [[4, 6]])
