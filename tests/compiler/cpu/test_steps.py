"""Steps side by side: no bit depends on how many threads there are, or on who works on what; and steps' memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.compiler import Counterpart, program, run_batches_side_by_side
from lamina.compiler.cpu import _binding, _outline
from lamina.compiler.cpu.target import shared_kernels
from lamina.compiler.front.compiled import CompiledFunction
from lamina.nd.random import Source, drawing_from

ROWS, COLUMNS, BATCH, STEPS = 60, 9, 8, 5


class Network:
    """A network with momentum and dropout; its step depends on nothing but its own arrays, rows and random numbers."""

    def __init__(self, number: int, width: int) -> None:
        rng = np.random.default_rng(number)
        shapes = [(COLUMNS, width), (width, width), (width, 1)]
        self.weights = [nd.array(rng.normal(0, 0.3, shape)) for shape in shapes]
        self.means = [nd.zeros(shape) for shape in shapes]
        for weight in self.weights:
            weight.attach_grad()
        self.source = Source(number)
        self.steps = 0
        self.step = lamina.compile(self._step)

    def arrays(self) -> list[Any]:
        return [*self.weights, *self.means, *(weight.grad for weight in self.weights)]

    def _step(self, x: Any, y: Any) -> Any:
        rate = lamina.core.state.call_each_step(self._rate)
        first, second, third = self.weights
        with autograd.record(), drawing_from(self.source):
            hidden = nd.Dropout(nd.tanh(nd.dot(x, first)), p=0.2)
            loss = nd.mean((nd.dot(nd.tanh(nd.dot(hidden, second)), third) - y) ** 2)
        loss.backward()
        for weight, mean in zip(self.weights, self.means, strict=True):
            mean[:] = 0.9 * mean + weight.grad
            weight[:] = weight - rate * mean
        return loss

    def _rate(self) -> float:
        self.steps += 1
        return 0.1 / self.steps


Run = Callable[[list[Network], list[np.ndarray], tuple[Any, Any]], list[Any]]


def one_by_one(networks: list[Network], rows: list[np.ndarray], data: tuple[Any, Any]) -> list[Any]:
    return [network.step.run_batches(own, *data) for network, own in zip(networks, rows, strict=True)]


def side_by_side(networks: list[Network], rows: list[np.ndarray], data: tuple[Any, Any]) -> list[Any]:
    return run_batches_side_by_side([network.step for network in networks], rows, data)


def by_counterparts(networks: list[Network], rows: list[np.ndarray], data: tuple[Any, Any]) -> list[Any]:
    def follow(network: Network) -> Counterpart:
        def counterparts() -> tuple[dict[int, Any], dict[int, object]]:
            pairs = zip(networks[0].arrays(), network.arrays(), strict=True)
            return {id(x): y for x, y in pairs}, {id(networks[0].source): network.source}

        return Counterpart(network._step, networks[0].step, counterparts)

    steps = [networks[0].step, *map(follow, networks[1:])]
    return run_batches_side_by_side(steps, rows, data)


def trained(threads: int, members: int, width: int, run: Run) -> list[np.ndarray]:
    """What some steps of networks leave, each on rows of its own."""
    lamina.set_num_threads(threads)
    rng = np.random.default_rng(0)
    networks = [Network(i, width) for i in range(members)]
    X, y = nd.array(rng.normal(size=(ROWS, COLUMNS))), nd.array(rng.normal(size=(ROWS, 1)))
    losses: list[Any] = []
    with lamina.eager():
        for _ in range(2):
            rows = [rng.integers(0, ROWS, (STEPS, BATCH)) for _ in networks]
            losses += run(networks, rows, (X, y))
    arrays = [x for network in networks for x in [*network.weights, *network.means]]
    positions = [np.array(network.source.position()) for network in networks]
    return [*(x.asnumpy() for x in [*losses, *arrays]), *positions]


@pytest.fixture(autouse=True)
def _anew(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Programs are compiled by each test, as it wants them."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    threads = lamina.get_num_threads()
    program._kept.clear()
    shared_kernels.clear()
    yield
    program._kept.clear()
    lamina.set_num_threads(threads)


@pytest.mark.few(2)
@pytest.mark.parametrize("width", [16, 200])
@pytest.mark.parametrize("shared", [False, True])
def test_steps_side_by_side_change_no_bit(shared: bool, width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_binding, "SMALL", 0)
    monkeypatch.setattr(_outline, "SMALL", 0)
    monkeypatch.setattr(_outline, "_BARRIER", 0 if shared else 1 << 60)
    expected = trained(1, 5, width, one_by_one)
    for threads in (1, 2, 3, 5, 7):
        for run in (side_by_side, by_counterparts):
            for one, other in zip(expected, trained(threads, 5, width, run), strict=True):
                np.testing.assert_array_equal(one, other)


def test_functions_that_stay_eager_run_beside_compiled_ones(monkeypatch: pytest.MonkeyPatch):
    expected = trained(2, 3, 16, one_by_one)
    monkeypatch.setenv("LAMINA_COMPILE", "0")  # NumPy computes then, and rounds otherwise
    for run in (side_by_side, by_counterparts):
        for one, other in zip(expected, trained(2, 3, 16, run), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    monkeypatch.delenv("LAMINA_COMPILE")
    specialize = CompiledFunction.specialize
    second: list[object] = []

    def only_some(self: Any, call: Any) -> Any:
        second.extend([self] if len(second) < 1 else [])
        entry, taken = specialize(self, call)
        return (None if self is second[0] else entry), taken

    monkeypatch.setattr(CompiledFunction, "specialize", only_some)
    for one, other in zip(expected, trained(2, 3, 16, side_by_side), strict=True):
        np.testing.assert_array_equal(one, other)


def test_counterparts_are_captured_once(monkeypatch: pytest.MonkeyPatch):
    captures: list[object] = []
    capture = CompiledFunction._capture
    monkeypatch.setattr(
        CompiledFunction, "_capture", lambda *given: captures.append(given) or capture(*given)
    )
    trained(2, 4, 16, by_counterparts)
    once = len(captures)
    trained(2, 4, 16, side_by_side)
    assert len(captures) - once == 4 * once


def test_an_array_without_a_counterpart_is_an_error():
    one, two, extra = nd.ones(3), nd.ones(3) * 2, nd.ones(3)
    counterparts = lambda: ({id(one): two}, {})  # noqa: E731
    first = lamina.compile(lambda x: x * one)
    np.testing.assert_array_equal(
        Counterpart(lambda x: x * two, first, counterparts)(nd.ones(3)).asnumpy(), 2
    )
    with_more = lamina.compile(lambda x: x * one + extra)
    with pytest.raises(LookupError, match=r"extra.* has no counterpart"):
        Counterpart(lambda x: x * two + extra, with_more, counterparts)(nd.ones(3))


def test_a_counterpart_follows_when_the_first_is_compiled_again():
    class Scale:
        def __init__(self, value: float) -> None:
            self.array = nd.array([value])

        def scaled(self, x: Any) -> Any:
            return x * self.array

    one, two = Scale(1), Scale(2)
    first = lamina.compile(one.scaled)
    second = Counterpart(two.scaled, first, lambda: ({id(one.array): two.array}, {}))
    assert second(nd.ones(1)).asscalar() == 2
    one.array, two.array = nd.array([3]), nd.array([4])
    assert second(nd.ones(1)).asscalar() == 4
    assert second(nd.ones((2, 1))).asnumpy().tolist() == [[4], [4]]


def test_kernels_are_measured_in_memory_of_their_own():
    """That of the step may be for fewer threads, and others may be running the step."""
    lamina.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, *weights = (nd.array(rng.normal(size=(256, 256))) for _ in range(4))

    @lamina.compile
    def step(x: Any) -> Any:
        for weight in weights:
            x = nd.softmax(nd.dot(x, weight), axis=0)
        return x

    step(x)
    (entry,) = step._entries.values()
    memory = entry.step._memory
    assert memory._arena.size and memory._scratch.size
    memory._arena[:] = memory._scratch[:] = 1
    step.explain()
    assert (memory._arena == 1).all()
    assert (memory._scratch == 1).all()
    lamina.set_num_threads(8)
    assert "us" in step.explain()


def test_without_memory_for_more_threads_a_step_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_outline, "SMALL", 0)
    monkeypatch.setattr(_outline, "_BARRIER", 0)
    lamina.set_num_threads(1)
    x, weight = nd.ones((COLUMNS, COLUMNS)), nd.ones((COLUMNS, COLUMNS))
    step = lamina.compile(lambda x: nd.softmax(nd.softmax(nd.dot(x, weight), axis=0).T, axis=0))
    expected = step(x).asnumpy()
    (entry,) = step._entries.values()
    pages, given = _binding._pages, []

    def scarce(nbytes: int) -> np.ndarray:
        if given:
            raise MemoryError
        given.append(nbytes)
        return pages(nbytes)

    lamina.set_num_threads(3)
    monkeypatch.setattr(_binding, "_pages", scarce)
    with pytest.raises(MemoryError):
        step(x)
    memory = entry.step._memory
    assert memory.table[entry.program.code.outline.layout.arena] == memory._arena.ctypes.data
    lamina.set_num_threads(1)
    np.testing.assert_array_equal(step(x).asnumpy(), expected)


def test_nothing_to_do_is_a_step_too():
    nothing = lamina.compile(lambda x: None)
    assert nothing(nd.ones(3)) is None
    assert nothing.run_batches([[0, 1]], nd.ones(3)) is None
    assert nothing.explain().startswith("0 kernels, ")


def test_functions_side_by_side_are_each_there_once_with_as_many_steps():
    step, other = lamina.compile(lambda x: x + 1), lamina.compile(lambda x: x + 2)
    rows, data = np.zeros((3, 1), int), (nd.ones((2, 3)),)
    with pytest.raises(ValueError, match="each of them once"):
        run_batches_side_by_side([step, step], [rows, rows], data)
    with pytest.raises(lamina.errors.ShapeError, match=r"numbers of steps differ: \[3, 1\]"):
        run_batches_side_by_side([step, other], [rows, rows[:1]], data)


def test_a_counterpart_has_a_program_for_each_number_that_python_needs():
    one, two = nd.ones(1), nd.ones(1) * 2

    def repeated(array: Any) -> Callable[[Any, int], Any]:
        return lambda x, n: sum((array for _ in range(n)), x)

    first = lamina.compile(repeated(one))
    second = Counterpart(repeated(two), first, lambda: ({id(one): two}, {}))
    assert [second(nd.zeros(1), n).asscalar() for n in (2, 3)] == [4, 6]
