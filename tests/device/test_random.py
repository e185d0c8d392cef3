"""Random numbers are the same bits eagerly, compiled, and on every device: the same streams, the same arithmetic."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import capture

import lamina as mx
from lamina import nd
from lamina.compiler.gpu.target import written_for
from lamina.device.interface import Limits

N = 501  # no multiple of anything

Draw = Callable[[Any, Any], Any]


def _dropped(ctx: Any, dtype: Any) -> Any:
    return nd.Dropout(nd.ones((N,), ctx=ctx, dtype=dtype), p=0.3, mode="always")


def _classes(ctx: Any, dtype: Any) -> Any:
    return nd.random.multinomial(nd.array([0.2, 0.3, 0.5], ctx=ctx, dtype=dtype), shape=(N,))


def _of_numpy(name: str, *parameters: float) -> Draw:
    def draw(ctx: Any, dtype: Any) -> Any:
        return getattr(mx.np.random, name)(*parameters, size=(N,), dtype=dtype, ctx=ctx).as_nd_ndarray()

    return draw


DRAWS: dict[str, Draw] = {
    "uniform": lambda ctx, dtype: nd.random.uniform(-1, 3, shape=(N,), dtype=dtype, ctx=ctx),
    "normal": lambda ctx, dtype: nd.random.normal(0.5, 2, shape=(N,), dtype=dtype, ctx=ctx),
    "exponential": lambda ctx, dtype: nd.random.exponential(2, shape=(N,), dtype=dtype, ctx=ctx),
    "randint": lambda ctx, _: nd.random.randint(-5, 50, shape=(N,), ctx=ctx),
    "bits": lambda ctx, _: nd.random.bits((N,), ctx, np.uint8),
    "dropout": _dropped,
    "multinomial": _classes,
    "lognormal": _of_numpy("lognormal", 0.5, 2.0),
    "laplace": _of_numpy("laplace", 0.5, 2.0),
    "gumbel": _of_numpy("gumbel", 0.5, 2.0),
    "logistic": _of_numpy("logistic", 0.5, 2.0),
    "rayleigh": _of_numpy("rayleigh", 2.0),
    "weibull": _of_numpy("weibull", 1.5),
    "pareto": _of_numpy("pareto", 3.0),
    "power": _of_numpy("power", 2.5),
}


def drawn(ctx: Any, dtype: Any, is_compiled: bool) -> dict[str, np.ndarray]:
    mx.random.seed(7)

    def every(_: Any) -> list[Any]:
        return [draw(ctx, dtype) for draw in DRAWS.values()]

    with mx.eager():
        numbers = (mx.compile(every) if is_compiled else every)(nd.zeros(1, ctx=ctx))
    return {name: x.asnumpy() for name, x in zip(DRAWS, numbers, strict=True)}


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, x in found.items():
        y = expected[name]
        assert x.dtype == y.dtype, name
        np.testing.assert_array_equal(x.view(f"u{x.itemsize}"), y.view(f"u{y.itemsize}"), err_msg=name)


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_numbers_are_the_eager_ones(dtype: Any) -> None:
    assert_same_bits(drawn(mx.cpu(), dtype, True), drawn(mx.cpu(), dtype, False))


@pytest.mark.few(2)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:.*runs eagerly, since the dtype float16")  # which not every device has
def test_a_devices_numbers_are_the_cpus(dtype: Any, ctx: mx.Context) -> None:
    expected = drawn(mx.cpu(), dtype, False)
    for is_compiled in (False, True):
        assert_same_bits(drawn(ctx, dtype, is_compiled), expected)


def _every(dtype: Any) -> Any:
    return capture(lambda _: [draw(mx.cpu(), dtype) for draw in DRAWS.values()], nd.zeros(1))


_LIMITS = Limits("sm_80", 1024, 132, has_float64=True, has_float16=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_is_left_to_nvidias_assembler(dtype: Any) -> None:
    """It makes one instruction of a product and a sum unless they say how they round; nothing is approximate."""
    text = written_for(_every(dtype), "nvptx", _LIMITS).assembly()
    operations = set(re.findall(r"^\s+((?:add|sub|mul|fma|div|sqrt|rcp|mad)\.\S*f(?:32|64))\s", text, re.M))
    kind = "f64" if dtype == np.float64 else "f32"
    assert {f"{name}.rn.{kind}" for name in ("add", "sub", "mul", "div", "sqrt")} <= operations
    assert all(".rn." in name for name in operations), operations
    assert not any(name.startswith("fma") for name in operations)
    assert ".approx" not in text
    assert ".ftz" not in text


def test_nothing_is_left_to_drivers_of_opencl() -> None:
    written = written_for(_every(np.float32), "spirv", _LIMITS)
    text = written.assembly()
    assert text.count("ContractionOff") == len({stage.name for stage in written.schedule.stages})
    assert "OpExtInst" not in text or not re.search(r"OpExtInst.* (fma|mad|native_\w+|half_\w+) ", text)
