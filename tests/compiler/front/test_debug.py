"""`LAMINA_DEBUG=1…5`: each level shows what the one before it does, and more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.compiler.cpu import _binding

SHOWN = (  # what appears from which level on
    (1, "1 kernel, "),
    (1, "arena"),
    (2, "us"),
    (2, "Gflop/s"),
    (3, "--- after simplify"),
    (3, "= matmul("),
    (4, "define void @"),
    (4, "fmul"),
    (5, ".p2align"),
)


@pytest.mark.parametrize("level", range(6))
def test_levels(level: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LAMINA_DEBUG", str(level))
    net = lamina.compile(lambda x, w: nd.tanh(nd.dot(x, w) * level))
    x, w = nd.ones((3, 4)), nd.ones((4, 5))
    result = net(x, w)
    np.testing.assert_allclose(result.asnumpy(), np.tanh(4.0 * level), rtol=1e-6)
    printed = capfd.readouterr()
    assert printed.out == ""
    for first, text in SHOWN:
        assert (text in printed.err) == (level >= first), text
    net(x, w)
    assert capfd.readouterr().err == ""  # once a program, not once a call


@pytest.mark.parametrize("text", ["", "no", "-1"])
def test_other_values_show_nothing(
    text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAMINA_DEBUG", text)
    lamina.compile(lambda x: x * 2)(nd.ones((3,)))
    assert capfd.readouterr().err == ""


def test_explain_changes_nothing() -> None:
    weight = nd.ones((30, 30))

    @lamina.compile
    def step(x: Any) -> Any:
        weight[:] = weight + nd.dot(x, weight)
        return nd.sum(weight)

    assert "not compiled yet" in step.explain()
    x = nd.ones((30, 30)) * 0.01
    step(x)
    before = weight.asnumpy()
    text = step.explain()
    np.testing.assert_array_equal(weight.asnumpy(), before)
    assert "= weight + dot(argument0, weight)" in text
    assert "us" in text


def test_explain_measures_with_the_numbers_of_the_last_call(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[np.ndarray] = []

    def copied(buffer: np.ndarray) -> np.ndarray:
        copies.append(buffer.copy())
        return copies[-1]

    monkeypatch.setattr(_binding, "_copy", copied)
    weight = nd.ones((30, 30))

    @lamina.compile
    def step(scale: float) -> None:
        weight[:] = weight / scale

    step(2.0)
    step.explain()
    assert len(copies) == 1 and 0 < copies[0].max() < 0.5  # by zero, all would be infinite
