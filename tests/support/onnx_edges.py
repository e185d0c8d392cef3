"""ONNX files of one operator each, at the edges: NaN, infinities, both zeros, halves, negative indices, empty arrays.

The schemas of ONNX give each operator's versions, element types and attributes; `ARGUMENTS` gives the arrays and
settings to try, in the form of the newest version. What an older version has as attributes is moved there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import defs, helper, numpy_helper

from lamina.interchange._graph import ELEMENT_TYPES
from lamina.interchange.network import OPERATORS

__all__ = ["ARGUMENTS", "Case", "cases_of", "model_of", "schemas_of"]

NAN, INF = float("nan"), float("inf")
FLOATS = np.array(
    [
        NAN,
        INF,
        -INF,
        0.0,
        -0.0,
        0.5,
        -0.5,
        1.5,
        -1.5,
        2.5,
        -2.5,
        1.0,
        -1.0,
        3.0,
        -3.0,
        0.25,
        7.0,
        -90.0,
        100.0,
        1e4,
    ]
)
INTEGERS = np.array([0, 1, 2, 3, 5, 7, 11, 100, -1, -2, -3, -5, -7, -100, 4, 6, 8, 9, 10, 12])

Inputs = tuple[np.ndarray | None, ...]
Arguments = tuple[Inputs, dict[str, Any]]
"""The inputs, and the attributes, of the newest version."""


@dataclass(frozen=True)
class Case:
    """One file: an operator of a version, what it is computed of, and which inputs are the graph's (None: no input)."""

    op: str
    domain: str
    opset: int
    inputs: Inputs
    attributes: dict[str, Any]
    given: tuple[int, ...] = (0,)
    outputs: int = field(default=1)

    def __str__(self) -> str:
        inputs = ", ".join("-" if x is None else f"{x.dtype}{list(x.shape)}" for x in self.inputs)
        return f"{self.op}-{self.opset}({inputs}) {self.attributes or ''} given {self.given}"


# --- what to try ------------------------------------------------------------------------------------------------------


def edges(dtype: Any = np.float32) -> np.ndarray:
    """20 numbers of a type."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return FLOATS.astype(dtype)
    if dtype.kind == "O":
        return np.array([f"t{i}" for i in range(20)], object)
    return (np.abs(INTEGERS) if dtype.kind == "u" else INTEGERS).astype(dtype)


def shapes(dtype: Any = np.float32) -> list[np.ndarray]:
    """The edges in several shapes, among them arrays without axes and without elements."""
    x = edges(dtype)
    return [
        x,
        x.reshape(4, 5),
        x.reshape(2, 1, 10),
        x[:0],
        x[:0].reshape(2, 0),
        x[:0].reshape(0, 3, 1),
        x[9].reshape(()),
        x[0].reshape(()),
        x[:1],
    ]


def ints(*numbers: int) -> np.ndarray:
    """A vector of int64."""
    return np.array(numbers, np.int64)


def number(value: Any, dtype: Any = np.float32) -> np.ndarray:
    """A number as an array without axes."""
    return np.asarray(value, dtype)


def finite(dtype: Any) -> np.ndarray:
    """Numbers of ordinary size, none of them 0."""
    return np.array([1, 2, 3, 1.5, 2.5, 4, 5, 0.5, 6, 7, 9, 0.75], np.float64).astype(dtype)


Of = Callable[[Any], Iterator[Arguments]]


def unary(*settings: dict[str, Any]) -> Of:
    def of(dtype: Any) -> Iterator[Arguments]:
        for x in shapes(dtype):
            yield (x,), {}
        for setting in settings:
            yield (edges(dtype),), setting

    return of


def _pairs(dtype: Any, divisor: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Operands of equal shapes, of shapes that broadcast, and without axes. Whole divisors are not 0."""
    x = edges(dtype)
    y = np.where(x == 0, np.asarray(1, x.dtype), x) if divisor and x.dtype.kind in "iu" else x
    yield x[:, None], y[None, :]
    yield x, y[::-1].copy()
    yield x, y[3].reshape(())
    yield x[5].reshape(()), y
    yield x[5].reshape(()), y[7].reshape(())
    yield x[:2], y[5].reshape(1, 1, 1)
    yield x[:0].reshape(0, 3), y[:3]
    yield x[:0], y[4].reshape(())


def binary(*settings: dict[str, Any], divisor: bool = False) -> Of:
    def of(dtype: Any) -> Iterator[Arguments]:
        for setting in settings or ({},):
            for pair in _pairs(dtype, divisor):
                yield pair, setting

    return of


def variadic(dtype: Any) -> Iterator[Arguments]:
    yield from ((pair, {}) for pair in _pairs(dtype))
    x = edges(dtype)
    yield (x,), {}
    yield (x[:, None], x[None, :], x[0].reshape(())), {}


def power(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    exponents = [2, 1, 0, 3] + ([0.5, -1, -2, -0.5, 1.5, NAN, INF, -INF] if x.dtype.kind == "f" else [])
    for exponent in exponents:
        yield (x, number(exponent, dtype)), {}
        yield (x, number([exponent], dtype)), {}
    if x.dtype.kind == "f":
        yield (x[:, None], x[None, :]), {}
        yield (x, ints(*[2, -3, 0, 1] * 5)), {}
        yield (x[5].reshape(()), x[9].reshape(())), {}


def modulo(dtype: Any) -> Iterator[Arguments]:
    is_float = np.dtype(dtype).kind == "f"
    yield from binary(*([{"fmod": 1}] if is_float else [{}, {"fmod": 1}]), divisor=True)(dtype)


def where(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    choice = np.arange(20) % 3 == 0
    yield (choice, x, x[::-1].copy()), {}
    yield (choice[:, None], x, x[3].reshape(())), {}
    yield (choice[:4], x[:20].reshape(5, 4), x[0].reshape(())), {}
    yield (np.asarray(True), x, x[:1]), {}
    yield (np.asarray(False), x[0].reshape(()), x[3].reshape(())), {}
    yield (choice[:0], x[:0], x[:1]), {}


def clip(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    bounds: list[Any] = [None, 1, 0, 3]
    if x.dtype.kind != "u":
        bounds.append(-2)
    if x.dtype.kind == "f":
        bounds += [NAN, INF, -INF, -0.0]
    for low, high in itertools.product(bounds, bounds):
        yield (x, *(None if b is None else number(b, dtype) for b in (low, high))), {}
    yield (x[0].reshape(()), number(1, dtype), number(3, dtype)), {}
    yield (x[:0], number(1, dtype), None), {}
    yield (x,), {}


def cast(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for to, target in ELEMENT_TYPES.items():
        # what a conversion makes of numbers outside of the type is undefined in ONNX
        fits = np.isfinite(x.astype(float))
        if target.kind in "iu":
            info = np.iinfo(target)
            fits &= (x.astype(float) >= info.min) & (x.astype(float) <= info.max)
        yield (x if target.kind in "fb" else x[fits],), {"to": to}
        yield (x[3].reshape(()),), {"to": to}
        yield (x[:0],), {"to": to}


def cast_like(dtype: Any) -> Iterator[Arguments]:
    for (x,), setting in cast(dtype):
        yield (x, np.zeros(1, ELEMENT_TYPES[setting["to"]])), {}


def dropout(dtype: Any) -> Iterator[Arguments]:
    for x in shapes(dtype):
        yield (x,), {}
        yield (x, number(0.5)), {}


def gemm(dtype: Any) -> Iterator[Arguments]:
    x = finite(dtype)
    a, b, c = x.reshape(3, 4), x[::-1].reshape(4, 3).copy(), x[:3]
    wrong = edges(dtype).reshape(4, 5)
    settings = (
        [{}, {"alpha": 0.5}, {"beta": 2.0}, {"alpha": 0.0}, {"beta": 0.0}]
        if np.dtype(dtype).kind == "f"
        else [{}]
    )
    for setting in settings:
        for bias in ((), (c,), (c.reshape(3, 1),), (number(2, dtype),), (c[:1],), (c[:1].reshape(1, 1),)):
            yield (a, b, *bias), setting
    yield (a, b.T.copy(), c), {"transB": 1}
    yield (a.T.copy(), b, c), {"transA": 1}
    yield (a.T.copy(), b.T.copy()), {"transA": 1, "transB": 1}
    yield (wrong, np.ones((5, 2), dtype)), {}
    yield (a, b, np.full(3, wrong.reshape(-1)[0], dtype)), {}
    yield (a[:0], b, c), {}
    yield (a[:, :0].copy(), b[:0], c), {}
    yield (a[:, :0].copy(), b[:0]), {}
    yield (a, b[:, :0].copy()), {}


def matmul(dtype: Any) -> Iterator[Arguments]:
    x = finite(dtype)
    for left, right in (
        ((3, 4), (4, 3)),
        ((4,), (4, 3)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((3, 2, 2), (2, 6)),
        ((3, 2, 2), (3, 2, 2)),
        ((2, 6), (6, 2)),
        ((2,), (3, 2, 2)),
        ((3, 2, 2), (2,)),
        ((1, 3, 4), (3, 4, 1)),
        ((2, 2), (3, 2, 2)),
        ((0, 4), (4, 3)),
        ((3, 0), (0, 2)),
        ((0,), (0,)),
        ((0, 2, 2), (2, 2)),
        ((2, 1, 2, 3), (1, 2, 3, 2)),
    ):
        yield (np.resize(x, left), np.resize(x[::-1], right)), {}
    yield (edges(dtype).reshape(4, 5), np.ones((5, 2), dtype)), {}


def batch_normalization(dtype: Any) -> Iterator[Arguments]:
    of_4 = (finite(dtype)[:4], edges(dtype)[5:9], finite(dtype)[4:8], finite(dtype)[:4])
    for x in (edges(dtype).reshape(5, 4), np.resize(edges(dtype), (2, 4, 3)), edges(dtype)[:0].reshape(0, 4)):
        for setting in ({}, {"epsilon": 0.1}, {"momentum": 0.5}):
            yield (x, *of_4), setting
    odd = np.array([NAN, 0, -1, INF], np.float64).astype(dtype)
    yield (finite(dtype).reshape(3, 4), *of_4[:3], odd), {}


def layer_normalization(dtype: Any) -> Iterator[Arguments]:
    x, scale = np.concatenate([finite(dtype), edges(dtype)[:8]]).reshape(5, 4), finite(dtype)[:4]
    for setting in ({}, {"axis": -1}, {"axis": 1}, {"epsilon": 0.1}):
        yield (x, scale, edges(dtype)[5:9]), setting
        yield (x, scale), setting
    yield (finite(dtype).reshape(3, 2, 2), scale.reshape(2, 2)), {"axis": 1}
    yield (np.full((2, 4), 3, dtype), scale), {}
    yield (x[:0], scale), {}


def rms_normalization(dtype: Any) -> Iterator[Arguments]:
    for inputs, setting in layer_normalization(dtype):
        yield inputs[:2], setting


def lp_normalization(dtype: Any) -> Iterator[Arguments]:
    x = np.concatenate([finite(dtype), edges(dtype)[:8]]).reshape(5, 4)
    for setting in ({}, {"axis": 0}, {"p": 1}, {"p": 2}, {"axis": 1, "p": 1}):
        yield (x,), setting
        yield (finite(dtype),), {**setting, "axis": -1}
    yield (np.zeros((2, 3), dtype),), {}
    yield (np.zeros((2, 3), dtype),), {"p": 1}


def softmax(dtype: Any) -> Iterator[Arguments]:
    rows = np.array(
        [[1, 2, 3], [INF, 1, 2], [-INF, 1, 2], [NAN, 1, 2], [-INF, -INF, -INF], [1e4, -1e4, 0]]
    ).astype(dtype)
    for setting in ({}, {"axis": 0}, {"axis": -1}, {"axis": 1}, {"axis": -2}):
        yield (rows,), setting
        yield (np.resize(finite(dtype), (2, 3, 4)),), setting
    yield (rows[0],), {"axis": 0}
    yield (rows[0],), {"axis": -1}
    yield (rows[:0],), {}
    yield (rows[:, :0].copy(),), {}


def position(dtype: Any) -> Iterator[Arguments]:
    x = np.concatenate([finite(dtype), np.abs(finite(dtype))[::-1]])
    for setting in (
        {},
        {"axis": 1},
        {"axis": -1, "keepdims": 0},
        {"keepdims": 0},
        {"axis": -1, "select_last_index": 1},
    ):
        yield (x.reshape(4, 6),), setting
        yield (x.reshape(2, 3, 4),), setting
    for setting in ({"keepdims": 0}, {"keepdims": 1}, {"axis": -1}):
        yield (x,), setting
        yield (x[:1],), setting
        yield (x[0].reshape(()),), setting
    ties = np.array([[2, 2, 1], [0, 0, 0], [1, 3, 3]], dtype)
    yield (ties,), {"axis": 1}
    if np.dtype(dtype).kind == "f":
        yield (np.array([[INF, -INF, 0], [-0.0, 0.0, -0.0]], dtype),), {"axis": 1}


def reduction(dtype: Any) -> Iterator[Arguments]:
    ordinary = finite(dtype).reshape(2, 3, 2)
    x = edges(dtype)
    for keepdims in ({}, {"keepdims": 0}):
        for axes in ((1,), (0, -1), (-1, 0), (), (0, 1, 2), None):
            places = () if axes is None else (ints(*axes),)
            for noop in ({}, {"noop_with_empty_axes": 1}):
                yield (
                    (-ordinary if x.dtype.kind in "if" and not keepdims else ordinary, *places),
                    {**keepdims, **noop},
                )
        yield (x.reshape(20, 1), ints(1)), keepdims
        yield (x[:4].reshape(2, 2), ints(1)), keepdims
        yield (x, ints(0)), keepdims
        yield (x[9].reshape(()),), keepdims
        yield (x[9].reshape(()), ints()), keepdims
        yield (x[9].reshape(()),), {**keepdims, "noop_with_empty_axes": 1}
        yield (x[5:6], ints(0)), keepdims
        yield (x[:0].reshape(0, 3), ints(0)), keepdims
        yield (x[:0].reshape(0, 3), ints(1)), keepdims
        yield (x[:0],), keepdims
    if x.dtype.kind == "f":
        rows = np.array(
            [
                [1, 2],
                [INF, 1],
                [-INF, 1],
                [INF, -INF],
                [-INF, -INF],
                [NAN, 1],
                [-0.0, -0.0],
                [0, -1],
                [100, 100],
            ]
        )
        yield (rows.astype(dtype), ints(1)), {}


def reshape(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for shape in ((-1,), (4, 5), (0,), (2, -1, 2), (1, 20), (20, 1, 1)):
        yield (x, ints(*shape)), {}
    yield (x.reshape(4, 5), ints(0, -1)), {}
    yield (x[:1], ints()), {}
    yield (x[0].reshape(()), ints(-1)), {}
    yield (x[0].reshape(()), ints(1, 1)), {}
    yield (x[0].reshape(()), ints()), {}
    yield (x[:0], ints(0, 3)), {"allowzero": 1}
    yield (x[:0].reshape(0, 3), ints(3, 0)), {"allowzero": 1}
    yield (x[:0].reshape(0, 3), ints(0, -1)), {}
    yield (x[:0].reshape(2, 0), ints(0, 0, 1)), {}


def flatten(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for array in (
        x,
        x.reshape(4, 5),
        x.reshape(2, 2, 5),
        x[:0].reshape(0, 3),
        x[:0].reshape(2, 0, 3),
        x[0].reshape(()),
    ):
        for axis in range(-array.ndim, array.ndim + 1):
            yield (array,), {"axis": axis}
    yield (x,), {}


def squeeze(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    yield (x.reshape(1, 20, 1), ints(0)), {}
    yield (x.reshape(1, 20, 1), ints(-1, 0)), {}
    yield (x.reshape(1, 20, 1),), {}
    yield (x[:1], ints(0)), {}
    yield (x[:1],), {}
    yield (x[0].reshape(()),), {}
    yield (x[:0].reshape(1, 0), ints(0)), {}
    yield (x.reshape(1, 20), ints()), {}


def unsqueeze(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for axes in ((0,), (-1,), (0, 1), (2, 0), (-1, -3), (-2,)):
        yield (x, ints(*axes)), {}
    yield (x[0].reshape(()), ints(0)), {}
    yield (x[0].reshape(()), ints(0, 1)), {}
    yield (x[:0], ints(1)), {}
    yield (x, ints()), {}


def transpose(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for array in (x, x.reshape(4, 5), x.reshape(2, 2, 5), x[:0].reshape(0, 3), x[0].reshape(())):
        yield (array,), {}
        yield (array,), {"perm": list(range(array.ndim))[::-1]}
    yield (x.reshape(2, 2, 5),), {"perm": [1, 2, 0]}


def slices(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    far = 2**62
    bounds = (-far, -20, -3, 0, 19, far)
    for start, end in itertools.product(bounds, bounds):
        yield (x, ints(start), ints(end)), {}
        yield (x, ints(start), ints(end), ints(0), ints(-2)), {}
    yield (x.reshape(4, 5), ints(1), ints(3), ints(-1)), {}
    yield (x.reshape(4, 5), ints(1, 0), ints(3, far), ints(1, 0), ints(1, 2)), {}
    yield (x.reshape(4, 5), ints(-1, 4), ints(-far, 0), None, ints(-1, -3)), {}
    yield (x[:0], ints(0), ints(2)), {}
    yield (x[:0].reshape(0, 3), ints(1), ints(3), ints(1)), {}
    yield (x.reshape(4, 5), ints(), ints(), ints()), {}


def expand(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for array, shape in (
        (x, (1,)),
        (x, (2, 20)),
        (x, (3, 1)),
        (x.reshape(20, 1), (20, 2)),
        (x[0].reshape(()), (2, 3)),
        (x[:1], (0,)),
        (x, ()),
        (x[0].reshape(()), ()),
        (x[:0], (1,)),
        (x[:0], (2, 0)),
        (x.reshape(20, 1), (1,)),
        (x[:1], (3,)),
        (x[0].reshape(()), (1,)),
    ):
        yield (array, ints(*shape)), {}


def tile(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for array, times in (
        (x, (2,)),
        (x, (1,)),
        (x, (0,)),
        (x.reshape(4, 5), (2, 3)),
        (x.reshape(4, 5), (1, 0)),
        (x[:0], (3,)),
        (x[:0], (0,)),
        (x[0].reshape(()), ()),
        (x[:0].reshape(0, 3), (2, 2)),
    ):
        yield (array, ints(*times)), {}


def split(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    yield (x, ints(5, 15)), {}
    yield (x, ints(0, 20)), {}
    yield (x.reshape(4, 5), ints(2, 3)), {"axis": 1}
    yield (x.reshape(4, 5), ints(2, 3)), {"axis": -1}
    yield (x,), {"num_outputs": 2}
    yield (x[:5],), {"num_outputs": 2}
    yield (x[:0].reshape(0, 4), ints(1, 3)), {"axis": 1}
    yield (x[:0], ints(0, 0)), {}


def concat(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    yield (x,), {"axis": 0}
    yield (x, x[:3]), {"axis": 0}
    yield (x, x[:0], x[:2]), {"axis": -1}
    yield (x[:0], x[:0]), {"axis": 0}
    yield (x.reshape(4, 5), x[:4].reshape(4, 1)), {"axis": 1}
    yield (x.reshape(4, 5), x[:5].reshape(1, 5)), {"axis": -2}
    yield (x[:0].reshape(0, 5), x[:5].reshape(1, 5)), {"axis": 0}


def gather(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    for places in (
        ints(0, -1, 19, -20),
        ints(),
        number(2, np.int64),
        number(-3, np.int64),
        ints(1, 2).reshape(2, 1),
    ):
        yield (x, places), {}
    for axis in (0, 1, -1):
        yield (x.reshape(4, 5), ints(-1, 0)), {"axis": axis}
        yield (x.reshape(4, 5), number(-1, np.int64)), {"axis": axis}
        yield (x.reshape(4, 5), ints(-1, 2).reshape(1, 2)), {"axis": axis}
    yield (x, np.array([-1, 2], np.int32)), {}
    yield (x[:0].reshape(0, 3), ints(-1)), {"axis": 1}
    yield (x[:0], ints()), {}


def one_hot(dtype: Any) -> Iterator[Arguments]:
    dtype = np.dtype(dtype)
    numbers = [0, 1, 3, 4, 7] if dtype.kind == "u" else [0, 1, 3, -1, -3, -4, -5, 4, 7, -9]
    indices = np.array(numbers, dtype)
    for pair in (
        np.array([0, 1], np.float32),
        np.array([-2, 3], np.float32),
        np.array([INF, NAN], np.float32),
        ints(5, 9),
    ):
        for setting in ({}, {"axis": 0}, {"axis": -1}, {"axis": 1}, {"axis": -2}):
            yield (indices, number(4, np.int64), pair), setting
    yield (indices.reshape(-1, 5), number(4, np.int64), ints(0, 1)), {"axis": 1}
    yield (indices.reshape(-1, 5), ints(4), ints(0, 1)), {"axis": -2}
    yield (indices[2].reshape(()), number(4, np.int64), ints(0, 1)), {}
    yield (indices[:0], number(4, np.int64), ints(0, 1)), {}
    yield (indices, number(4.0), ints(0, 1)), {}
    if dtype.kind == "f":
        yield (np.array([0.5, 1.5, -0.5, -1.5, 2.999], dtype), number(4, np.int64), ints(0, 1)), {}


def shape(dtype: Any) -> Iterator[Arguments]:
    for x in shapes(dtype):
        yield (x,), {}
    for setting in (
        {"start": 1},
        {"end": -1},
        {"start": -2, "end": 1},
        {"start": -9, "end": 9},
        {"start": 2, "end": 1},
    ):
        yield (edges(dtype).reshape(2, 1, 10),), setting


def constant_of_shape(dtype: Any) -> Iterator[Arguments]:
    for sizes in ((2, 3), (), (0,), (4,), (2, 0, 3), (40, 50)):
        yield (ints(*sizes),), {}
        for value in (
            np.array([2.5], np.float32),
            np.array([NAN], np.float64),
            ints(-3),
            np.array([True]),
            np.array([7], np.uint8),
        ):
            yield (ints(*sizes),), {"value": value}


def ranges(dtype: Any) -> Iterator[Arguments]:
    bounds = [(0, 5, 1), (1, 10, 3), (5, 0, 1), (2, 2, 1), (10, 0, -3), (-2, 3, 2)]
    if np.dtype(dtype).kind == "f":
        bounds += [(0.5, 3, 0.5), (0, 1, 0.3), (1, 0, -0.25)]
    for start, limit, delta in bounds:
        yield tuple(number(n, dtype) for n in (start, limit, delta)), {}


def _rows(dtype: Any) -> np.ndarray:
    return edges(dtype).reshape(5, 4)


def scaler(dtype: Any) -> Iterator[Arguments]:
    for x in (_rows(dtype), _rows(dtype)[:0]):
        yield (x,), {"offset": [0.5, -1.0, 0.0, 2.0], "scale": [2.0, 0.5, 1.0, -1.0]}
        yield (x,), {"offset": [0.5], "scale": [2.0]}


def normalizer(dtype: Any) -> Iterator[Arguments]:
    for norm in ("MAX", "L1", "L2"):
        yield (finite(dtype).reshape(3, 4),), {"norm": norm}
        yield (
            (-finite(dtype).reshape(3, 4) if np.dtype(dtype).kind in "if" else finite(dtype).reshape(3, 4),),
            {"norm": norm},
        )
        yield (np.zeros((2, 4), dtype),), {"norm": norm}
        yield (_rows(dtype)[1:],), {"norm": norm}


def imputer(dtype: Any) -> Iterator[Arguments]:
    x = _rows(dtype)
    if x.dtype.kind == "f":
        for replaced in (
            {},
            {"replaced_value_float": NAN},
            {"replaced_value_float": 0.5},
            {"replaced_value_float": INF},
        ):
            yield (x,), {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0], **replaced}
            yield (x,), {"imputed_value_floats": [9.0], **replaced}
    else:
        yield (x,), {"imputed_value_int64s": [9], "replaced_value_int64": 2}


def feature_vectorizer(dtype: Any) -> Iterator[Arguments]:
    x = _rows(dtype)
    yield (x,), {"inputdimensions": [4]}
    yield (x, x[:, :2].copy()), {"inputdimensions": [4, 2]}


def array_feature_extractor(dtype: Any) -> Iterator[Arguments]:
    x = edges(dtype)
    yield (x, ints(0, 3, 3)), {}
    yield (x.reshape(5, 4), ints(0, 3)), {}
    yield (x.reshape(5, 2, 2), ints(1)), {}
    yield (x.reshape(5, 4), ints(2).reshape(1, 1)), {}


def label_encoder(dtype: Any) -> Iterator[Arguments]:
    kind = np.dtype(dtype).kind
    keys = {"keys_floats": [0.5, NAN, 0.0, -2.5, INF]} if kind == "f" else {"keys_int64s": [5, -2, 0, 7, 100]}
    values = (
        {"values_floats": [1.0, 2.0, 3.0, 4.0, NAN], "default_float": 9.0},
        {"values_floats": [1.0, 2.0, 3.0, 4.0, 5.0]},
        {"values_int64s": [1, 2, 3, 4, 5], "default_int64": 9},
        {"values_int64s": [1, 2, 3, 4, 5]},
        {"values_strings": ["a", "b", "", "d", "e"], "default_string": "z"},
        {"values_strings": ["a", "b", "", "d", "e"]},
    )
    for x in (edges(dtype), _rows(dtype), edges(dtype)[:0]):
        for value in values:
            yield (x,), {**keys, **value}


def zip_map(dtype: Any) -> Iterator[Arguments]:
    yield (_rows(dtype),), {"classlabels_int64s": [0, 1, 2, 3]}
    yield (_rows(dtype),), {"classlabels_strings": ["a", "b", "c", "d"]}


_PLAIN = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "HardSwish",
    "Identity", "IsNaN", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh",
    "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "Size",
)  # fmt: skip

ARGUMENTS: dict[str, Of] = {
    **{name: unary() for name in _PLAIN},
    "Celu": unary({"alpha": 0.3}, {"alpha": -0.5}),
    "Elu": unary({"alpha": 0.3}, {"alpha": -0.5}, {"alpha": 0.0}),
    "Gelu": unary({"approximate": "tanh"}, {"approximate": "none"}),
    "HardSigmoid": unary({"alpha": 0.4, "beta": 0.1}, {"alpha": -1.0}),
    "LeakyRelu": unary({"alpha": 0.3}, {"alpha": -0.5}, {"alpha": 2.0}),
    "Selu": unary({"alpha": 1.5, "gamma": 2.0}),
    "Swish": unary({"alpha": 0.3}),
    "ThresholdedRelu": unary({"alpha": 0.5}, {"alpha": -1.0}),
    "PRelu": binary(),
    **dict.fromkeys(("Add", "Sub", "Mul"), binary()),
    **dict.fromkeys(
        ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"), binary()
    ),
    "Div": binary(divisor=True),
    "Mod": modulo,
    "Pow": power,
    **dict.fromkeys(("Max", "Min", "Sum", "Mean"), variadic),
    "Where": where,
    "Clip": clip,
    "Cast": cast,
    "CastLike": cast_like,
    "Dropout": dropout,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "LpNormalization": lp_normalization,
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    **dict.fromkeys(("ArgMax", "ArgMin"), position),
    **{name: reduction for _, name in OPERATORS if name.startswith("Reduce")},
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Slice": slices,
    "Expand": expand,
    "Tile": tile,
    "Split": split,
    "Concat": concat,
    "Gather": gather,
    "OneHot": one_hot,
    "Shape": shape,
    "ConstantOfShape": constant_of_shape,
    "Range": ranges,
    "Scaler": scaler,
    "Normalizer": normalizer,
    "Binarizer": unary({"threshold": 0.5}, {"threshold": -1.0}, {"threshold": NAN}),
    "Imputer": imputer,
    "FeatureVectorizer": feature_vectorizer,
    "ArrayFeatureExtractor": array_feature_extractor,
    "LabelEncoder": label_encoder,
    "ZipMap": zip_map,
}
"""By operator: from an element type to the inputs and attributes to try."""


# --- files of them ----------------------------------------------------------------------------------------------------

_OLDEST = 7


def schemas_of(domain: str, op: str) -> list[Any]:
    """The schemas of the versions that lamina reads, oldest first."""
    known = [
        s
        for s in defs.get_all_schemas_with_history()
        if (s.domain, s.name) == (domain, op) and not s.deprecated
    ]
    known.sort(key=lambda schema: schema.since_version)
    oldest = 1 if domain else _OLDEST
    before = [schema for schema in known if schema.since_version <= oldest][-1:]
    read = before + [schema for schema in known if schema.since_version > oldest]
    newest = NEWEST
    read = [schema for schema in read if schema.since_version <= newest]
    return [s for s, after in itertools.pairwise([*read, None]) if after is None or _form(s) != _form(after)]


NEWEST = 24
"""The newest opset that ONNX Runtime computes most operators of."""


def _form(schema: Any) -> tuple[Any, ...]:
    return tuple(given.name for given in schema.inputs), frozenset(schema.attributes)


def _dtypes(schema: Any, place: int) -> list[np.dtype[Any]]:
    """The element types of an input, of those that lamina computes with."""
    return [
        np.dtype(name) for name in _TRIED if f"tensor({_name(np.dtype(name))})" in _input(schema, place).types
    ]


_TRIED = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")


def _name(dtype: np.dtype[Any]) -> str:
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)


def _input(schema: Any, place: int) -> Any:
    return schema.inputs[min(place, len(schema.inputs) - 1)]


def cases_of(domain: str, op: str) -> Iterator[Case]:
    """All files of an operator: in the newest version every element type, in older ones the first."""
    schemas = schemas_of(domain, op)
    newest = schemas[-1]
    typed = 1 if op == "Where" else 0
    for schema in schemas[::-1]:
        opset = max(schema.since_version, 1 if domain else _OLDEST)
        dtypes = _dtypes(schema, typed)
        for dtype in dtypes if schema is newest else dtypes[:1]:
            for inputs, attributes in ARGUMENTS[op](dtype):
                fitted = _in_version(schema, newest, inputs, attributes)
                if fitted is not None:
                    own = Case(op, domain, opset, *fitted)
                    first = dtype in (dtypes[0], np.int64)
                    yield from _placed(own) if first else (own,)


def _placed(case: Case) -> Iterator[Case]:
    """With the first input from outside, with all, and with none."""
    present = tuple(i for i, x in enumerate(case.inputs) if x is not None)
    for given in {(0,), present, ()}:
        yield Case(case.op, case.domain, case.opset, case.inputs, case.attributes, given, case.outputs)


def _in_version(schema: Any, newest: Any, inputs: Inputs, attributes: dict[str, Any]) -> Any:
    """Inputs, attributes and the number of outputs as a version has them, or None if it can't have them."""
    names = [_input(newest, i).name for i in range(len(inputs))]
    kept, moved = list[np.ndarray | None](), dict(attributes)
    for name, value in zip(names, inputs, strict=True):
        if len(newest.inputs) > 1 and name in schema.attributes:
            if value is not None:
                moved[name] = (
                    value.tolist() if value.ndim or name not in ("min", "max", "ratio") else float(value)
                )
        else:
            kept.append(value)
    outputs = attributes.get("num_outputs", 2) if schema.name == "Split" else 1
    if schema.name == "Split" and "num_outputs" not in schema.attributes:
        moved.pop("num_outputs", None)
    most = len(kept) if schema.inputs[-1].option.name == "Variadic" else len(schema.inputs)
    if not moved.keys() <= schema.attributes.keys() or len(kept) > most:
        return None
    return tuple(kept), moved, (0,), outputs


def model_of(case: Case) -> bytes:
    """The file."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(case.inputs)]
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in case.attributes.items()
    }
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op, names, outputs, "the node", domain=case.domain)
    for name, value in attributes.items():
        kind = defs.get_schema(case.op, case.opset, case.domain).attributes[name].type
        node.attribute.append(helper.make_attribute(name, value, attr_type=int(kind.value)))
    tensors, given = [], []
    for i, (name, x) in enumerate(zip(names, case.inputs, strict=True)):
        if x is None:
            continue
        if i in case.given:
            given.append(
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            )
        else:
            tensors.append(numpy_helper.from_array(x, name))
    made = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "graph", given, made, tensors)
    opsets = [helper.make_opsetid("", 21 if case.domain else case.opset)]
    if case.domain:
        opsets.append(helper.make_opsetid(case.domain, case.opset))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return model.SerializeToString()


def feeds_of(case: Case) -> Sequence[np.ndarray]:
    """What is given to the graph's inputs, in order."""
    return [x for i, x in enumerate(case.inputs) if i in case.given and x is not None]
