"""`np` and `npx`: MXNet's arrays with NumPy's semantics. Programs that use them are in the folder ``programs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy

NAMESPACES = ("mx.np", "mx.np.ndarray", "mx.np.random", "mx.np.linalg", "mx.npx", "mx.npx.random")


def prepare(mx: Any) -> dict[str, Any]:
    """Arrays that the calls may use, made anew for each."""
    mx.npx.set_np()
    array = mx.np.array
    return {
        "np": mx.np,
        "npx": mx.npx,
        "onp": numpy,
        "F": array([1.0, -2.0, 3.0]),
        "D": array([1.0, 2.0, 3.0], dtype="float64"),
        "H": array([1.0, 2.0, 3.0], dtype="float16"),
        "I": array([1, 2, 3], dtype="int32"),
        "L": array([3, 1, 2], dtype="int64"),
        "U": array([1, 2, 3], dtype="uint8"),
        "I8": array([1, -2, 3], dtype="int8"),
        "B": array([1.0, 0.0, 2.0]) > 0,
        "M": array(numpy.arange(6).reshape(2, 3), dtype="float32"),
        "A": array(numpy.arange(24).reshape(2, 3, 4) / 4 - 3, dtype="float32"),
        "S": array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]]),
        "grads": lambda function, *arrays: _grads(mx, function, arrays),
    }


def _grads(mx: Any, function: Any, arrays: tuple[Any, ...]) -> Any:
    """The output of a function, and the gradients of its inputs with head gradients 1, 2, 3, …"""
    for x in arrays:
        x.attach_grad()
    with mx.autograd.record():
        y = function(*arrays)
    y.backward(mx.np.arange(1, y.size + 1, dtype=y.dtype).reshape(y.shape))
    return [y, *[x.grad for x in arrays]]


_TYPED = "F D H I L U I8 B".split()
_MIXED = [
    f"{x} {op} {y}"
    for op in ("+", "*", "**")
    for x in _TYPED
    for y in [*_TYPED, "2"]
    if {x, y} != {"U", "I8"}
]
_MIXED += [f"{x} {op} {y}" for op in ("-", "/", "%", "==", "<", ">=") for x in _TYPED for y in (x, "2")]
_MIXED += [f"{x} - {y}" for x in "FDH" for y in _TYPED]
"""The operators between arrays of all types, and with a number, as far as MXNet has them."""

CALLS = (
    "\n".join(_MIXED)
    + """
# --- creation
np.array([1, 2, 3])
np.array([[1, 2], [3, 4]], dtype="int32")
np.array([True, False])
np.array(3)
np.array(2.5, dtype="float64")
np.array(onp.arange(3))
np.array(onp.array([1.0, 2.0]))
np.array(onp.float64(2))
np.array(I)
np.array([np.array(1.0), np.array(2.0)])
np.array([[1, 2], [3]])
np.array("abc")
np.zeros(3)
np.zeros((2, 0))
np.zeros(())
np.zeros((2, 3), dtype="int32")
np.zeros((2,), "float64")
np.ones((2, 2))
np.ones(2, dtype=bool)
np.full((2,), 7)
np.full(2, 1.5, dtype="float64")
np.full(2, True)
np.full_like(I, 3)
np.zeros_like(I)
np.ones_like(B)
np.empty((2, 3)).shape
np.empty_like(M).shape
np.arange(3)
np.arange(1, 4)
np.arange(0, 1, 0.25)
np.arange(3, dtype="int32")
np.arange(5, 1)
np.arange(5, 0, -2)
np.arange(0)
np.linspace(0, 1, 5)
np.linspace(0, 1, 4, endpoint=False)
np.linspace(0, 10, 3, dtype="int32")
np.logspace(0, 2, 3)
np.eye(2)
np.eye(2, 3, 1)
np.eye(3, k=-1, dtype="int32")
np.identity(2)
np.tril(S)
np.tril(S, -1)
np.indices((2, 3))
np.meshgrid(F, np.arange(2))
np.meshgrid(F, np.arange(2), indexing="ij")
np.hanning(4)
np.blackman(4)
np.hamming(4)
# --- what an array is
F.shape, M.ndim, M.size, str(F.dtype), F.dtype == onp.float32
np.array(3).shape, np.array(3).size, np.array(3).ndim
len(M)
len(np.array(3))
repr(F)
repr(M)
repr(np.array(3))
repr(I)
repr(B)
repr(D)
repr(np.zeros((2, 0)))
str(M)
str(np.array(2.5))
f"{np.array(2.5):.2f}"
f"{F}"
"%.3f" % np.array(2.5)
F.item()
F[0].item()
F.item(1)
F.tolist()
float(F[0])
int(I[0])
bool(F[0])
bool(F)
list(map(float, F))
[row.shape for row in M]
sum(F)
F.as_nd_ndarray()
F.as_nd_ndarray().as_np_ndarray()
F.astype("int32")
F.astype(int)
F.astype("bool")
F.astype(onp.float64)
F.copy()
F.T
M.T
M.reshape(3, 2)
M.reshape((3, 2))
M.reshape(-1)
M.reshape(3, -1)
M.reshape(4, 2)
M.reshape(-1, -1)
F.grad
F.detach()
F == None
onp.asarray(F.asnumpy())
# --- one array
np.abs(F)
np.abs(I8)
np.absolute(F)
np.fabs(F)
abs(F)
-F
-B
~B
~I
np.negative(I)
np.sign(F)
np.exp(F)
np.exp(I)
np.expm1(F)
np.log(np.abs(F))
np.log2(np.abs(F))
np.log10(np.abs(F))
np.log1p(np.abs(F))
np.sqrt(np.abs(F))
np.sqrt(I)
np.cbrt(F)
np.square(F)
np.square(I)
np.reciprocal(F)
np.sin(F)
np.cos(F)
np.tan(F)
np.arcsin(F / 4)
np.arccos(F / 4)
np.arctan(F)
np.sinh(F)
np.cosh(F)
np.tanh(F)
np.tanh(H)
np.arcsinh(F)
np.arccosh(np.abs(F) + 1)
np.arctanh(F / 4)
np.degrees(F)
np.radians(F)
np.deg2rad(F)
np.rad2deg(F)
np.floor(A)
np.ceil(A)
np.trunc(A)
np.fix(A)
np.rint(A)
np.around(A)
np.around(A, 1)
np.round(A)
A.round()
np.isnan(np.array([1, onp.nan]))
np.isinf(np.array([1, onp.inf, -onp.inf]))
np.isfinite(np.array([1, onp.inf, onp.nan]))
np.isposinf(np.array([1, onp.inf, -onp.inf]))
np.isneginf(np.array([1, onp.inf, -onp.inf]))
np.logical_not(F)
np.logical_not(B)
np.invert(I)
np.nan_to_num(np.array([1, onp.nan, onp.inf]))
np.exp(2.0)
np.sqrt(4)
np.exp(B)
np.exp(F, out=D)
np.exp([1.0, 2.0])
# --- two arrays
np.add(F, 1)
np.add(1, 2)
np.subtract(F, M)
np.multiply(F, M)
np.divide(F, I)
np.true_divide(I, I)
np.divide(1, F)
np.mod(F, 2)
np.remainder(F, 2)
np.fmod(F, 2)
np.power(F, 2)
np.power(2, F)
np.maximum(F, 0)
np.maximum(0, F)
np.minimum(F, M)
np.maximum(F, I)
np.hypot(F, 4)
np.arctan2(F, 2)
np.copysign(F, np.array([-1, 1, -1]))
np.ldexp(F, np.array([1, 2, 3]))
np.equal(F, 1)
np.not_equal(F, 1)
np.greater(F, 1)
np.greater_equal(F, 1)
np.less(F, 1)
np.less_equal(F, 1)
np.bitwise_and(I, 2)
np.bitwise_or(I, I)
np.bitwise_xor(I, 1)
B & B
B | (F > 0)
B ^ B
I & 1
F & F
F + np.ones((2, 2))
F + M
2 - F
2 / F
2 ** F
7 % I
1 / I
2.5 / I
I / 2.5
I + 1.5
I > 1.5
I == 1.5
B + 1
B * 2.5
B / 2
B == True
F + onp.float64(2)
onp.float32(2) * F
F + [1, 2, 3]
F + onp.ones(3)
np.lcm(I, 4)
np.clip(F, -1, 2)
np.clip(F, None, 2)
np.clip(I, 0, 2)
F.clip(0, 1)
# --- in place
x = F.copy(); x += 1; x
x = F.copy(); x -= M[0]; x
x = F.copy(); x *= 2; x
x = F.copy(); x /= 2; x
x = F.copy(); x += I; x
x = I.copy(); x += F; x
x = I.copy(); x += 1.5; x
x = I.copy(); x += 1; x
x = F.copy(); y = x; x += 1; y
x = F.copy(); x[:] = 5; x
x = F.copy(); x[1] = 5; x
x = F.copy(); x[-1] = np.array(7); x
x = F.copy(); x[x > 0] = 0; x
x = M.copy(); x[0] = F; x
x = M.copy(); x[:, 1] = 7; x
x = M.copy(); x[0, 1:] = np.array([8, 9]); x
x = M.copy(); x[:] = onp.ones(3); x
x = M.copy(); x[[0, 1], [1, 2]] = 0; x
x = M.copy(); x[M > 2] = 9; x
x = M.copy(); v = x[0]; v[:] = 1; x
x = M.copy(); x[0][1] = 9; x
x = M.copy(); v = x.reshape(-1); v[:] = 1; x
x = M.copy(); x[0:2, 0:2] += 1; x
x = I.copy(); x[0] = 2.7; x
# --- parts
F[0]
F[-1]
F[1:]
F[::2]
F[::-1]
F[5]
F[[0, 2]]
F[[5]]
F[(0,)]
F[None]
F[:, None]
F[...]
F[B]
F[F > 0]
F[np.array([0, 2])]
F[np.array([0, 2], dtype="int32")]
F[np.array(1)]
F[onp.array([0, 1])]
M[1]
M[0, 1]
M[0][1]
M[:, 1]
M[..., 0]
M[1, ...]
M[[0, 1], [1, 2]]
M[[0, 1]]
M[:, [0, 2]]
M[:, B]
M[M > 2]
M[np.array([0, 1]), np.array([1, 2])]
M[0:1, 1:3]
M[None, :, None]
A[0, 1, 2]
A[:, 0, 1:3]
A[1, [0, 2]]
A[:, np.array([0, 1]), np.array([1, 2])]
M[2]
M[0, 1, 2]
np.array(3)[()]
np.take(F, np.array([0, 2]))
np.take(M, np.array([0, 2]), axis=1)
np.take(M, np.array([1, 5]), axis=0, mode="clip")
np.take(M, np.array([1, 5]), axis=0, mode="wrap")
M.take(np.array([[0, 1]]), axis=0)
np.where(F > 0)
np.where(F > 0, F, 0)
np.where(F > 0, 1.5, F)
np.where(B, 1, 0)
np.where(F > 0, F, np.zeros((2, 3)))
np.where(F > 0, F, I)
np.nonzero(F)
np.flatnonzero(F)
np.argwhere(M)
np.diag(F)
np.diag(M)
np.diag(S, 1)
np.diagflat(F)
np.diagonal(A)
np.trace(S)
np.unique(np.array([3, 1, 3]))
np.unique(np.array([3, 1, 3]), return_counts=True)
np.delete(F, 1)
np.delete(M, [0, 2], axis=1)
np.insert(F, 1, 9.0)
np.compress(np.array([1, 0, 1]), F)
np.extract(F > 0, F)
np.unravel_index(np.array([1, 5], dtype="int64"), (2, 3))
# --- reductions
F.sum()
M.sum(axis=0)
M.sum(axis=1, keepdims=True)
M.sum(axis=(0, 1))
M.sum(-1)
A.sum(axis=(0, 2))
I.sum()
U.sum()
H.sum()
B.sum()
F.sum(dtype="float64")
F.sum(axis=2)
np.sum(M, axis=0, keepdims=True)
np.sum(np.array(2.5), keepdims=True).shape
np.prod(np.array(2.5), keepdims=True).shape
np.max(np.array(2.5), keepdims=True).shape
np.min(np.array(2.5), keepdims=True).shape
np.mean(np.array(2.5), keepdims=True).shape
np.std(np.array(2.5), keepdims=True).shape
np.var(np.array(2.5), keepdims=True).shape
np.any(np.array(2.5), keepdims=True).shape
np.all(np.array(2.5), keepdims=True).shape
np.zeros((0, 3)).sum()
np.zeros((0, 3)).sum(axis=0)
np.zeros((0,)).max()
F.mean()
I.mean()
B.mean()
M.mean(axis=0)
I.mean(dtype="float64")
F.prod()
I.prod()
F.max()
F.min()
M.max(axis=1)
M.max(axis=0, keepdims=True)
I.max()
B.max()
np.amax(M)
np.ptp(M)
F.std()
F.var()
M.std(axis=0)
M.var(axis=1, ddof=1)
I.std()
np.average(F, weights=np.array([1, 2, 3]))
np.average(M, axis=1, weights=np.array([1, 2, 3]))
F.argmax()
M.argmax(axis=1)
M.argmin(axis=0)
np.argmax(M, axis=0)
np.argmax(I)
np.any(F)
np.all(F)
np.any(B)
M.any(axis=0)
M.all(axis=1)
np.cumsum(F)
np.cumsum(M, axis=0)
np.cumsum(I)
np.cumsum(B)
np.nansum(np.array([1, onp.nan]))
np.nanprod(np.array([2, onp.nan]))
np.count_nonzero(F)
np.percentile(F, 50)
np.quantile(F, 0.25)
np.bincount(I)
np.diff(F)
np.diff(M, axis=0)
np.ediff1d(F)
np.histogram(F, bins=3, range=(0, 3))
# --- shapes
np.reshape(M, (3, 2))
np.reshape(M, -1)
np.ravel(M)
M.flatten()
np.expand_dims(F, 0)
np.expand_dims(F, -1)
np.squeeze(M[None])
np.squeeze(M[None], axis=0)
np.squeeze(M, axis=0)
np.transpose(A).shape
np.transpose(A, (1, 0, 2)).shape
A.transpose(2, 0, 1).shape
M.transpose()
np.swapaxes(A, 0, 2).shape
A.swapaxes(0, 1).shape
np.moveaxis(A, 0, -1).shape
np.rollaxis(A, 2).shape
np.broadcast_to(F, (2, 3))
np.broadcast_to(F, (3, 2))
np.broadcast_arrays(F, M)
np.atleast_1d(np.array(3))
np.atleast_2d(F)
np.atleast_3d(F)
np.concatenate([F, F])
np.concatenate([M, M], axis=1)
np.concatenate([M, M], axis=None)
np.concatenate([F, I])
np.concatenate([M, F])
np.concatenate([B, B])
np.concatenate((M, np.zeros((1, 3))), axis=0)
np.stack([F, F])
np.stack([F, F], axis=1)
np.stack([np.array(1), np.array(2)])
np.stack([M, F])
np.vstack([F, F])
np.hstack([F, F])
np.hstack([M, M])
np.dstack([M, M])
np.column_stack([F, F])
np.row_stack([F, F])
np.append(F, 5.0)
np.append(M, M, axis=0)
np.split(M, 3, axis=1)
np.split(F, [1])
np.split(F, 2)
np.array_split(F, 2)
np.hsplit(M, 3)
np.vsplit(M, 2)
np.dsplit(A, 2)
np.repeat(F, 2)
np.repeat(M, 2, axis=0)
np.tile(F, 2)
np.tile(F, (2, 2))
np.flip(M, 0)
np.flip(M)
np.flipud(M)
np.fliplr(M)
np.roll(F, 1)
np.roll(M, 1, axis=1)
np.rot90(M)
np.pad(M, ((1, 1), (0, 2)))
np.pad(M, ((1, 0), (0, 1)), mode="constant", constant_values=7)
np.pad(M, ((1, 1), (1, 1)), mode="edge")
np.pad(M, ((1, 1), (1, 1)), mode="reflect")
np.shape(M), np.ndim(M), np.size(M)
# --- order
np.sort(F)
np.sort(S, axis=0)
np.sort(S, axis=None)
np.argsort(F)
np.argsort(S, axis=0)
F.argsort()
np.msort(S)
np.searchsorted(np.array([1, 2, 3]), np.array([1.5, 2.5]))
# --- products
np.dot(F, F)
np.dot(M, F)
np.dot(M, M.T)
np.dot(M, M)
np.dot(M, 2)
np.dot(A, np.ones((4, 2)))
np.dot(I, I)
F.dot(F)
np.matmul(M, M.T)
np.matmul(A, np.ones((4, 2)))
np.matmul(A, np.ones((2, 4, 2)))
np.matmul(M, F)
np.matmul(F, F)
M @ F
M @ M
np.inner(F, F)
np.inner(M, M)
np.outer(F, F)
np.vdot(F, F)
np.tensordot(M, M, 2)
np.tensordot(M, M, ((0,), (0,)))
np.tensordot(A, np.ones((4, 2)), axes=1)
np.einsum("ij,ij->i", M, M)
np.einsum("ij,kj->ik", M, M)
np.einsum("ij->ji", M)
np.einsum("ij->", M)
np.einsum("ii->i", S)
np.einsum("ii", S)
np.einsum("ijk,kl->ijl", A, np.ones((4, 2)))
np.einsum("...k,k->...", A, np.arange(4))
np.einsum("bij,bkj->bik", A, A)
np.einsum("i,j,k->ijk", F, F, F)
# --- linear algebra
np.linalg.norm(F)
np.linalg.norm(M)
np.linalg.norm(M, axis=1)
np.linalg.norm(M, "fro")
np.linalg.norm(F, 1)
np.linalg.norm(F, onp.inf)
np.linalg.norm(M, axis=1, keepdims=True)
np.linalg.norm(M, 1, axis=(0, 1))
np.linalg.inv(S)
np.linalg.det(S)
np.linalg.slogdet(S)
np.linalg.cholesky(S)
np.linalg.solve(S, F)
np.linalg.solve(S, S)
np.linalg.eigvalsh(S)
np.linalg.pinv(M).shape
np.linalg.svd(M)[1]
np.linalg.matrix_rank(S)
np.linalg.matrix_power(S, 3)
np.linalg.lstsq(S, F, rcond=None)[0]
np.linalg.multi_dot([M, S, S])
# --- random
kind(np.random.normal())
kind(np.random.normal(0, 1, (2, 3)))
kind(np.random.normal(0, 1, size=3))
kind(np.random.normal(F, 1))
kind(np.random.normal(0, 1, 2, dtype="float64"))
kind(np.random.uniform(size=3))
kind(np.random.uniform(0, 1, (2, 2)))
kind(np.random.uniform(F, 5, (2, 3)))
kind(np.random.randint(5))
kind(np.random.randint(0, 5, size=(2,)))
kind(np.random.randint(0, 5, size=3, dtype="int32"))
kind(np.random.rand(2, 3))
kind(np.random.randn(2))
kind(np.random.choice(5, 3))
kind(np.random.choice(5, (2, 2), replace=True))
kind(np.random.choice(F, 2))
kind(np.random.choice(5, 3, replace=False))
kind(np.random.choice(3, 5, p=np.array([0.2, 0.3, 0.5])))
kind(np.random.multinomial(10, [0.5, 0.5]))
kind(np.random.multinomial(10, np.array([0.5, 0.5]), size=2))
np.random.multinomial(10, np.array([0.0, 1.0]))
x = np.arange(5); np.random.shuffle(x); np.sort(x)
kind(np.random.exponential(2.0, size=3))
kind(np.random.gamma(2.0, 1.0, size=3))
kind(np.random.beta(2.0, 1.0, size=3))
kind(np.random.chisquare(2.0, size=3))
kind(np.random.laplace(0, 1, size=3))
kind(np.random.lognormal(0, 1, size=3))
kind(np.random.logistic(0, 1, size=3))
kind(np.random.gumbel(0, 1, size=3))
kind(np.random.rayleigh(1, size=3))
kind(np.random.weibull(2.0, size=3))
kind(np.random.pareto(2.0, size=3))
kind(np.random.power(2.0, size=3))
kind(np.random.multivariate_normal(np.zeros(3), S))
kind(npx.random.bernoulli(0.5, size=(2, 3)))
kind(npx.random.uniform_n(0, 1, batch_shape=(2,)))
kind(npx.random.normal_n(F, 1, batch_shape=(2,)))
# --- comparisons of whole arrays
np.allclose(F, F + 1e-9)
np.array_equal(F, F)
np.array_equal(F, M)
np.isclose(F, F + 1)
# --- NumPy's functions
onp.mean(F)
onp.sum(F)
onp.exp(F)
onp.concatenate([F, F])
onp.dot(M, F)
onp.median(F)
onp.linalg.norm(F)
onp.argmax(M, axis=1)
# --- npx
npx.is_np_array(), npx.is_np_shape()
npx.relu(F)
npx.sigmoid(F)
npx.softmax(M)
npx.softmax(M, axis=0)
npx.softmax(M, temperature=2.0)
npx.softmax(A, np.array([[1, 2, 3], [4, 1, 2]], dtype="int32"), use_length=True)
npx.log_softmax(M)
npx.log_softmax(M, axis=0)
npx.pick(M, np.array([0, 2]))
npx.pick(M, np.array([0, 2]), keepdims=True)
npx.pick(M, np.array([0, 1, 0]), axis=0)
npx.one_hot(np.array([0, 2]), 3)
npx.one_hot(np.array([0, 2]), 3, on_value=2.0, off_value=-1.0, dtype="int32")
npx.topk(F)
npx.topk(M, k=2, axis=1)
npx.topk(M, k=2, axis=1, ret_typ="value")
npx.topk(M, k=2, axis=1, ret_typ="both")
npx.topk(M, k=1, is_ascend=True, dtype="int32")
npx.batch_dot(A, A, transpose_b=True)
npx.batch_flatten(A)
npx.fully_connected(M, np.ones((4, 3)), np.ones(4), num_hidden=4)
npx.fully_connected(M, np.ones((4, 3)), num_hidden=4, no_bias=True)
npx.fully_connected(A, np.ones((5, 4)), np.ones(5), num_hidden=5, flatten=False)
npx.layer_norm(M, np.ones(3), np.zeros(3))
npx.batch_norm(M, np.ones(3), np.zeros(3), np.zeros(3), np.ones(3))
npx.dropout(M, 0.5)
npx.embedding(np.array([0, 2]), np.arange(6).reshape(3, 2), 3, 2)
npx.embedding(np.array([[0, 1]]), M, input_dim=2, output_dim=3)
npx.activation(F, "tanh")
npx.activation(F, act_type="softrelu")
npx.leaky_relu(F, act_type="leaky", slope=0.1)
npx.leaky_relu(F, act_type="elu", slope=1.0)
npx.leaky_relu(F, act_type="gelu")
npx.gamma(np.abs(F))
npx.gammaln(np.abs(F))
npx.erf(F)
npx.erfinv(F / 4)
npx.smooth_l1(F, scalar=1.0)
npx.reshape_like(M, np.zeros((3, 2)))
npx.reshape(A, (-1,))
npx.reshape(A, (-2, -1))
npx.reshape(A, (-5, -2))
npx.reshape(A, (-6, 1, 2, -4))
npx.reshape(A, (-2, -2, -6, 2, -1))
npx.reshape(M[None], (-3, -4))
npx.sequence_mask(M, np.array([1, 2, 1]), use_sequence_length=True)
npx.sequence_mask(M, np.array([1, 2]), use_sequence_length=True, value=-1e6, axis=1)
npx.gather_nd(M, np.array([[0, 1], [1, 2]]))
npx.slice(M, (0, 1), (2, 3))
npx.shape_array(M)
npx.nonzero(M)
npx.arange_like(M, axis=0)
npx.cast(F, dtype="int32")
npx.cpu(), npx.num_gpus()
# --- gradients
grads(lambda x: (x * x).sum(), F)
grads(lambda x: x.mean(), M)
grads(lambda x: x.std(), F)
grads(lambda x: np.exp(x) / x, F)
grads(lambda x: x[0] * x[1:], F)
grads(lambda x: x[x > 0], F)
grads(lambda x: x[[0, 0, 2]], F)
grads(lambda x: np.where(x > 0, x, 2 * x), F)
grads(lambda x: np.maximum(x, 0), F)
grads(lambda x: np.abs(x), F)
grads(lambda x: np.clip(x, -1, 2), F)
grads(lambda x: np.concatenate([x, x * 2]), F)
grads(lambda x: np.stack([x, x * x]), F)
grads(lambda x: x.reshape(3, 2).T, M)
grads(lambda x, y: np.dot(x, y), M, F)
grads(lambda x, y: x + y, M, F)
grads(lambda x, y: x / y, M, F)
grads(lambda x: np.einsum("ij,kj->ik", x, x), M)
grads(lambda x: np.tensordot(x, x, 2), M)
grads(lambda x: np.matmul(x, x.T), M)
grads(lambda x: np.linalg.norm(x), F)
grads(lambda x: np.linalg.det(x), S)
grads(lambda x: x.max(axis=1), M)
grads(lambda x: x.prod(), np.array([2.0, 3.0]))
grads(lambda x: np.cumsum(x), F)
grads(lambda x: np.sort(x), F)
grads(lambda x: np.tile(x, 2) + np.repeat(x, 2), F)
grads(lambda x: np.pad(x, ((1, 1), (0, 0))), M)
grads(lambda x: x.astype("float64").sum(), F)
grads(lambda x: npx.softmax(x), M)
grads(lambda x: npx.log_softmax(x), M)
grads(lambda x: npx.relu(x), F)
grads(lambda x: npx.pick(x, np.array([0, 2])), M)
grads(lambda x: npx.batch_dot(x, x, transpose_b=True), A)
grads(lambda x: npx.embedding(np.array([0, 0, 1]), x, 2, 3), M)
grads(lambda x: npx.layer_norm(x, np.ones(3), np.zeros(3)), M)
grads(lambda x: npx.sequence_mask(x, np.array([1, 2]), True, axis=1), M)
F.backward()
"""
)

FOLDER = Path(__file__).resolve().parent.parent / "programs"


def _program(path: Path) -> Any:
    """A program of the folder: what its last lines put into ``results``; only the library that it imports is changed."""

    def program(mx: Any) -> Any:
        names: dict[str, Any] = {}
        source = path.read_text(encoding="utf-8").replace("from mxnet", f"from {mx.__name__}")
        mx.random.seed(1)
        exec(compile(source, str(path), "exec"), names)
        return names["results"]

    program.__name__ = path.stem
    return program


PROGRAMS = [_program(path) for path in sorted(FOLDER.glob("*.py"))]

_MORE = "an error in MXNet; lamina takes it"
_NOT_THERE = "no function of MXNet's; lamina has it"
_INTERNAL = "internal to MXNet's Python package"
_CUT = "an error that says so; MXNet cuts the fraction off silently"
_TRUE = "2 is no bool, so nothing equals it; MXNet takes it for True"
_ARRAY = "an array of shape (), as of other functions; here MXNet gives a number"
_NO_METHOD = "MXNet lists it, and raises AttributeError when it is called; it is a function of np or npx"

SETTLED: dict[str, str] = {
    # names
    **dict.fromkeys(
        (
            "mx.np.arrayprint",
            "mx.np.fallback*",
            "mx.np.function_base",
            "mx.np.io",
            "mx.np.multiarray",
            "mx.np.stride_tricks",
            "mx.np.utils",
            "mx.np.linalg.fallback*",
            "mx.npx.c*",
            "mx.npx.utils",
            "mx.npx.with_metaclass",
        ),
        _INTERNAL,
    ),
    **dict.fromkeys(
        ("mx.np.mirr", "mx.np.npv", "mx.np.ppmt", "mx.np.pv", "mx.np.rate"),
        "NumPy itself gave these up (numpy-financial)",
    ),
    "mx.np.ndarray.handle": "belongs to MXNet's C library",
    "mx.npx.get_cuda_compute_capability": "ask the system (nvidia-smi)",
    "mx.np.ndarray.*": _NO_METHOD,
    # arguments
    **dict.fromkeys(("mx.np.ndarray(*)",), "arrays are made by np.array and its like"),
    **dict.fromkeys(
        ("mx.np.blackman(*)", "mx.np.hamming(*)", "mx.np.hanning(*)"),
        "float32 always, on the CPU; use astype and as_in_ctx",
    ),
    **dict.fromkeys(
        (
            "mx.np.corrcoef(*)",
            "mx.np.histogram*(*)",
            "mx.np.*percentile(interpolation)",
            "mx.np.*quantile(interpolation)",
            "mx.np.in1d(*)",
            "mx.np.linalg.pinv(*)",
            "mx.np.float64(x)",
        ),
        "the arguments are those of the NumPy that is installed",
    ),
    **dict.fromkeys(("mx.np.nanprod(*)", "mx.np.ptp(*)"), "False, or an argument for NumPy's arrays alone"),
    **dict.fromkeys(
        ("mx.npx.batch_norm(*)", "mx.npx.batch_dot(*)"), "of MXNet's libraries, without meaning here"
    ),
    "mx.npx.embedding(dtype)": "the same in another spelling",
    "mx.npx.random.seed(seed)": "the argument has another name",
    # results
    **dict.fromkeys(("B == 2", "B < 2", "B >= 2"), _TRUE),
    **dict.fromkeys(("I + 1.5", "B * 2.5", "x = I.copy(); x += 1.5; x"), _CUT),
    "I == 1.5": "no integer is 1.5; MXNet compares with 1",
    "F == None": "False, as Python does; in MXNet an error",
    **dict.fromkeys(
        (
            "B % B",
            "np.exp(B)",
            "np.exp(F, out=D)",
            "np.exp([1.0, 2.0])",
            "np.maximum(F, I)",
            "F + [1, 2, 3]",
            "F + onp.ones(3)",
            "np.where(F > 0, F, I)",
            "np.delete(M, [[]0, 2], axis=1)",
            "np.concatenate([[]F, I])",
            "np.append(F, 5.0)",
            "np.dot(M, 2)",
            "np.dot(I, I)",
            "np.linalg.norm(F, onp.inf)",
            "np.deg2rad(F)",
            "np.rad2deg(F)",
        ),
        _MORE,
    ),
    **dict.fromkeys(
        ("np.fmod(F, 2)", "np.nansum(np.array([[]1, onp.nan]))", "kind(np.random.laplace(0, 1, size=3))"),
        _NOT_THERE,
    ),
    **dict.fromkeys(
        (
            "np.ptp(M)",
            "np.nanprod(np.array([[]2, onp.nan]))",
            "np.count_nonzero(F)",
            "np.linalg.matrix_rank(S)",
            "onp.median(F)",
        ),
        _ARRAY,
    ),
    "np.pad(M, *constant_values=7)": "a border of 7; MXNet's is 0 whatever the argument",
    "I.std()": "float32, as the mean; MXNet cuts it to an integer",
    "grads(lambda x: x.std(), F)": "the gradient of std and var; in MXNet it is 0",
}
