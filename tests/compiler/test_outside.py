"""What a function does to the world outside, and finds there: the compiled one does the same, or says why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.errors import AutogradError, TraceError


def array(*values: float) -> Any:
    return nd.array(values)


def value(result: Any) -> float:
    return result.asnumpy().ravel()[0].item()


# --- arguments that are returned, written, or found outside, too -----------------------------------------------------


def test_a_returned_argument_is_that_of_this_call() -> None:
    same = lamina.compile(lambda x, y: (y, {"x": x}, x + y))
    for x, y in ((array(1), array(2)), (array(3), array(4))):
        first, second, total = same(x, y)
        assert first is y
        assert second["x"] is x
        assert value(total) == value(x) + value(y)


def test_a_written_argument_is_returned_with_its_new_contents() -> None:
    @lamina.compile
    def bump(x: Any) -> Any:
        x += 1
        return x

    for start in (1.0, 5.0):
        x = array(start)
        assert bump(x) is x
        assert value(x) == start + 1


def test_an_argument_that_happens_to_be_found_outside_at_the_first_call() -> None:
    weight = array(1, 2)
    weight.attach_grad()

    @lamina.compile
    def step(x: Any, buffer: Any, default: Any = weight) -> Any:
        with autograd.record():
            loss = (default * x).sum()
        loss.backward()
        return buffer * 2

    step(array(1, 1), weight.grad)
    other = array(7, 8)
    np.testing.assert_array_equal(step(array(3, 4), other).asnumpy(), [14, 16])
    np.testing.assert_array_equal(weight.grad.asnumpy(), [3, 4])
    np.testing.assert_array_equal(other.asnumpy(), [7, 8])

    add = lamina.compile(lambda x, w=weight: x + w)
    add(weight)
    np.testing.assert_array_equal(add(array(10, 10)).asnumpy(), [11, 12])


def test_writes_to_an_argument_are_noticed_by_the_tape() -> None:
    @lamina.compile
    def bump(x: Any) -> None:
        x[:] = x + 1

    x = array(2)
    x.attach_grad()
    bump(array(1))
    with autograd.record():
        doubled = x * 2
        square = doubled * doubled
    bump(doubled)
    with pytest.raises(AutogradError, match="changed in place"):
        square.backward()


def test_a_gradient_attached_inside_to_an_argument() -> None:
    @lamina.compile
    def slope(x: Any) -> Any:
        x.attach_grad()
        with autograd.record():
            y = (x * x).sum()
        y.backward()
        return x.grad

    found = [slope(array(v)) for v in (1.0, 2.0)]
    assert [value(g) for g in found] == [2, 4]


def test_a_gradient_attached_anew_is_the_one_that_is_written() -> None:
    weight = array(1, 2)

    @lamina.compile(keep_gradients=True)
    def step() -> None:
        with autograd.record():
            loss = (weight * weight).sum()
        loss.backward()

    read = lamina.compile(lambda: weight.grad * 1)
    for req, factor in (("write", 1), ("write", 1), ("add", 2)):
        weight.attach_grad(req)
        step()
        step()
        np.testing.assert_array_equal(weight.grad.asnumpy(), [2 * factor, 4 * factor])
        np.testing.assert_array_equal(read().asnumpy(), [2 * factor, 4 * factor])


def test_arrays_outside_that_were_computed_under_record_get_their_gradient() -> None:
    weight = array(1, 2)
    weight.attach_grad()
    found = []
    for wrap in (lambda f: f, lamina.compile):
        with autograd.record():
            tripled = weight * 3
            scaled = wrap(lambda x: x * tripled)  # noqa: B023
            loss = scaled(weight) + tripled
        loss.backward()
        found.append(weight.grad.asnumpy())
    np.testing.assert_array_equal(found[0], found[1])


def test_an_output_that_is_an_input_keeps_its_place_on_the_tape() -> None:
    weight = array(3)
    weight.attach_grad()
    both = lamina.compile(lambda x, y: (x, x * y))
    with autograd.record():
        x = weight * 2
        same, product = both(x, weight)
        loss = same * product
    loss.backward()
    assert same is x
    assert value(weight.grad) == 3 * 4 * 3**2


def test_the_gradient_of_a_sum_is_that_of_this_call() -> None:
    weight = array(1, 2)
    weight.attach_grad()
    add = lamina.compile(lambda x, y: x + y)
    for factor in (1.0, 5.0):
        with autograd.record():
            loss = add(weight, weight * 2) * factor
        loss.backward()
        np.testing.assert_array_equal(weight.grad.asnumpy(), [3 * factor] * 2)


def test_a_detached_array_and_a_view_share_memory_with_what_they_come_from() -> None:
    def step(x: Any) -> Any:
        detached, row = x.detach(), x[1]
        x[0] = 5
        detached[2] = 7
        row += 1
        return detached * 1

    expected, x = nd.ones((3, 2)), nd.ones((3, 2))
    np.testing.assert_array_equal(lamina.compile(step)(x).asnumpy(), step(expected).asnumpy())
    np.testing.assert_array_equal(x.asnumpy(), expected.asnumpy())


def test_a_gradient_that_is_a_view_is_written_through_though_its_base_has_changed() -> None:
    x, gradients = array(3), nd.zeros((2,))

    @lamina.compile(keep_gradients=True)
    def step() -> None:
        view = gradients[1:]
        autograd.mark_variables(x, view)
        with autograd.record():
            loss = x * x
        gradients[:] = 9
        loss.backward()

    step()
    np.testing.assert_array_equal(gradients.asnumpy(), [9, 6])


def test_of_elements_that_are_assigned_twice_the_last_one_stays() -> None:
    def assign(x: Any, index: Any, values: Any) -> None:
        x[index] = values

    random = np.random.default_rng(0)
    for dtype in (np.float32, np.uint8):
        index, values = (
            nd.array(random.integers(0, 3, 700)),
            nd.array(random.integers(0, 9, (700, 5)), dtype=dtype),
        )
        expected, found = nd.full((4, 5), 7, dtype=dtype), nd.full((4, 5), 7, dtype=dtype)
        assign(expected, index, values)
        lamina.compile(assign)(found, index, values)
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


# --- what is found outside is replaced -------------------------------------------------------------------------------


class Settings:
    rate = 2.0


module = SimpleNamespace(rate=2.0)
RATE: Any = np.float32(2)


class Scaler:
    def __init__(self) -> None:
        self.weight = array(1)

    def __call__(self, x: Any) -> Any:
        return x * self.weight * RATE

    def apply(self, x: Any) -> Any:
        return x * self.weight * RATE


class Slotted:
    __slots__ = ("rate",)


def test_attributes_of_classes_namespaces_and_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    slotted = Slotted()
    slotted.rate = 2.0
    monkeypatch.setattr(Settings, "rate", 2.0)
    compiled = lamina.compile(lambda x: x * Settings.rate * module.rate * slotted.rate)
    assert value(compiled(array(1))) == 8
    monkeypatch.setattr(Settings, "rate", 3.0)
    assert value(compiled(array(1))) == 12
    monkeypatch.setattr(module, "rate", 1.0)
    assert value(compiled(array(1))) == 6
    slotted.rate = 1.0
    assert value(compiled(array(1))) == 3


@pytest.mark.parametrize("call", [lambda s, x: s(x), lambda s, x: s.apply(x)])
def test_what_methods_look_up(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = Scaler()
    compiled = lamina.compile(lambda x: call(scaler, x))
    assert value(compiled(array(1))) == 2
    monkeypatch.setitem(globals(), "RATE", np.float32(5))
    assert value(compiled(array(1))) == 5


def test_attributes_of_an_object_among_the_arguments() -> None:
    model = SimpleNamespace(weight=array(1))
    compiled = lamina.compile(lambda model, x: x * model.weight)
    assert value(compiled(_Hashable(model), array(2))) == 2
    holder = _Hashable(model)
    assert value(compiled(holder, array(2))) == 2
    holder.weight = array(7)
    assert value(compiled(holder, array(2))) == 14


class _Hashable:
    def __init__(self, model: Any) -> None:
        self.weight = model.weight


def test_networks_and_losses_are_replaced_or_grow() -> None:
    def one() -> Any:
        made = gluon.nn.Sequential()
        made.add(gluon.nn.Dense(2, in_units=2))
        made.initialize(lamina.init.One())
        return made

    net, loss = one(), gluon.loss.L2Loss()
    compiled = lamina.compile(lambda x: loss(net(x), nd.zeros((1, 2))))
    x = nd.ones((1, 2))
    assert value(compiled(x)) == 2
    loss = gluon.loss.L1Loss()
    assert value(compiled(x)) == 2
    net = one()
    net[0].weight.set_data(nd.zeros((2, 2)))
    assert value(compiled(x)) == 0
    net.add(gluon.nn.Dense(2, in_units=2, bias_initializer="ones"))
    net[1].initialize(lamina.init.One())
    assert value(compiled(x)) == 1


def test_contents_of_numpy_arrays_that_change_in_place() -> None:
    rate, weights = np.array(2.0), np.array([1.0, 2.0], np.float32)
    compiled = lamina.compile(lambda x: x * rate * nd.array(weights))
    np.testing.assert_array_equal(compiled(array(1, 1)).asnumpy(), [2, 4])
    rate *= 0.5
    weights[0] = 5
    np.testing.assert_array_equal(compiled(array(1, 1)).asnumpy(), [5, 2])
    kept = lamina.compile(lambda: nd.array(weights))()
    kept[:] = 0
    assert weights[0] == 5


def test_items_of_long_containers() -> None:
    numbers, table = [float(i) for i in range(100)], {f"k{i}": float(i) for i in range(100)}
    compiled = lamina.compile(lambda x: x * numbers[70] + table["k80"] + len(numbers))
    assert value(compiled(array(1))) == 70 + 80 + 100
    numbers[70] = 7.0
    assert value(compiled(array(1))) == 7 + 80 + 100
    table["k80"] = 8.0
    assert value(compiled(array(1))) == 7 + 8 + 100
    numbers.append(0.0)
    assert value(compiled(array(1))) == 7 + 8 + 101
    table["other"] = table.pop("k80")
    with pytest.raises(KeyError):
        compiled(array(1))


class Factor(gluon.HybridBlock):
    def __init__(self) -> None:
        super().__init__()
        self.factor = 2.0

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return x * self.factor


def test_an_attribute_of_a_layer_of_the_users_inside_a_hybridized_network() -> None:
    net, layer = gluon.nn.HybridSequential(), Factor()
    net.add(layer)
    net.hybridize()
    assert value(net(array(1))) == 2
    layer.factor = 3.0
    assert value(net(array(1))) == 3


def test_what_the_function_does_not_look_up_may_change() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.weight, self.losses = array(2), [0.0]

        @lamina.compile
        def step(self, x: Any) -> Any:
            return (self.weight * x).sum()

        def fit(self) -> None:
            for _ in range(3):
                self.losses.append(value(self.step(array(1))))

    trainer = Trainer()
    trainer.fit()
    assert trainer.step._compilations == 1


def test_a_compiled_function_inside_another_may_be_called_by_itself() -> None:
    inner = lamina.compile(lambda x: x * 2)
    outer = lamina.compile(lambda x: inner(x) + 1)
    for n in range(1, 4):
        outer(array(1))
        inner(nd.ones((n,)))
    assert outer._compilations == 1


def test_arrays_that_are_replaced_at_each_call_are_named(recwarn: pytest.WarningsRecorder) -> None:
    weight = array(1)
    compiled = lamina.compile(lambda x: x * weight)
    with pytest.warns(
        UserWarning, match=r"compiled 8 times; an object outside it keeps being replaced \(weight\)"
    ):
        for i in range(8):
            weight = array(i)
            assert value(compiled(array(1))) == i


# --- what the function changes ---------------------------------------------------------------------------------------


def counting() -> Any:
    count = 0

    def step(x: Any) -> Any:
        nonlocal count
        count += 1
        return x * count

    return step, "count"


def counting_in_an_argument() -> Any:
    state = {"t": 0}

    def step(x: Any, state: Any = state) -> Any:
        state["t"] += 1
        return x * state["t"]

    return step, "state.t"


def collecting() -> Any:
    losses: list[Any] = []

    def step(x: Any) -> Any:
        losses.append(x * 1)
        return losses[0] + len(losses) - 1

    return step, "losses"


def keeping() -> Any:
    holder = Scaler()

    def step(x: Any) -> Any:
        before = getattr(holder, "latest", x - 1)
        holder.latest = before + 1
        return holder.latest

    return step, "holder.latest"


@pytest.mark.parametrize("make", [counting, counting_in_an_argument, collecting, keeping])
def test_a_function_that_changes_what_it_finds_runs_eagerly(make: Any) -> None:
    step, changed = make()
    compiled = lamina.compile(step)
    with pytest.warns(UserWarning, match=f"runs eagerly, since {changed}"):
        results = [value(compiled(array(1)))]
    results += [value(compiled(array(1))) for _ in range(3)]
    assert results == [1, 2, 3, 4]


def test_a_dictionary_among_the_arguments_that_is_changed() -> None:
    def adam(w: Any, state: Any) -> None:
        state["t"] += 1
        w[:] = w - 1 / (1 - 0.9 ** state["t"])

    w, state = array(1), {"t": 0}
    with pytest.warns(UserWarning, match="a list or dictionary among its arguments"):
        compiled = lamina.compile(adam)
        for _ in range(3):
            compiled(w, state)
    assert state == {"t": 3}
    assert value(w) == pytest.approx(1 - sum(1 / (1 - 0.9**t) for t in (1, 2, 3)), rel=1e-6)


def test_an_initialization_at_the_first_call_is_none_of_that() -> None:
    settings = {"ready": False}

    @lamina.compile
    def step(x: Any) -> Any:
        settings["ready"] = True
        return x * 2

    assert value(step(array(1))) == 2
    assert settings == {"ready": True}
    assert step._compilations == 1


def test_a_failed_capture_undoes_what_it_changed() -> None:
    calls: list[int] = []

    @lamina.compile
    def step(x: Any) -> Any:
        calls.append(1)
        return nd.ones((len(calls),)) + x.asscalar()

    with pytest.raises(TraceError):
        step(array(1))
    assert calls == []


def test_generators_are_an_error() -> None:
    def batches(x: Any) -> Any:
        yield x + 1

    with pytest.raises(TraceError, match="generator"):
        lamina.compile(batches)


@pytest.mark.parametrize(("first", "second"), [(0.0, -0.0), (float("nan"), float("nan"))])
def test_numbers_that_are_fixed_are_told_apart_by_their_bits(first: float, second: float) -> None:
    compiled = lamina.compile(lambda x, a: x * (2.0 if str(a) == str(first) else 3.0))
    assert value(compiled(array(1), first)) == 2
    assert value(compiled(array(1), second)) == (2 if str(first) == str(second) else 3)
    assert len(compiled._entries) == (1 if str(first) == str(second) else 2)
