"""Every primitive with a lowering on the emulator: its kernels against its own `eval`, over the examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from examples_of_primitives import EXAMPLES, special_values
from same_values import arguments, assert_same

import lamina
from lamina import nd
from lamina.core.lowering import Elementwise
from lamina.core.primitive import REGISTRY, bind
from lamina.nd import NDArray

COMPILED = sorted(
    n for n, p in REGISTRY.items() if p.lowering is not None and n in EXAMPLES and n != "to_context"
)
ELEMENTWISE = [n for n in COMPILED if isinstance(REGISTRY[n].lowering, Elementwise)]
ARITY = {n: len(EXAMPLES[n][0].inputs) for n in ELEMENTWISE}


def on_both(function: Any, gpu: Any, inputs: Any) -> tuple[Any, Any]:
    """What a compiled function gives on the device, and what the original gives on the CPU."""
    with lamina.cpu():
        expected = function(inputs(lamina.cpu()))
    return lamina.compile(function)(inputs(gpu)), expected


@pytest.mark.few(32)
@pytest.mark.parametrize("name", COMPILED)
def test_kernels_agree_with_eval(name: str, gpu: Any) -> None:
    primitive = REGISTRY[name]
    some = slice(None, None, 5 if name == "matmul" else 1)
    for dtype, examples in ((np.float32, EXAMPLES[name][some]), (np.float64, EXAMPLES[name][:2])):

        def every(all_arguments: Any, examples: Any = examples) -> list[Any]:
            return [bind(primitive, *xs, **e.params) for xs, e in zip(all_arguments, examples, strict=True)]

        def inputs(ctx: Any, examples: Any = examples, dtype: Any = dtype) -> Any:
            return [arguments(e, dtype, ctx) for e in examples]

        for actual, expected, example in zip(*on_both(every, gpu, inputs), examples, strict=True):
            assert_same(actual, expected, f"{name} {example.label} {np.dtype(dtype)}")


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_on_special_values(dtype: Any, gpu: Any) -> None:
    values = special_values(dtype)
    one = [n for n in ELEMENTWISE if ARITY[n] == 1 and not EXAMPLES[n][0].params]
    two = [n for n in ELEMENTWISE if ARITY[n] == 2]

    def every(arrays: Any) -> dict[str, Any]:
        x, y, z = arrays
        found = {n: bind(REGISTRY[n], x) for n in one}
        return found | {n: bind(REGISTRY[n], y, z) for n in two}

    def inputs(ctx: Any) -> list[NDArray]:
        pairs = np.repeat(values, len(values)), np.tile(values, len(values))
        return [nd.array(a, ctx=ctx, dtype=dtype) for a in (values, *pairs)]

    actual, expected = on_both(every, gpu, inputs)
    for n in expected:
        assert_same(actual[n], expected[n], n)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_integers(dtype: Any, gpu: Any) -> None:
    names = [
        "add",
        "subtract",
        "multiply",
        "divide",
        "mod",
        "maximum",
        "minimum",
        "equal",
        "less",
        "power",
        "where",
    ]

    def every(arrays: Any) -> list[Any]:
        x, y = arrays
        found = [bind(REGISTRY[n], *([x] if n == "where" else []), nd.minimum(x, 3), y) for n in names]
        return [*found, nd.sum(x), nd.max(x, axis=0), nd.argmax(x, axis=0), nd.cast(x, "float32"), x > y]

    def inputs(ctx: Any) -> list[NDArray]:
        values = [0, 1, 2, 3, 5, 9, 100], [3, 1, 2, 1, 2, 4, 1]
        return [nd.array(v, ctx=ctx, dtype=dtype) for v in values]

    for i, (actual, expected) in enumerate(zip(*on_both(every, gpu, inputs), strict=True)):
        assert_same(actual, expected, f"{i}", exact=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int8, np.int32, np.int64, np.bool_])
def test_casts(dtype: Any, gpu: Any) -> None:
    targets = [np.dtype(t) for t in ("f4", "f8", "u1", "i1", "i4", "i8", "?")]
    values = [0, 1, 2, 100, 1.75] if np.dtype(dtype).kind == "f" else [0, 1, 2, 100]

    def every(x: Any) -> list[Any]:
        return [x.astype(t) for t in targets]

    found = on_both(every, gpu, lambda ctx: nd.array(values, ctx=ctx, dtype=dtype))
    for actual, expected in zip(*found, strict=True):
        assert_same(actual, expected, f"{np.dtype(dtype)}", exact=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_numbers_are_the_cpus(dtype: Any, gpu: Any) -> None:
    def every(x: Any) -> Any:
        return x * 0 + nd.random.uniform(shape=(7, 45), dtype=dtype)

    lamina.random.seed(3)
    found = lamina.compile(every)(nd.zeros((7, 45), dtype=dtype))
    with lamina.cpu():
        lamina.random.seed(3)
        expected = every(nd.zeros((7, 45), dtype=dtype))
    np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


def test_reductions_of_many_elements_keep_nan(gpu: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 1100)).astype(np.float32)
    rows[1, 700], rows[2, 3] = np.nan, np.inf

    def every(x: Any) -> list[Any]:
        return [
            nd.sum(x),
            nd.sum(x, axis=1),
            nd.max(x, axis=1),
            nd.sum(x.T, axis=0),
            nd.softmax(x),
            nd.argmax(x, axis=1),
        ]

    for i, (actual, expected) in enumerate(
        zip(*on_both(every, gpu, lambda ctx: nd.array(rows, ctx=ctx)), strict=True)
    ):
        assert_same(actual, expected, f"{i}")


def test_a_sum_of_everything_is_shared_by_blocks(gpu: Any) -> None:
    """... and what is made of it; also of columns, where there are few."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(90, 201)).astype(np.float32), random.normal(size=(9000, 3)).astype(np.float32)

    def every(arrays: Any) -> list[Any]:
        x, y = arrays
        return [nd.sqrt(nd.sum(x * x)), nd.max(y, axis=0), nd.mean(y, axis=0), nd.sum(x, axis=1), nd.min(x.T)]

    found = on_both(every, gpu, lambda ctx: [nd.array(a, ctx=ctx) for a in (x, y)])
    for i, (actual, expected) in enumerate(zip(*found, strict=True)):
        # 200 terms of about 1 that nearly cancel, each rounded once
        np.testing.assert_allclose(
            actual.asnumpy(), expected.asnumpy(), rtol=1e-5, atol=2.4e-5, err_msg=f"{i}"
        )
    compiled = lamina.compile(nd.sum)
    same = [compiled(nd.array(x)).asnumpy() for _ in range(2)]
    np.testing.assert_array_equal(*same)
    (stage,) = next(iter(compiled._entries.values())).program.code.schedule.stages
    assert stage.blocks > 1
