"""Every function works inside lamina.compile, and gives there what it gives outside."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.errors import TraceError

rng = np.random.default_rng(0)
X = nd.array(rng.uniform(0.2, 0.9, (4, 6)))
Y = nd.array(rng.uniform(0.2, 0.9, (4, 6)))
CUBE = nd.array(rng.normal(size=(2, 3, 4)))
ROW = nd.array(rng.normal(size=6))
LABELS = nd.array([1, 0, 5, 3])
W = nd.array(rng.normal(size=(5, 6)))

UNARY = (
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil", "cos", "cosh",
    "degrees", "erf", "erfinv", "exp", "expm1", "fix", "floor", "gamma", "gammaln", "digamma", "log",
    "log10", "log1p", "log2", "logical_not", "negative", "radians", "rcbrt", "reciprocal", "rint", "round",
    "rsqrt", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc", "relu", "sigmoid", "softrelu",
    "softsign", "log_sigmoid", "mish", "hard_sigmoid", "gelu", "elu", "selu", "leaky_relu", "smooth_l1",
    "identity", "make_loss", "stop_gradient", "softmax", "log_softmax", "softmin", "SoftmaxActivation",
    "sum", "prod", "max", "min", "mean", "nansum", "nanprod", "norm", "argmax", "argmin", "argmax_channel",
    "flatten", "squeeze", "transpose", "shape_array", "size_array", "zeros_like", "ones_like",
    "L2Normalization",
)  # fmt: skip
BINARY = (
    "add", "subtract", "multiply", "divide", "modulo", "power", "maximum", "minimum", "hypot", "arctan2",
    "equal", "not_equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and", "logical_or",
    "logical_xor",
)  # fmt: skip

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{name: (getattr(nd, name), (X + 1 if name == "arccosh" else X,)) for name in UNARY},
    **{name: (getattr(nd, name), (X, Y)) for name in BINARY},
    "operators": (lambda x, y: (x + 2) * y - x / 3 + (1 - y) ** 2 + 2**x + (x > y) * (x == 0.5), (X, Y)),
    "broadcasting": (lambda x, r: x * r + r.expand_dims(0), (X, ROW)),
    "add_n": (lambda x, y: nd.add_n(x, y, x), (X, Y)),
    "clip": (lambda x: x.clip(0.3, 0.6), (X,)),
    "cast": (lambda x: (x * 10).astype("int32"), (X,)),
    "reductions": (lambda c: [c.sum(axis=a, keepdims=True) for a in (0, 1, (0, 2))], (CUBE,)),
    "exclude": (lambda c: nd.nansum(c, axis=0, exclude=True), (CUBE,)),
    "dot": (lambda x, w: nd.dot(x, w, transpose_b=True), (X, W)),
    "dot of ranks": (nd.dot, (CUBE, nd.array([1, 2, 3, 4]))),
    "batch_dot": (lambda c: nd.batch_dot(c, c, transpose_b=True), (CUBE,)),
    "gemm2": (lambda c: nd.linalg.gemm2(c, c, transpose_a=True, alpha=2.0), (CUBE,)),
    "syrk": (nd.linalg.syrk, (X,)),
    "reshape": (lambda c: c.reshape((-3, 0)), (CUBE,)),
    "swapaxes": (lambda c: nd.swapaxes(c, 0, 2), (CUBE,)),
    "moveaxis": (lambda c: nd.moveaxis(c, 0, -1), (CUBE,)),
    "broadcast_to": (lambda r: r.broadcast_to((3, 6)), (ROW,)),
    "broadcast_like": (lambda r, x: r.expand_dims(0).broadcast_like(x), (ROW, X)),
    "concat": (lambda x, y: nd.concat(x, y, x, dim=0), (X, Y)),
    "stack": (lambda x, y: nd.stack(x, y, axis=1), (X, Y)),
    "split": (lambda x: nd.split(x, num_outputs=3), (X,)),
    "tile": (lambda x: x.tile((2, 1, 2)), (X,)),
    "repeat": (lambda x: x.repeat(2, axis=1), (X,)),
    "flip": (lambda x: x.flip(axis=1), (X,)),
    "pad": (lambda x: x.pad(pad_width=(1, 0, 0, 2), constant_value=3), (X,)),
    "slice": (lambda x: nd.slice(x, (1, None), (4, -1), (2, 1)), (X,)),
    "slice_axis": (lambda x: x.slice_axis(1, 1, 4), (X,)),
    "basic index": (lambda c: [c[1], c[:, 1:, 0], c[..., -1], c[None, 0], c[::-1, ::2]], (CUBE,)),
    "index by an array": (lambda x, i: x[i], (X, nd.array([3, 0, -1]))),
    "index by a list": (lambda x: [x[[2, 0]], x[:, [1, 1]], x[[0, 1], [2, 3]]], (X,)),
    "take": (lambda x, i: x.take(i, axis=1, mode="wrap"), (X, nd.array([7, -1, 2]))),
    "pick": (lambda x, i: x.pick(i), (X, LABELS)),
    "gather_nd": (nd.gather_nd, (X, nd.array([[0, 3], [5, 1]]))),
    "scatter_nd": (lambda v, i: nd.scatter_nd(v, i, (4, 6)), (nd.array([1, 2]), nd.array([[0, 3], [5, 1]]))),
    "one_hot": (lambda i: nd.one_hot(i, 6, on_value=2, off_value=1), (LABELS,)),
    "where": (lambda x, y: nd.where(x > y, x, 0), (X, Y)),
    "diag": (lambda x, r: [nd.diag(x, k=1), nd.diag(r, k=-1)], (X, ROW)),
    "Embedding": (lambda i, w: nd.Embedding(i, w, 5, 6), (LABELS, W)),
    "FullyConnected": (nd.FullyConnected, (CUBE, nd.ones((5, 12)), nd.ones(5))),
    "softmax_cross_entropy": (nd.softmax_cross_entropy, (X, LABELS)),
    "softmax": (lambda c: nd.softmax(c, axis=1, temperature=0.5), (CUBE,)),
    "prelu": (lambda x, g: nd.LeakyReLU(x - 0.5, g, act_type="prelu"), (X, ROW)),
    "LayerNorm": (lambda x, g: nd.LayerNorm(x, g, g), (X, ROW)),
    "BatchNorm": (lambda x, g: nd.BatchNorm(x, g, g, g, g * g, fix_gamma=False), (X, ROW)),
    "creation": (
        lambda x: [
            x * nd.eye(4, 6),
            x + nd.arange(6),
            x * nd.linspace(0, 1, 6),
            x + nd.full((6,), 2),
            x * nd.ones(6),
        ],
        (X,),
    ),
    "sort": (
        lambda x: [x.sort(axis=0), x.argsort(), *x.topk(k=2, ret_typ="both"), x.topk(k=2, ret_typ="mask")],
        (X,),
    ),
}


def assigned(x: Any, y: Any) -> Any:
    z = x.copy()
    z[1] = 5
    z[:, 2] = y[:, 0]
    z[nd.array([0, 3])] = -y[:2]
    z += 1
    z.reshape((24,))[3:5] = 9
    return z


CASES["assignment"] = (assigned, (X, Y))
EAGER_ONLY = {"sort", "gamma variates", "poisson", "shuffle"}


def run(name: str, function: Callable[..., Any], *inputs: Any) -> Any:
    """Compiled; what can't be says so in a warning, and runs eagerly."""
    compiled = lamina.compile(function)
    if name in EAGER_ONLY:
        with pytest.warns(UserWarning, match="runs eagerly, since the operator .* has no compiled form"):
            compiled(*inputs)
    return compiled


def values(result: Any) -> list[np.ndarray]:
    return [r.asnumpy() for r in result] if isinstance(result, list | tuple) else [result.asnumpy()]


@pytest.mark.few(70)
@pytest.mark.compiles
@pytest.mark.parametrize("name", CASES)
def test_compiled_as_eager(name: str) -> None:
    function, inputs = CASES[name]
    expected = values(function(*inputs))
    got = values(run(name, function, *inputs)(*inputs))
    assert len(got) == len(expected)
    for g, e in zip(got, expected, strict=True):
        assert g.dtype == e.dtype
        np.testing.assert_allclose(g, e, rtol=3e-5, atol=3e-6)


RANDOM: dict[str, Callable[[], Any]] = {
    "uniform": lambda: nd.random.uniform(-1, 2, shape=(3, 4)),
    "normal": lambda: nd.random.normal(1, 2, shape=(3, 4)),
    "exponential": lambda: nd.random.exponential(2.0, shape=5),
    "randint": lambda: nd.random.randint(0, 9, shape=7),
    "multinomial": lambda: nd.random.multinomial(nd.array([0.2, 0.3, 0.5]), shape=6),
    "dropout": lambda: nd.Dropout(nd.ones((4, 5)), p=0.4, mode="always"),
    "gamma variates": lambda: nd.random.gamma(2.0, 3.0, shape=4),
    "poisson": lambda: nd.random.poisson(3.0, shape=4),
    "shuffle": lambda: nd.random.shuffle(nd.arange(6)),
}


@pytest.mark.compiles
@pytest.mark.parametrize("name", RANDOM)
def test_random_numbers_are_the_same_compiled_and_new_at_each_step(name: str) -> None:
    function = RANDOM[name]
    compiled = run(name, function)
    nd.random.seed(11)
    expected = [function().asnumpy() for _ in range(3)]
    nd.random.seed(11)
    got = [compiled().asnumpy() for _ in range(3)]
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-5, atol=1e-6)
    assert (got[0] != got[1]).any()


@pytest.mark.compiles
def test_what_needs_values_says_so() -> None:
    with pytest.raises(TraceError, match="value of an array"):
        lamina.compile(lambda x: nd.contrib.boolean_mask(x, x[:, 0]))(X)


def test_gradients_inside() -> None:
    w = nd.array(W.asnumpy())
    w.attach_grad()

    def step(x: Any, label: Any) -> Any:
        with autograd.record():
            scores = nd.FullyConnected(x, w, num_hidden=5, no_bias=True)
            loss = nd.softmax_cross_entropy(nd.LeakyReLU(scores), label)
        loss.backward()
        w[:] = w - 0.1 * w.grad
        return loss

    labels = nd.array([1, 0, 4, 3])
    first = [step(X, labels).asscalar() for _ in range(3)]
    w[:] = W
    compiled = lamina.compile(step)
    np.testing.assert_allclose([compiled(X, labels).asscalar() for _ in range(3)], first, rtol=1e-5)
