"""What a compiled function found outside is replaced between calls: it must be noticed, wherever it was found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.compiler.front._walk import Guards
from lamina.core.state import state

SCALE: Any = 2.0
WEIGHT: Any = None


def specializations(compiled: Any) -> int:
    return len(compiled._entries)


def value(result: Any) -> float:
    return result.asnumpy()[0].item()


def test_a_global_array(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(x: Any) -> Any:
        return x * WEIGHT

    compiled = lamina.compile(step)
    for w in (2.0, 3.0, 2.0):
        monkeypatch.setitem(globals(), "WEIGHT", nd.array([w]))
        assert value(compiled(nd.ones((1,)))) == w
    WEIGHT[:] = 7.0  # in place: no new capture
    captured = compiled._entries.copy()
    assert value(compiled(nd.ones((1,)))) == 7.0
    assert compiled._entries == captured


def test_a_global_number(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = lamina.compile(lambda x: x * SCALE)
    assert value(compiled(nd.ones((1,)))) == 2.0
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    assert value(compiled(nd.ones((1,)))) == 5.0


def test_a_closure_cell() -> None:
    weight = nd.array([2.0])
    compiled = lamina.compile(lambda x: x * weight)
    assert value(compiled(nd.ones((1,)))) == 2.0
    weight = nd.array([3.0])
    assert value(compiled(nd.ones((1,)))) == 3.0


def test_an_element_of_a_list_and_of_a_dictionary() -> None:
    params, table = [nd.array([2.0]), nd.array([10.0])], {"b": nd.array([1.0])}

    def step(x: Any) -> Any:
        total = x * table["b"]
        for p in params:
            total = total * p
        return total

    compiled = lamina.compile(step)
    assert value(compiled(nd.ones((1,)))) == 20.0
    params[0] = nd.array([3.0])
    assert value(compiled(nd.ones((1,)))) == 30.0
    table["b"] = nd.array([2.0])
    assert value(compiled(nd.ones((1,)))) == 60.0
    params.append(nd.array([0.5]))
    assert value(compiled(nd.ones((1,)))) == 30.0


def test_an_attribute_of_an_object_and_of_its_parts() -> None:
    class Layer:
        def __init__(self, w: float) -> None:
            self.weight = nd.array([w])
            self.slope = 1.0

    class Net:
        def __init__(self) -> None:
            self.layers = [Layer(2.0), Layer(3.0)]

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = x * layer.weight * layer.slope
            return x

    net = Net()
    compiled = lamina.compile(lambda x: net(x) * 1.0)
    assert value(compiled(nd.ones((1,)))) == 6.0
    net.layers[1].weight = nd.array([5.0])
    assert value(compiled(nd.ones((1,)))) == 10.0
    net.layers[0] = Layer(1.0)
    assert value(compiled(nd.ones((1,)))) == 5.0
    net.layers[0].slope = 2.0
    assert value(compiled(nd.ones((1,)))) == 10.0


def test_an_attribute_of_the_object_of_a_method() -> None:
    class Model:
        def __init__(self) -> None:
            self.weight = nd.array([2.0])

        @lamina.compile
        def predict(self, x: Any) -> Any:
            return x * self.weight

    model = Model()
    assert value(model.predict(nd.ones((1,)))) == 2.0
    model.weight = nd.array([4.0])
    assert value(model.predict(nd.ones((1,)))) == 4.0


def test_a_helper_function_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = lamina.compile(lambda x: _helper(x) * 1.0)
    assert value(compiled(nd.ones((1,)))) == 3.0
    monkeypatch.setitem(globals(), "_helper", lambda x: x * 4)
    assert value(compiled(nd.ones((1,)))) == 4.0


def _helper(x: Any) -> Any:
    return x * 3


def test_constants_of_helpers_and_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = lamina.compile(lambda x: _with_constant(x) * 1.0)
    assert value(compiled(nd.ones((1,)))) == 2.0
    monkeypatch.setitem(globals(), "SCALE", 8.0)
    assert value(compiled(nd.ones((1,)))) == 8.0


def _with_constant(x: Any) -> Any:
    return x * SCALE


def test_an_array_that_moves_between_argument_and_closure() -> None:
    weight = nd.array([2.0])

    def step(x: Any) -> Any:
        weight[:] = weight + 1
        return x * weight

    compiled = lamina.compile(step)
    assert value(compiled(nd.array([10.0]))) == 30.0
    assert value(compiled(weight)) == 16.0
    assert value(compiled(nd.array([10.0]))) == 50.0


def test_state_that_says_where_it_is_found_is_followed() -> None:
    class Library:
        """Stands for a layer of lamina's own, into which guards do not look."""

        __module__ = "lamina.gluon"
        _arrays = (nd.array([2.0]),)

        def __call__(self, x: Any) -> Any:
            if self._arrays is None:
                raise ValueError("no arrays")
            array = self._arrays[0]
            if state.trace is not None:
                state.trace.source(array, self, "_arrays", 0)
            return x * array

    layer: Any = Library()
    compiled = lamina.compile(lambda x: layer(x) * 1.0)
    assert value(compiled(nd.ones((1,)))) == 2.0
    layer._arrays = [nd.array([9.0])]
    assert value(compiled(nd.ones((1,)))) == 9.0
    layer._arrays = None
    with pytest.raises(ValueError, match="no arrays"):
        compiled(nd.ones((1,)))


def test_guards_know_the_users_names() -> None:
    weights = [nd.ones((1,)), nd.ones((2,))]

    def step(x: Any) -> Any:
        return x * weights[0]

    guards = Guards(step)
    assert guards.name_of(weights[1]) == "weights[1]"
    assert guards.name_of(nd.ones((1,))) is None
    assert guards.hold()
    weights.pop()
    assert not guards.hold()


def test_a_replaced_buffer_is_followed_without_a_new_capture() -> None:
    weight = nd.array([2.0])
    compiled = lamina.compile(lambda x: x * weight)
    assert value(compiled(nd.ones((1,)))) == 2.0
    captured = compiled._entries.copy()
    weight._data = np.array([3.0], np.float32)
    assert value(compiled(nd.ones((1,)))) == 3.0
    assert compiled._entries == captured


def test_a_variable_that_was_deleted_is_noticed() -> None:
    w = nd.ones((2,))

    @lamina.compile
    def f(x: Any) -> Any:
        return x + w  # noqa: F821

    f(nd.ones((2,)))
    del w
    with pytest.raises(NameError):
        f(nd.ones((2,)))
