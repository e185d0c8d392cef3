"""`lamina.compile` as a decorator: arguments, results, specializations, and what runs eagerly."""

from __future__ import annotations

import gc
import math
import pprint
import weakref
from collections import OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.core.state import state
from lamina.errors import ShapeError, TraceError


def numbers(*shape: int, seed: int = 0) -> Any:
    return nd.array(np.random.default_rng(seed).normal(size=shape))


def specializations(compiled: Any) -> int:
    return len(compiled._entries)


# --- arguments and results -----------------------------------------------------------------------------------------


def test_nested_arguments_and_results() -> None:
    @lamina.compile
    def step(pair: Any, table: dict[str, Any], *, scale: float) -> Any:
        (x, [y]) = pair
        return {"sum": x + y, "rest": [(x - y) * scale, (table["z"],)], "name": "step", "number": scale * 2}

    x, y, z = numbers(3), numbers(3, seed=1), numbers(2)
    result = step((x, [y]), {"z": z}, scale=3.0)
    np.testing.assert_array_equal(result["sum"].asnumpy(), (x + y).asnumpy())
    np.testing.assert_array_equal(result["rest"][0].asnumpy(), ((x - y) * 3.0).asnumpy())
    assert result["rest"][1][0] is z
    assert result["name"] == "step"
    assert result["number"] == 6.0


@pytest.mark.parametrize("make", [OrderedDict, lambda **items: defaultdict(int, items)])
def test_a_dictionary_comes_back_as_the_class_that_was_returned(make: Any) -> None:
    def step(x: Any) -> Any:
        return make(double=x * 2, half=make(of=x / 2))

    x = numbers(3)
    eager, compiled = step(x), lamina.compile(step)(x)
    assert type(compiled) is type(compiled["half"]) is type(eager)
    assert list(compiled) == list(eager)
    np.testing.assert_array_equal(compiled["half"]["of"].asnumpy(), eager["half"]["of"].asnumpy())


def test_named_tuples_stay_named_tuples() -> None:
    from typing import NamedTuple

    class Pair(NamedTuple):
        x: Any
        y: Any

    @lamina.compile
    def swapped(pair: Any) -> Any:
        return Pair(pair.y + 0.0, pair.x * 1.0)

    result = swapped(Pair(nd.array([1.0]), nd.array([2.0])))
    assert isinstance(result, Pair)
    assert (result.x.asscalar(), result.y.asscalar()) == (2.0, 1.0)


def test_no_arrays_at_all() -> None:
    assert lamina.compile(lambda a, b: a * 2 + b)(3, 4) == 10
    assert lamina.compile(lambda: None)() is None
    assert lamina.compile(lambda: "text")() == "text"


def test_numbers_keep_pythons_arithmetic() -> None:
    @lamina.compile
    def arithmetic(a: Any, b: Any) -> Any:
        return a + b, a - b, a * b, a / b, a**b, -a, 2 - a, 1 / b, +a, 3**b

    for a, b in ((7, 2), (7.5, 2), (-3, 4), (2.0, -1.5)):
        got = arithmetic(a, b)
        want = (a + b, a - b, a * b, a / b, a**b, -a, 2 - a, 1 / b, +a, 3**b)
        np.testing.assert_allclose(got, want, rtol=1e-15)
        assert [type(x) for x in got] == [type(x) for x in want]


def test_the_same_array_twice() -> None:
    add = lamina.compile(lambda x, y: x * 2 + y)
    x, y = numbers(5), numbers(5, seed=1)
    np.testing.assert_array_equal(add(x, y).asnumpy(), (x * 2 + y).asnumpy())
    np.testing.assert_array_equal(add(x, x).asnumpy(), (x * 2 + x).asnumpy())
    np.testing.assert_array_equal(add(x, y).asnumpy(), (x * 2 + y).asnumpy())
    assert specializations(add) == 2


def test_the_same_array_twice_and_written() -> None:
    def accumulate(x: Any, y: Any) -> Any:
        x[:] = x + y
        return x * y

    compiled = lamina.compile(accumulate)
    for same in (False, True):
        x, y = numbers(5), numbers(5, seed=1)
        expected_x, expected_y = x.copy(), y.copy()
        if same:
            y, expected_y = x, expected_x
        want = accumulate(expected_x, expected_y)
        got = compiled(x, y)
        np.testing.assert_array_equal(got.asnumpy(), want.asnumpy())
        np.testing.assert_array_equal(x.asnumpy(), expected_x.asnumpy())


def test_an_argument_that_is_also_a_parameter() -> None:
    weight = numbers(4)

    def step(x: Any) -> Any:
        weight[:] = weight * 0.5
        return x + weight

    compiled = lamina.compile(step)
    other = numbers(4, seed=2)
    for argument in (other, weight, other):
        before = weight.copy()
        want = (weight if argument is weight else argument) * (
            0.5 if argument is weight else 1
        ) + before * 0.5
        np.testing.assert_array_equal(compiled(argument).asnumpy(), want.asnumpy())
        np.testing.assert_array_equal(weight.asnumpy(), (before * 0.5).asnumpy())


def test_an_argument_that_shares_memory_with_what_is_written_runs_eagerly() -> None:
    weight = numbers(6)

    def step(x: Any) -> Any:
        weight[:] = weight + 1
        return x * 2

    compiled = lamina.compile(step)
    compiled(numbers(3))
    expected = ((weight[0:3] + 1) * 2).asnumpy()
    with pytest.warns(UserWarning, match="shares memory"):
        result = compiled(weight[0:3])
    np.testing.assert_array_equal(result.asnumpy(), expected)
    other = numbers(3)
    np.testing.assert_array_equal(compiled(other).asnumpy(), (other * 2).asnumpy())


def test_arguments_that_change_places_do_not_overlap() -> None:
    @lamina.compile
    def add_to(x: Any, y: Any) -> None:
        x[:] = x + y

    x, y = nd.array([1.0]), nd.array([2.0])
    add_to(x, y)
    add_to(y, x)  # what was bound before is no longer an argument: no warning
    assert (x.asscalar(), y.asscalar()) == (3.0, 5.0)


def test_methods() -> None:
    class Model:
        def __init__(self) -> None:
            self.weight = numbers(3)

        @lamina.compile
        def decorated(self, x: Any) -> Any:
            return x * self.weight

        def plain(self, x: Any) -> Any:
            return x + self.weight

    one, other = Model(), Model()
    other.weight = numbers(3, seed=5)
    x = numbers(3, seed=9)
    for model in (one, other, one):
        np.testing.assert_array_equal(model.decorated(x).asnumpy(), (x * model.weight).asnumpy())
    plain = lamina.compile(one.plain)
    np.testing.assert_array_equal(plain(x).asnumpy(), (x + one.weight).asnumpy())


def test_compiled_functions_inside_compiled_functions() -> None:
    inner = lamina.compile(lambda x: x * 2)
    outer = lamina.compile(lambda x: inner(x) + 1)
    x = numbers(3)
    np.testing.assert_array_equal(outer(x).asnumpy(), (x * 2 + 1).asnumpy())
    assert specializations(inner) == 0


def test_metadata_of_the_function_stays() -> None:
    @lamina.compile
    def documented(x: Any) -> Any:
        """What it does."""
        return x

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "What it does."
    assert documented.original(3) == 3
    assert lamina.compile(documented) is documented
    with pytest.raises(TraceError, match="needs a function, got int"):
        lamina.compile(3)  # type: ignore[call-overload] - the error is what is tested


@pytest.mark.parametrize("size", [0, 1, 3, 7, 10, 17, 255])
def test_any_batch_size(size: int) -> None:
    weight, bias = numbers(10, 7), numbers(7, seed=1)

    def net(x: Any) -> Any:
        return nd.softmax(nd.relu(nd.dot(x, weight) + bias), axis=1)

    x = numbers(size, 10, seed=2)
    result = lamina.compile(net)(x)
    assert result.shape == (size, 7)
    np.testing.assert_allclose(result.asnumpy(), net(x).asnumpy(), rtol=1e-5, atol=1e-6)


# --- specializations -----------------------------------------------------------------------------------------------


def test_changing_numbers_do_not_recompile() -> None:
    step = lamina.compile(lambda x, lr, count: x * lr + count)
    x = numbers(4)
    for lr, count in ((0.1, 1), (0.2, 2), (1e-3, 1000)):
        np.testing.assert_allclose(
            step(x, lr, count).asnumpy(), x.asnumpy() * np.float32(lr) + count, rtol=1e-6
        )
    assert specializations(step) == 1
    step(x, 1, 1)
    assert specializations(step) == 2


def test_shapes_dtypes_and_mode_specialize() -> None:
    step = lamina.compile(lambda x: nd.sum(x) + autograd.is_training())
    for x in (numbers(4), numbers(5), nd.array([1, 2, 3, 4], dtype=np.float64), numbers(4), numbers(2, 2)):
        assert step(x).asscalar() == pytest.approx(float(x.asnumpy().sum()), rel=1e-5)
    assert specializations(step) == 4
    with autograd.train_mode():
        assert step(nd.zeros((4,))).asscalar() == 1
    assert specializations(step) == 5


@pytest.mark.parametrize(
    "body",
    [
        lambda x, n: [x for _ in range(n)][-1] * n,
        lambda x, n: x * math.sqrt(n),
        lambda x, n: x * 2 if n > 2 else x * 3,
        lambda x, n: x * int(n) + float(n),
        lambda x, n: x * (n % 2) + n // 2,
        lambda x, n: x + nd.zeros((n, 3)).shape[0],
        lambda x, n: x * len(f"{n}"),
        lambda x, n: x * round(n) + abs(n),
        lambda x, n: x * {2: 5, 3: 6}[n],
        lambda x, n: x * [4, 5, 6, 7][n],
        lambda x, n: x * min(n, 3) + max(n, 1),
    ],
)
def test_numbers_that_python_needs_specialize(body: Any) -> None:
    compiled = lamina.compile(body)
    x = numbers(2)
    for n in (2, 3, 2):
        np.testing.assert_allclose(compiled(x, n).asnumpy(), body(x, n).asnumpy(), rtol=1e-6)
    assert specializations(compiled) == 2


def test_numpys_operators_on_numbers_are_arithmetic() -> None:
    @lamina.compile
    def f(x: Any, a: Any) -> Any:
        return x * (np.float32(2) * a + np.float64(1) - np.true_divide(a, 4) + a ** np.float64(2))

    for a in (4.0, 8.0):
        assert f(nd.ones((1,)), a).asscalar() == 2 * a + 1 - a / 4 + a**2
    assert len(f._entries) == 1


@pytest.mark.parametrize(
    "body",
    [
        np.sqrt,
        lambda a: divmod(a, 3)[1],
        lambda a: np.array([1.0, 2.0]) * a,
        lambda a: np.maximum(a, 2),
    ],
)
def test_numpys_functions_need_the_number(body: Any) -> None:
    f = lamina.compile(lambda x, a: x * nd.array(np.atleast_1d(body(a))))
    for a in (4.0, 9.0):
        np.testing.assert_allclose(f(nd.ones((1,)), a).asnumpy(), np.atleast_1d(body(a)))
    assert len(f._entries) == 2


def test_a_number_too_large_for_machine_integers_runs_eagerly_and_says_so() -> None:
    f = lamina.compile(lambda x, n: x * n)
    with pytest.warns(UserWarning, match=r"runs eagerly: the integer .* is beyond ±2\*\*63"):
        assert f(nd.ones((1,)), 2**70).asscalar() == 2.0**70
    assert f(nd.ones((1,)), float(2**70)).asscalar() == 2.0**70


def test_only_the_number_that_is_needed_is_fixed() -> None:
    @lamina.compile
    def step(x: Any, n: int, lr: float) -> Any:
        for _ in range(n):
            x = x * lr
        return x

    x = nd.ones((2,))
    for n, lr in ((2, 0.5), (2, 0.25), (3, 0.5)):
        assert step(x, n, lr).asnumpy()[0] == lr**n
    assert specializations(step) == 2


def test_numbers_inside_nested_arguments_can_be_fixed() -> None:
    step = lamina.compile(lambda x, options: x * math.sqrt(options["n"]) + options["lr"])
    x = nd.ones((2,))
    for n, lr in ((4, 0.5), (4, 0.25), (9, 0.5)):
        assert step(x, {"n": n, "lr": lr}).asnumpy()[0] == math.sqrt(n) + lr


def test_many_recompilations_warn_once_and_name_the_argument() -> None:
    step = lamina.compile(lambda images, scale: images * scale)
    with pytest.warns(UserWarning, match="these arguments keep changing: images") as caught:
        for n in range(1, 12):
            step(nd.ones((n,)), 2.0)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_old_specializations_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.compiler.front.compiled._MAX_SPECIALIZATIONS", 3)
    step = lamina.compile(lambda x: x * 2)
    for n in (1, 2, 3, 4, 5, 1):
        assert step(nd.ones((n,))).asnumpy()[0] == 2
        assert specializations(step) <= 3


# --- what runs eagerly, with one warning ---------------------------------------------------------------------------


def test_arguments_are_not_kept_once_other_ones_come() -> None:
    @lamina.compile
    def double(x: Any) -> Any:
        return x * 2

    data = np.ones((3, 4), np.float32)
    kept = weakref.ref(data)
    double.run_batches([[0, 1]], nd.from_numpy(data))
    double(nd.from_numpy(data))
    del data
    for n in (5, 6):
        double(nd.ones((n,)))
    gc.collect()
    assert kept() is None
    assert "us" in double.explain()
    next(iter(double._entries.values())).explain()  # whose arguments are gone: no times
    assert double(nd.ones((3, 4))).asnumpy().sum() == 24


def test_an_operator_without_a_compiled_form_runs_eagerly() -> None:
    @lamina.compile
    def ranked(x: Any) -> Any:
        return nd.sort(x * 2)

    x = numbers(6)
    with pytest.warns(UserWarning, match=r"operator 'sort' \(.*test_compiled.py:\d+\)") as caught:
        result = ranked(x)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(result.asnumpy(), np.sort(x.asnumpy() * 2))
    ranked(x)  # no further warning


@pytest.mark.parametrize(
    ("body", "argument", "named"),
    [
        (lambda x: x + 1, nd.ones((3,), dtype=np.float16), "float16"),
        (lambda x: nd.dot(x, x), nd.ones((3, 3), dtype=np.int32), "dot|matmul"),
        (lambda x: x.astype(np.float16) * 2, nd.ones((3,)), "float16"),
    ],
)
def test_types_without_compiled_form_run_eagerly(body: Any, argument: Any, named: str) -> None:
    with pytest.warns(UserWarning, match=f"runs eagerly.*{named}"):
        result = lamina.compile(body)(argument)
    expected = body(argument)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result.asnumpy(), expected.asnumpy())


def test_compilation_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    seen: list[Any] = []

    @lamina.compile
    def step(x: Any) -> Any:
        seen.append(float(x.asnumpy()[0]))
        return x * 2

    assert step(nd.ones((2,))).asnumpy()[0] == 2
    assert step(nd.ones((2,))).asnumpy()[0] == 2
    assert seen == [1.0, 1.0]
    assert specializations(step) == 0


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.asscalar(),
        lambda x: x.asnumpy(),
        float,
        int,
        bool,
        str,
        np.asarray,
        lambda x: 1 if x > 0 else 2,
        print,
        lambda x: x.tolist(),
    ],
)
def test_reading_a_value_names_the_users_line(read: Any) -> None:
    weight = nd.ones((1,))

    @lamina.compile
    def step(x: Any) -> Any:
        weight[:] = 5
        read(x)
        return x

    with pytest.raises(TraceError, match=r"test_compiled.py:\d+: the value of an array .* is read inside"):
        step(nd.ones((1,)))
    assert state.trace is None
    assert weight.asscalar() == 1


def test_the_users_line_is_named_where_a_library_reads_the_value() -> None:
    with pytest.raises(TraceError, match=r"test_compiled\.py:\d+: the value"):
        lamina.compile(pprint.pformat)(nd.ones((1,)))


def test_an_error_while_capturing_leaves_everything_as_it_was() -> None:
    weight = nd.ones((2,))
    weight.attach_grad()

    @lamina.compile
    def step(x: Any) -> Any:
        with autograd.record():
            loss = (weight * x).sum()
        loss.backward()
        weight[:] = weight - weight.grad
        return nd.dot(x, weight, transpose_a=True) + nd.ones((4,)) + nd.ones((3,))

    with pytest.raises(ShapeError):
        step(nd.ones((2,)))
    assert state.trace is None
    assert not autograd.is_recording()
    np.testing.assert_array_equal(weight.asnumpy(), [1, 1])
    np.testing.assert_array_equal(weight.grad.asnumpy(), [0, 0])
    assert (weight + 1).asnumpy()[0] == 2
    with autograd.record():
        loss = (weight * 3).sum()
    loss.backward()
    np.testing.assert_array_equal(weight.grad.asnumpy(), [3, 3])


def test_an_array_leaked_from_a_trace_says_so() -> None:
    class Library:
        """Stands for an object of lamina's own, into which guards do not look."""

        __module__ = "lamina.gluon"

    leaked: Any = Library()

    @lamina.compile
    def step(x: Any) -> Any:
        y = x * 2
        leaked.array = y
        return y

    step(nd.ones((2,)))
    kept = leaked.array
    with pytest.raises(TraceError, match=r"made inside lamina.compile and kept"):
        kept.asnumpy()
    with pytest.raises(TraceError, match=r"made inside lamina.compile and kept"):
        kept + 1
    with pytest.raises(TraceError, match="another call of"):
        lamina.compile(lambda x: x + kept)(nd.ones((2,)))


def test_unhashable_arguments_are_an_error() -> None:
    with pytest.raises(TraceError, match="neither an NDArray, a number nor hashable"):
        lamina.compile(lambda x, s: x)(nd.ones((2,)), {1, 2})


def test_explain_before_and_after() -> None:
    step = lamina.compile(lambda x, w: nd.relu(nd.dot(x, w)))
    assert "not compiled yet" in step.explain()
    step(numbers(8, 4), numbers(4, 3))
    assert "result0 = relu(dot(argument0, argument1))" in step.explain()
    assert "us" in step.explain()


def test_an_equal_function_is_not_compiled_again():
    def made(shift: float) -> Any:
        return lamina.compile(lambda x: nd.exp(x * 2.5) + shift)

    first, equal, other = made(1.0), made(1.0), made(2.0)
    small, large = nd.array([[0.5, 1.0]]), nd.array([[0.5, 1.0, 1.5]])
    programs = []
    for function, x in ((first, small), (equal, small), (other, small), (equal, large)):
        expected = np.exp(x.asnumpy() * 2.5) + (2 if function is other else 1)
        np.testing.assert_allclose(function(x).asnumpy(), expected, rtol=1e-6)
        programs.append(next(reversed(function._entries.values())).program)
    assert programs[0] is programs[1]
    assert len(set(map(id, programs))) == 3


def test_a_numpy_array_as_an_argument_is_told():
    with pytest.raises(TraceError, match=r"a NumPy array, of shape \(3,\); wrap it in nd\.array\(…\)"):
        lamina.compile(lambda x: x * 2)(np.ones(3))


def test_explain_shows_constants_beyond_float32():
    limited = lamina.compile(lambda x: nd.minimum(x, 1e100) + 1)
    limited(nd.ones((2,), dtype="float64"))
    assert "1e+100" in limited.explain()
