"""Random programs: what is compiled equals what is eager, within the rounding that both have a right to.

The bound. Each program runs three times: eagerly in float64 (taken as exact), eagerly in float32, and compiled in
float32. Two ways of rounding the same formula differ because sums are added in another order and products are fused
with additions. One operator's own error is at most n·eps times the sum of the absolute values of its n terms (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); how later operators magnify it is a property of
the program that both ways share, and that the eager error samples. So the compiled error may be a few times the eager
one (as a norm over the result: single elements are luck), plus n·eps of the largest magnitude on the way, with n the
longest sum of the program.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_threads import simulated_step

import lamina
from lamina import nd

ROWS, COLUMNS = 9, 7
LONGEST_SUM = ROWS * COLUMNS
FACTOR = 16.0


class Program:
    """A straight-line program over a stack of matrices of the shapes (ROWS, COLUMNS), (ROWS, 1), (COLUMNS,), …"""

    def __init__(self, steps: list[tuple[str, int, int]]) -> None:
        self.steps = steps

    def __call__(self, *inputs: Any) -> list[Any]:
        values = list(inputs)
        for name, i, j in self.steps:
            x, y = values[i % len(values)], values[j % len(values)]
            result = OPERATORS[name](x, y)
            if result is not None:
                values.append(result)
        return [*values[len(inputs) :], inputs[0] * 1.0]

    def __repr__(self) -> str:
        return f"Program({self.steps})"


def same_shape(x: Any, y: Any) -> Any:
    """`y` in the shape of `x` by repeating or summing, whatever fits."""
    if x.shape == y.shape:
        return y
    total = nd.mean(y)
    return nd.broadcast_to(total.reshape((1,) * len(x.shape)), shape=x.shape)


def product(x: Any, y: Any) -> Any:
    if len(x.shape) != 2 or len(y.shape) != 2:
        return None
    for left in (False, True):
        for right in (False, True):
            a, b = (x.shape[::-1] if left else x.shape), (y.shape[::-1] if right else y.shape)
            if a[1] == b[0]:
                return nd.dot(x, y, transpose_a=left, transpose_b=right) * (1 / a[1])
    return None


def write_part(x: Any, y: Any) -> Any:
    z = x * 1.0
    z[1:3] = same_shape(z[1:3], y) if z.shape[0] >= 3 else 0.5
    return z


def write_whole(x: Any, y: Any) -> Any:
    z = x * 1.0
    z[:] = same_shape(x, y)
    z += x
    return z


def rows_of(x: Any, y: Any) -> Any:
    index = nd.array([0, 2, 2, 1], dtype=np.int32)
    return nd.take(x, index, axis=0) if x.shape[0] > 2 else None


def picked(x: Any, y: Any) -> Any:
    if len(x.shape) != 2:
        return None
    return nd.pick(x, nd.argmax(nd.floor(x * 4), axis=1), axis=1)


OPERATORS: dict[str, Any] = {
    "add": lambda x, y: x + same_shape(x, y),
    "subtract": lambda x, y: same_shape(x, y) - x,
    "multiply": lambda x, y: x * same_shape(x, y) * 0.5,
    "divide": lambda x, y: x / (1.0 + nd.abs(same_shape(x, y))),
    "broadcast": lambda x, y: x * nd.mean(x, axis=0) if len(x.shape) == 2 else x * nd.mean(x),
    "tanh": lambda x, y: nd.tanh(x),
    "sigmoid": lambda x, y: nd.sigmoid(x),
    "softplus": lambda x, y: nd.log(1.0 + nd.exp(nd.tanh(x))),
    "square": lambda x, y: nd.tanh(x) ** 2,
    "sqrt": lambda x, y: nd.sqrt(nd.abs(x) + 0.1),
    "clip": lambda x, y: nd.clip(x, -0.5, 0.75),
    "maximum": lambda x, y: nd.maximum(x, same_shape(x, y)),
    "relu": lambda x, y: nd.relu(x),
    "sum rows": lambda x, y: nd.sum(x, axis=0) * 0.1,
    "sum columns": lambda x, y: nd.sum(x, axis=-1, keepdims=True) * 0.1,
    "mean": lambda x, y: nd.mean(x),
    "max": lambda x, y: nd.max(x, axis=0, keepdims=True) if len(x.shape) == 2 else nd.max(x),
    "softmax": lambda x, y: nd.softmax(x, axis=-1),
    "log_softmax": lambda x, y: nd.log_softmax(x, axis=0) * 0.2,
    "product": product,
    "transpose": lambda x, y: x.T,
    "flatten": lambda x, y: x.reshape((-1,)),
    "reshape": lambda x, y: x.reshape((-1, x.shape[0])),
    "slice": lambda x, y: x[1:] if x.shape[0] > 1 else x[::-1],
    "step": lambda x, y: x[::2],
    "column": lambda x, y: x[:, 0] if len(x.shape) == 2 else x[0],
    "concat": lambda x, y: nd.concat(x, same_shape(x, y), dim=0),
    "rows": rows_of,
    "pick": picked,
    "write part": write_part,
    "write whole": write_whole,
    "expand": lambda x, y: x.expand_dims(0) if len(x.shape) < 2 else None,
    "norm": lambda x, y: (x - nd.mean(x, axis=-1, keepdims=True)) / nd.sqrt(nd.mean(x * x) + 1.0),
}

programs = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATORS)), st.integers(0, 12), st.integers(0, 12)),
    min_size=1,
    max_size=10,
).map(Program)


def inputs(dtype: Any) -> list[Any]:
    random = np.random.default_rng(5)
    shapes = [(ROWS, COLUMNS), (COLUMNS, ROWS), (COLUMNS,), (ROWS, 1)]
    # In float32's grid, so that the float64 evaluation starts from the same numbers.
    return [nd.array(random.normal(size=s).astype(np.float32), dtype=dtype) for s in shapes]


@given(programs)
@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_compiled_equals_eager_within_rounding(program: Program) -> None:
    exact = [r.asnumpy() for r in program(*inputs(np.float64))]
    eager = [r.asnumpy() for r in program(*inputs(np.float32))]
    compiled = [r.asnumpy() for r in lamina.compile(program)(*inputs(np.float32))]
    largest = max([1.0, *(float(np.abs(r).max()) for r in exact if r.size)])
    own = LONGEST_SUM * np.finfo(np.float32).eps * largest
    allowed = own
    for want, plain, fused in zip(exact, eager, compiled, strict=True):
        assert (fused.shape, fused.dtype) == (plain.shape, plain.dtype)
        allowed = max(allowed, FACTOR * float(np.abs(plain - want).max(initial=0)) + own)
        np.testing.assert_allclose(fused, want, rtol=0, atol=allowed)


@given(programs)
@settings(max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_no_thread_needs_what_another_one_does_before_a_barrier(program: Program) -> None:
    compiled = lamina.compile(program)
    compiled(*inputs(np.float32))
    (entry,) = compiled._entries.values()
    alone = simulated_step(entry, [0])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0]):
        for one, many in zip(alone, simulated_step(entry, order), strict=True):
            np.testing.assert_array_equal(one, many)
