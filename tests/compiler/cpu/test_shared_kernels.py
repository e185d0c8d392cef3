"""Kernels that an earlier program has are called there; what is computed and what is on disk stays complete."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.compiler import program
from lamina.compiler.cpu import _outline, _step
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._step import emit_program
from lamina.compiler.cpu.target import shared_kernels
from lamina.compiler.llvm import jit
from lamina.compiler.target import Program

RNG = np.random.default_rng(0)
X, W, V = (RNG.normal(size=shape).astype(np.float32) for shape in [(40, 24), (24, 32), (32, 8)])


def as_in_a_new_process() -> None:
    program._kept.clear()
    shared_kernels.clear()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    as_in_a_new_process()
    yield
    as_in_a_new_process()


def first(x: Any, w: Any, v: Any) -> Any:
    return nd.sum(nd.tanh(nd.dot(nd.tanh(nd.dot(x, w)), v)))


def second(x: Any, w: Any, v: Any) -> Any:
    return nd.max(nd.dot(nd.tanh(nd.dot(x, w)), v) * 3, axis=1)


def third(x: Any, w: Any, v: Any) -> Any:
    return nd.max(nd.dot(nd.tanh(nd.dot(x, w)), v) * 3, axis=1) - nd.max(x, axis=1)


def compiled(function: Callable[..., Any]) -> tuple[np.ndarray, Program]:
    """The result of a function that is compiled anew, and its program."""
    made = lamina.compile(function)
    with lamina.eager():
        result = made(*map(nd.array, (X, W, V))).asnumpy()
    (entry,) = made._entries.values()
    return result, entry.program


def alone(function: Callable[..., Any]) -> np.ndarray:
    """The result of a function whose kernels are all its own."""
    as_in_a_new_process()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMINA_CACHE_SIZE", "0")
        result, made = compiled(function)
    assert not made.code.outline.elsewhere
    as_in_a_new_process()
    return result


@pytest.mark.slow
def test_a_kernel_of_an_earlier_program_is_called_there():
    expected = [alone(function) for function in (first, second, third)]
    results, programs = zip(*map(compiled, (first, second, third)), strict=True)
    assert [len(made.code.outline.elsewhere) for made in programs[:2]] == [0, 1]
    assert len({key for key, _ in programs[2].code.outline.elsewhere.values()}) == 2  # of both others
    for result, right in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, right)


def test_programs_of_more_scratch_memory_share_kernels_that_use_none():
    made = lamina.compile(lambda x, y, w: (nd.sum(nd.exp(x)), nd.dot(y, w)))
    with lamina.eager():
        for width in (64, 512):
            made(nd.ones((9, 5)), nd.ones((64, width)), nd.ones((width, width)))
    little, more = (entry.program.code.outline for entry in made._entries.values())
    assert 0 < little.scratch_bytes < more.scratch_bytes
    (shared,) = more.elsewhere
    assert "sum" in shared


def test_what_is_shown_is_the_whole_program():
    compiled(first)
    code = compiled(second)[1].code
    for name in code.outline.kernels:
        assert f"@{name}(" in code.ir()
        assert f"{name}:" in code.assembly()
        assert code.module.address(name)


def test_a_later_process_finds_all_parts_on_disk(monkeypatch: pytest.MonkeyPatch):
    expected = [compiled(function)[0] for function in (first, second, third)]
    as_in_a_new_process()
    monkeypatch.setattr(jit, "_objects", None)  # nothing is compiled
    for function, right in [(third, expected[2]), (second, expected[1]), (first, expected[0])]:
        np.testing.assert_array_equal(compiled(function)[0], right)


def test_a_later_process_takes_equal_kernels_from_other_programs_on_disk():
    """And a third one finds the program with what it took."""
    expected = alone(third)
    compiled(first)
    as_in_a_new_process()
    compiled(second)
    for _ in range(2):
        as_in_a_new_process()
        result, made = compiled(third)
        np.testing.assert_array_equal(result, expected)
        assert len({key for key, _ in made.code.outline.elsewhere.values()}) == 2  # of both others
        assert len(made.code.outline.own_kernels) == 1


def test_kernels_of_another_compiler_are_left_on_disk(monkeypatch: pytest.MonkeyPatch):
    compiled(first)
    as_in_a_new_process()
    monkeypatch.setattr(_step, "digest_of_primitives", lambda: "another")
    assert not compiled(second)[1].code.outline.elsewhere


@pytest.mark.parametrize(
    "change",
    [
        lambda line: b"",
        lambda line: line[:90],
        lambda line: b"0" * 64 + line[64:],
        lambda line: line[:64] + b"\xff" + line[65:],
        lambda line: line + b"\xff\0 \n\n",
        lambda line: b"/etc/passwd" + line[64:],
    ],
    ids=["empty", "cut", "another entry", "no space", "more", "no entry"],
)
def test_a_damaged_index_costs_no_more_than_compilation(change: Callable[[bytes], bytes], tmp_path: Path):
    expected = alone(second)
    compiled(first)
    (index,) = tmp_path.glob("*.index")
    index.write_bytes(change(index.read_bytes()))
    as_in_a_new_process()
    np.testing.assert_array_equal(compiled(second)[0], expected)


def test_the_index_cannot_exchange_kernels(tmp_path: Path):
    """An entry is loaded for a kernel that it does not have."""
    expected = alone(second)
    compiled(first)
    (index,) = tmp_path.glob("*.index")
    _, *digests = index.read_text().split()
    index.unlink()
    as_in_a_new_process()
    compiled(lambda x, w, v: nd.sum(x * 2))
    (other, *_) = index.read_text().split()
    index.write_text(" ".join([other, *digests]) + "\n")
    as_in_a_new_process()
    result, made = compiled(second)
    np.testing.assert_array_equal(result, expected)
    assert not made.code.outline.elsewhere


def test_a_program_whose_parts_are_gone_from_disk_is_compiled_anew(tmp_path: Path):
    compiled(first)
    before = {*tmp_path.glob("*.object")}
    expected = compiled(second)[0]
    for file in before:
        file.unlink()
    for _ in range(2):  # the second time from disk
        as_in_a_new_process()
        result, made = compiled(second)
        np.testing.assert_array_equal(result, expected)
        assert not made.code.outline.elsewhere


def test_a_program_that_is_gone_from_disk_does_not_wait_for_itself(tmp_path: Path):
    expected = compiled(first)[0]
    for file in tmp_path.iterdir():
        file.unlink()
    program._kept.clear()
    np.testing.assert_array_equal(compiled(first)[0], expected)  # its kernels are still in memory
    as_in_a_new_process()
    np.testing.assert_array_equal(compiled(first)[0], expected)


def test_code_in_use_outlives_its_place_among_the_latest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_outline, "_MOST_PROGRAMS", 1)
    monkeypatch.setattr(program, "_MOST_KEPT", 1)
    compiled(first)
    made = lamina.compile(second)
    arrays = [*map(nd.array, (X, W, V))]
    with lamina.eager():
        expected = made(*arrays).asnumpy()
        compiled(lambda x, w, v: nd.sum(x * 2))  # in the place of both
        np.testing.assert_array_equal(made(*arrays).asnumpy(), expected)


def test_an_earlier_program_is_not_kept_for_its_kernels():
    """Or else the latest would keep all that there ever were, each by the one before."""
    made = compiled(first)[1]
    earlier = weakref.ref(made.code.module), weakref.ref(made.lowered)
    later = compiled(second)[1]
    assert later.code.outline.elsewhere
    del made
    program._kept.clear()
    gc.collect()
    assert [kept() for kept in earlier] == [None, None]


@pytest.mark.slow
def test_kernels_of_equal_digests_are_equal_code():
    """In programs of different shapes, with and without rows that must be independent of each other."""
    texts: dict[str, str] = {}
    met = 0
    for rows in (7, 40):
        for independent in (False, True):
            for function in (first, second, third):
                made = lamina.compile(function, independent_rows=independent and function is not first)
                with lamina.eager():
                    made(*map(nd.array, (X[:rows], W, V)))
                (entry,) = made._entries.values()
                code, plan = entry.program.code, entry.program.plan
                module = ThreadModule()
                with entry.program.target.compiling(entry.program.lowered.captured):
                    emit_program(module, plan, code.outline)
                for name, digest in zip(code.outline.kernels, code.outline.digests, strict=True):
                    text = module.functions[name].replace(f"@{name}(", "@kernel(")
                    met += digest in texts
                    assert texts.setdefault(digest, text) == text
    assert met
