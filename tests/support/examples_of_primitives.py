"""Example inputs for every primitive, by name: what the registry-driven tests of all layers iterate over.

Float arrays are given in float64 and mean "any float dtype": `Example.with_dtype` gives them another. Integer arrays
(indices, labels) stay as they are. A primitive without an example fails `tests/primitives/test_registry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.context import cpu
from lamina.core.primitive import REGISTRY

__all__ = ["EXAMPLES", "Example", "all_examples", "special_values"]


@dataclass(frozen=True)
class Example:
    """One application of a primitive. `smooth`: small changes of the float inputs change the result smoothly."""

    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    smooth: bool = True

    def with_dtype(self, dtype: Any) -> tuple[Any, ...]:
        """The inputs, float arrays in `dtype`."""
        return tuple(
            x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in self.inputs
        )

    @property
    def float_places(self) -> list[int]:
        """Which inputs are float arrays, the ones with a gradient."""
        return [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]

    @property
    def label(self) -> str:
        shapes = ",".join(str(np.shape(x)).replace(" ", "") for x in self.inputs)
        return f"{shapes}{self.params or ''}"


_random = np.random.default_rng(0)
_single = np.random.default_rng(1)
SHAPES = ((3, 4), (1,), (0, 3), (7,), (2, 1, 3), (5, 33), ())


def numbers(shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Distinct numbers in [low, high] in random order, so far apart that a small step makes no ties; no integers."""
    if not shape:
        return np.asarray(low + (high - low) * _single.uniform(0.1, 0.9))
    size = int(np.prod(shape))
    grid = (np.arange(size) + 0.5 + _random.uniform(-0.3, 0.3, size)) / max(size, 1)
    values = low + (high - low) * _random.permutation(grid)
    values = np.where(np.abs(values - np.rint(values)) < 0.02, values + 0.04, values)
    return np.clip(values, low, high).reshape(shape)


def special_values(dtype: Any) -> np.ndarray:
    """What float code gets wrong: NaN, infinities, both zeros, the smallest normal, the largest and halfway values."""
    info = np.finfo(dtype)
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 1.0, -1.0, 100.0, -100.0]
    return np.array([*values, info.max, info.min, info.tiny, -info.tiny, info.eps], dtype)


def _unary(low: float = -2.0, high: float = 2.0, smooth: bool = True) -> list[Example]:
    return [Example((numbers(shape, low, high),), smooth=smooth) for shape in SHAPES]


_PAIRS = (
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((0, 3), (3,)),
    ((2, 1, 3), (5, 1)),
    ((7,), (1,)),
    ((), ()),
    ((), (3,)),
)


def _pairs(low: float = -2.0, high: float = 2.0, smooth: bool = True) -> list[Example]:
    arrays = [Example((numbers(a, low, high), numbers(b, low, high)), smooth=smooth) for a, b in _PAIRS]
    x = numbers((3, 4), low, high)
    return [*arrays, Example((x, 1.25), smooth=smooth), Example((0.75, x), smooth=smooth)]


def _comparison() -> list[Example]:
    ties = np.array([[0.0, 1.0, 2.0], [-1.0, 0.0, 1.0]])
    return [*_pairs(smooth=False), Example((ties, np.array([0.0, 1.0, 1.0])), smooth=False)]


def _reduction(low: float = 0.3, high: float = 2.0, empty: bool = True) -> list[Example]:
    cases = [
        ((3, 4), (0,)),
        ((3, 4), (1,)),
        ((3, 4), (0, 1)),
        ((2, 5, 3), (0, 2)),
        ((2, 5, 3), (1,)),
        ((33,), (0,)),
    ]
    cases += [((0, 3), (0,))] if empty else []
    cases += [((0, 3), (1,)), ((3, 4), ()), ((), ())]
    return [
        Example((numbers(shape, low, high),), {"axis": axis, "keepdims": keepdims})
        for shape, axis in cases
        for keepdims in (False, True)
    ]


def _arg_reduction() -> list[Example]:
    cases = [((3, 4), 0), ((3, 4), 1), ((2, 5, 3), 1), ((33,), 0), ((0, 3), 1)]
    ties = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
    return [
        Example((x,), {"axis": axis, "keepdims": keepdims}, smooth=False)
        for x, axis in [*((numbers(shape), axis) for shape, axis in cases), (ties, 1)]
        for keepdims in (False, True)
    ]


def _definite() -> list[np.ndarray]:
    """Positive definite matrices with different eigenvalues, alone and as a batch."""
    roots = numbers((2, 3, 3))
    batch = roots @ roots.swapaxes(-1, -2) + np.diag([1.0, 2.0, 3.5])
    return [batch[0], batch]


def _matmul() -> list[Example]:
    sizes = [(2, 3, 4), (1, 1, 1), (5, 0, 3), (0, 2, 3), (5, 7, 3), (33, 17, 9), (64, 20, 10)]
    examples = [
        Example(
            (numbers((k, m) if ta else (m, k)), numbers((n, k) if tb else (k, n))),
            _flags(ta, tb),
            smooth=m < 30,  # finite differences of all elements of the larger ones would take too long
        )
        for m, k, n in sizes
        for ta in (False, True)
        for tb in (False, True)
    ]
    batch = [
        Example(
            (numbers((3, *((4, 2) if ta else (2, 4)))), numbers((3, *((5, 4) if tb else (4, 5))))),
            _flags(ta, tb),
        )
        for ta in (False, True)
        for tb in (False, True)
    ]
    return examples + batch


def _flags(transpose_a: bool, transpose_b: bool) -> dict[str, bool]:
    return {"transpose_a": transpose_a, "transpose_b": transpose_b}


def _softmax() -> list[Example]:
    cases = [((3, 4), 1), ((3, 4), 0), ((2, 5, 3), 1), ((7,), 0), ((0, 3), 1), ((3, 1), 1)]
    return [Example((numbers(shape),), {"axis": axis}) for shape, axis in cases]


def _reshapes() -> list[Example]:
    shapes = ((12,), (2, 6), (3, 2, 2), (1, 12, 1))
    return [
        *(Example((numbers((3, 4)),), {"shape": shape}) for shape in shapes),
        Example((numbers((0, 3)),), {"shape": (3, 0)}),
    ]


def _slices() -> list[tuple[tuple[int, ...], dict[str, tuple[int, ...]]]]:
    """Shapes with slices of them."""
    return [
        ((5, 4), {"begin": (1, 0), "end": (4, 4), "step": (1, 1)}),
        ((5, 4), {"begin": (0, 1), "end": (5, 4), "step": (2, 2)}),
        ((5, 4), {"begin": (4, 3), "end": (-1, 0), "step": (-1, -2)}),
        ((7,), {"begin": (6,), "end": (-1,), "step": (-3,)}),
        ((5, 4), {"begin": (2, 0), "end": (2, 4), "step": (1, 1)}),
        ((2, 3, 4), {"begin": (0, 1, 0), "end": (2, 2, 4), "step": (1, 1, 1)}),
    ]


def _length(where: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(
        len(range(*bounds)) for bounds in zip(where["begin"], where["end"], where["step"], strict=True)
    )


def _ints(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


_TAKE = [
    ((5, 4), _ints([0, 4, 4, 1]), 0),
    ((5, 4), _ints([[3, 0], [1, 9]]), 1),
    ((2, 5, 3), _ints([4, -1]), 1),
    ((6,), _ints([2]), 0),
    ((5, 4), np.zeros((0,), np.int64), 0),
]


def _take() -> list[Example]:
    return [
        Example((numbers(shape), index), {"axis": axis, "mode": mode})
        for shape, index, axis in _TAKE
        for mode in ("clip", "wrap")
    ]


def _take_add() -> list[Example]:
    return [
        Example(
            (numbers((*shape[:axis], *index.shape, *shape[axis + 1 :])), index),
            {"size": shape[axis], "axis": axis, "mode": mode},
        )
        for shape, index, axis in _TAKE
        for mode in ("clip", "wrap")
    ]


_LINES = [
    ((3, 4), _ints([[1], [3], [0]]), 1),
    ((3, 4), _ints([[1, 2, 0, 0], [9, -1, 2, 1]]), 0),
    ((6,), _ints([5, 5, 0]), 0),
    ((2, 3, 2), _ints([[[0, 2]], [[1, 1]]]), 1),
]


def _take_along() -> list[Example]:
    return [
        Example((numbers(shape), index), {"axis": axis, "mode": mode})
        for shape, index, axis in _LINES
        for mode in ("clip", "wrap")
    ]


def _take_along_add() -> list[Example]:
    return [
        Example((numbers(index.shape), index), {"size": shape[axis], "axis": axis, "mode": mode})
        for shape, index, axis in _LINES
        for mode in ("clip", "wrap")
    ]


_ADDRESSES = [
    ((3, 4), _ints([[0, 2, 2], [3, 1, 1]])),
    ((3, 4), _ints([[2, 0]])),
    ((2, 3, 4), _ints([[[0, 1], [1, 1]], [[2, 0], [0, 2]]])),
    ((3, 4), np.zeros((2, 0), np.int64)),
]


def _gather_nd() -> list[Example]:
    return [Example((numbers(shape), index)) for shape, index in _ADDRESSES]


def _scatter_nd() -> list[Example]:
    return [
        Example((numbers((*index.shape[1:], *shape[index.shape[0] :])), index), {"shape": shape})
        for shape, index in _ADDRESSES
    ]


def _place() -> list[Example]:
    return [Example((numbers(_length(where)),), {"shape": shape, **where}) for shape, where in _slices()]


def _concat() -> list[Example]:
    cases = [([(2, 3), (2, 1), (2, 4)], 1), ([(2, 3), (5, 3)], 0), ([(2, 2, 3), (2, 1, 3)], 1), ([(4,)], 0)]
    cases += [([(2, 0), (2, 3)], 1)]
    return [Example(tuple(numbers(s) for s in shapes), {"axis": axis}) for shapes, axis in cases]


def _sort() -> list[Example]:
    return [
        Example((numbers(shape),), {"axis": axis, "ascending": ascending})
        for shape, axis in [((3, 4), 1), ((3, 4), 0), ((2, 5, 3), 1), ((33,), 0), ((0, 3), 1)]
        for ascending in (True, False)
    ]


def _argsort() -> list[Example]:
    return [
        Example(e.inputs, {**e.params, "dtype": np.dtype(dtype)}, smooth=False)
        for e in _sort()
        for dtype in (np.float32, np.int64)
    ]


def _where() -> list[Example]:
    mask = np.array([[0.0, 1.0, 2.0, 0.0]] * 3)
    column, x, y = np.array([[1.0], [0.0], [1.0]]), numbers((3, 4)), numbers((3, 4))
    return [
        Example((mask, x, y)),
        Example((column, x, numbers((4,)))),
        Example((mask, x, 0.5)),
        Example((mask, 0.0, y)),
    ]


SMOOTH = (
    "negative", "exp", "expm1", "sin", "cos", "sinh", "cosh", "tanh", "arctan", "arcsinh", "erf", "sigmoid",
    "softrelu",
)  # fmt: skip
STEPS = ("sign", "floor", "ceil", "trunc", "rint", "round")
POSITIVE = ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "cbrt", "gammaln")
INSIDE_ONE = ("arcsin", "arccos", "arctanh", "erfinv")
ARITHMETIC = ("add", "subtract", "multiply", "maximum", "minimum", "arctan2", "hypot")
COMPARISONS = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
LOGIC = ("logical_and", "logical_or", "logical_xor")

EXAMPLES: dict[str, list[Example]] = {
    **{name: _unary() for name in SMOOTH},
    **{name: _unary(smooth=False) for name in STEPS},
    **{name: _unary(0.1, 3.0) for name in POSITIVE},
    **{name: _unary(-0.9, 0.9) for name in INSIDE_ONE},
    "abs": _unary(),
    "relu": _unary(),
    "nan_to_zero": [*_unary(), Example((np.array([[1.5, np.nan, -0.5]]),), smooth=False)],
    "tan": _unary(-1.2, 1.2),
    "arccosh": _unary(1.1, 4.0),
    "digamma": _unary(0.1, 3.0, smooth=False) + _unary(-2.9, -2.1, smooth=False),
    **{name: _pairs() for name in ARITHMETIC},
    **{name: _comparison() for name in COMPARISONS},
    **{name: _comparison() for name in LOGIC},
    "divide": _pairs(0.5, 2.0),
    "power": [*_pairs(0.5, 2.0), Example((numbers((3, 4)), 2.0)), Example((numbers((5,)), 3.0))],
    "mod": [
        Example((numbers((3, 4), 5.1, 5.9), numbers((4,), 2.1, 2.4))),
        Example((numbers((7,), -0.9, -0.1), 1.25)),
    ],
    "where": _where(),
    "cast": [
        Example((numbers((3, 4)),), {"dtype": np.dtype(d)}, smooth=False)
        for d in (np.float32, np.int32, np.uint8)
    ]
    + [
        Example((numbers((3, 4)),), {"dtype": np.dtype(np.float64)}),
        Example((_ints([[1, -2], [3, 4]]),), {"dtype": np.dtype(np.float32)}),
    ],
    "stop_gradient": [Example((numbers((3, 4)),), {}, smooth=False)],
    "independent": [Example((numbers((3, 4)), numbers((3, 4))))],
    "straight_through": [Example((numbers((3, 4)), numbers((3, 4))), smooth=False)],
    "output_layer": [Example((numbers((3, 4)), numbers((3, 4)), numbers((3, 4))), smooth=False)],
    "polygamma": [
        Example((numbers(shape, 0.3, 4.0),), {"order": n}) for shape, n in (((3, 4), 1), ((0,), 2))
    ],
    "cumsum": [
        Example((numbers(shape),), {"axis": axis, "reverse": reverse})
        for shape, axis, reverse in (((3, 4), 0, False), ((2, 5, 3), 1, True), ((0, 3), 1, False))
    ],
    # Of symmetric matrices one triangle is read, but both get a gradient: see tests/nd/test_factorizations.py.
    "cholesky": [Example((x,), smooth=False) for x in _definite()],
    "eigenvalues": [Example((x,), smooth=False) for x in _definite()],
    "eigenvectors": [Example((x,), smooth=False) for x in _definite()],
    "inverse": [Example((x,)) for x in _definite()],
    "determinant": [Example((x,)) for x in _definite()],
    "log_determinant": [Example((x,)) for x in _definite()],
    "sign_of_determinant": [Example((x,)) for x in _definite()],
    "orthonormal_rows": [Example((numbers((2, 3)),)), Example((numbers((2, 2, 4)),))],
    "triangular_solve": [
        Example((x, numbers((*x.shape[:-1], 2))), {"transpose": transpose, "lower": lower})
        for x in _definite()
        for transpose, lower in ((False, True), (True, False), (True, True))
    ],
    "to_context": [Example((numbers((3, 4)),), {"context": cpu(1)})],
    "sum": _reduction(),
    "prod": _reduction(),
    "max": _reduction(empty=False),
    "min": _reduction(empty=False),
    "argmax": _arg_reduction(),
    "argmin": _arg_reduction(),
    "matmul": _matmul(),
    "softmax": _softmax(),
    "log_softmax": _softmax(),
    "reshape": _reshapes(),
    "reshape_copy": _reshapes(),
    "transpose": [
        Example((numbers(s),), {"axes": a})
        for s, a in [
            ((3, 4), (1, 0)),
            ((2, 3, 4), (2, 0, 1)),
            ((2, 3, 4), (0, 2, 1)),
            ((5,), (0,)),
            ((0, 3), (1, 0)),
        ]
    ],
    "broadcast_to": [
        Example((numbers(s),), {"shape": t})
        for s, t in [((4,), (3, 4)), ((3, 1), (3, 4)), ((1,), (5,)), ((2, 1, 3), (2, 5, 3)), ((1, 3), (0, 3))]
    ],
    "slice": [Example((numbers(shape),), where) for shape, where in _slices()],
    "place": _place(),
    "slice_copy": [Example((numbers(shape),), where) for shape, where in _slices()],
    "slice_assign": [Example((numbers(shape), numbers(_length(where))), where) for shape, where in _slices()],
    "concat": _concat(),
    "take": _take(),
    "take_add": _take_add(),
    "take_along": _take_along(),
    "take_along_add": _take_along_add(),
    "gather_nd": _gather_nd(),
    "scatter_nd_add": _scatter_nd(),
    "scatter_nd_set": _scatter_nd(),
    "one_hot": [
        Example((_ints(indices),), {"depth": depth, "dtype": np.dtype(d)}, smooth=False)
        for indices, depth, d in [
            ([1, 0, 3], 4, np.float32),
            ([[2, -1], [5, 0]], 3, np.int32),
            ([], 2, np.float64),
        ]
    ],
    "iota": [
        Example((), {"size": n, "start": start, "step": step, "dtype": np.dtype(d)}, smooth=False)
        for n, start, step, d in [
            (5, 0, 1, np.float32),
            (4, 1.5, -0.25, np.float64),
            (3, 2, 3, np.int32),
            (0, 0, 1, np.int64),
        ]
    ],
    "full": [
        Example((value,), {"shape": shape, "dtype": np.dtype(d)}, smooth=False)
        for value, shape, d in [
            (0, (3, 4), np.float32),
            (1.5, (7,), np.float64),
            (2, (0, 3), np.int32),
            (1, (1,), np.uint8),
        ]
    ],
    "sort": _sort(),
    "argsort": _argsort(),
    "random_uniform": [
        Example((seed, stream), {"shape": shape, "dtype": np.dtype(d)}, smooth=False)
        for seed, stream, shape, d in [
            (1, 0, (5,), np.float32),
            (2, 7, (3, 4), np.float64),
            (3, 1 << 40, (0, 3), np.float32),
        ]
    ],
    "random_bits": [
        Example((seed, stream), {"shape": shape, "dtype": np.dtype(d)}, smooth=False)
        for seed, stream, shape, d in [
            (1, 0, (37,), np.uint16),
            (2, 7, (3, 4), np.uint8),
            (3, 1 << 40, (0, 3), np.uint32),
            (4, 1, (2, 3), np.uint64),
            (5, 1, (16, 16), np.uint16),
        ]
    ],
    "same_log": _unary(0.1, 3.0),
    "same_exp": _unary(-3.0, 3.0),
    "same_expm1": _unary(0.01, 3.0),
    "same_cosine_of_turns": _unary(0.0, 1.0),
    "random_gamma": [Example((1, 5, numbers((3, 4), 0.2, 3.0)), smooth=False)],
    "random_poisson": [Example((1, 5, numbers((3, 4), 0.2, 30.0)), smooth=False)],
}


def all_examples() -> list[tuple[str, Example]]:
    """(name, example) for each declared primitive that has examples, in the order of the registry."""
    return [(name, example) for name in REGISTRY for example in EXAMPLES.get(name, ())]
