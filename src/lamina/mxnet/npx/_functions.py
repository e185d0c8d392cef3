"""Neural network functions of `lamina.nd` under the names of ``npx``, for ``np.ndarray``.

>>> from lamina import np, npx
>>> npx.relu(np.array([-1, 2])), npx.one_hot(np.array([1]), 3)
(array([0., 2.]), array([[0., 1., 0.]]))
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.mxnet import np
from lamina.mxnet.np.conversion import as_array, function, of_array, with_shape
from lamina.mxnet.np.promotion import as_float, cast_to, joined
from lamina.nd.facade import mapped, shown
from lamina.nd.shape_codes import NPX_CODES, resolve_shape
from lamina.primitives import reshape_copy, scatter_nd_add, scatter_nd_set, where
from lamina.support.files.mxnet_params import save_params

__all__ = [
    "activation", "arange_like", "batch_dot", "batch_flatten", "batch_norm", "cast", "dropout", "embedding", "erf",
    "erfinv", "fully_connected", "gamma", "gammaln", "gather_nd", "index_add", "index_update", "layer_norm",
    "leaky_relu", "load", "log_softmax", "masked_softmax", "nonzero", "one_hot", "pick", "relu", "reshape",
    "reshape_like", "save", "sequence_last", "sequence_mask", "sequence_reverse", "shape_array", "sigmoid", "slice",
    "smooth_l1", "softmax", "topk",
]  # fmt: skip


def _same(of_nd: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """A function of `lamina.nd` for ``np.ndarray``, with the same arguments, and its own name or `name`."""
    made = function(of_nd)
    made.__name__ = made.__qualname__ = name or of_nd.__name__
    made.__module__ = __name__
    return made


relu, sigmoid, softmax, log_softmax = map(_same, (nd.relu, nd.sigmoid, nd.softmax, nd.log_softmax))
erf, erfinv, gamma, gammaln, smooth_l1 = map(_same, (nd.erf, nd.erfinv, nd.gamma, nd.gammaln, nd.smooth_l1))
gather_nd, one_hot, slice, topk = map(_same, (nd.gather_nd, nd.one_hot, nd.slice, nd.topk))
batch_dot, cast, reshape_like = map(_same, (nd.batch_dot, nd.cast, nd.reshape_like))
shape_array, arange_like = map(_same, (nd.shape_array, nd.contrib.arange_like))
activation, leaky_relu = _same(nd.Activation, "activation"), _same(nd.LeakyReLU, "leaky_relu")
batch_norm, layer_norm = _same(nd.BatchNorm, "batch_norm"), _same(nd.LayerNorm, "layer_norm")
dropout, embedding = _same(nd.Dropout, "dropout"), _same(nd.Embedding, "embedding")
fully_connected = _same(nd.FullyConnected, "fully_connected")
batch_flatten = _same(nd.flatten, "batch_flatten")
sequence_last = _same(nd.SequenceLast, "sequence_last")
sequence_mask = _same(nd.SequenceMask, "sequence_mask")
sequence_reverse = _same(nd.SequenceReverse, "sequence_reverse")


@function
def pick(data: Any, index: Any, axis: int | None = -1, keepdims: bool = False, mode: str = "clip") -> Any:
    """The elements of `data` at the positions `index` along `axis`; see `nd.pick`.

    >>> from lamina import np, npx
    >>> npx.pick(np.array([[1, 2], [3, 4]]), np.array([1, 0]))
    array([2., 3.])
    """
    data, index = as_array(data), as_array(index)
    is_line = data.ndim == 1 or axis is None
    found = nd.pick(data, with_shape(index, index.shape or (1,)), axis, keepdims, mode)
    return with_shape(found, ()) if is_line and not keepdims else found


@of_array
def reshape(a: Any, newshape: Any, reverse: bool = False, order: str = "C") -> Any:
    """A copy in another shape, which may contain MXNet's codes.

    -1 infers the size; -2 keeps the size of the axis; -3 drops an axis of size 1; -4 keeps all remaining axes;
    -5 merges the next two axes; -6 splits the next axis into the two sizes that follow. `reverse` matches codes and
    axes from the right.

    >>> from lamina import np, npx
    >>> npx.reshape(np.zeros((2, 3, 4)), (-5, -2)).shape
    (6, 4)
    """
    codes = tuple([int(n) for n in ((newshape,) if isinstance(newshape, int | onp.integer) else newshape)])
    return bind(reshape_copy, a, shape=resolve_shape(a.shape, codes, reverse, NPX_CODES))


@of_array
def nonzero(a: Any) -> Any:
    """The positions of nonzero elements, one per row, as int64."""
    return nd.array(onp.argwhere(a._numbers()), dtype=onp.int64, ctx=a.context)


@function
def masked_softmax(data: Any, mask: Any, axis: int = -1, temperature: float | None = None) -> Any:
    """Softmax over the elements where `mask`, broadcast, is nonzero; other elements become 0.

    >>> from lamina import np, npx
    >>> npx.masked_softmax(np.zeros((1, 3)), np.array([[1, 1, 0]]))
    array([[0.5, 0.5, 0. ]])
    """
    x = as_float(as_array(data))
    mask = as_array(mask)
    lowest = float(onp.finfo(x._dtype).min)
    known = nd.softmax(bind(where, mask, x, lowest), axis=axis, temperature=temperature)
    return bind(where, mask, known, 0.0)


def _places(name: str, data: Any, indices: Any, val: Any) -> tuple[Any, Any, Any]:
    """The array, `indices` as integers of shape (k, n) for its first k axes, and a value for each position."""
    x, at = as_array(data), cast_to(as_array(indices), onp.dtype(onp.int64))
    at = with_shape(at, (1, at.size)) if at.ndim == 1 else at
    if at.ndim != 2 or at.shape[0] > x.ndim:
        raise ShapeError(f"{name}: needs positions (k, n) in the first k axes of {x.shape}, got {at.shape}")
    value = cast_to(as_array(val), x._dtype)
    shape = (at.shape[1], *x.shape[at.shape[0] :])
    if value.shape != shape:
        value = nd.broadcast_to(with_shape(value, value.shape or (1,)), shape)
    return x, at, value


@function
def index_update(data: Any, indices: Any, val: Any) -> Any:
    """A copy of `data` with `val` at the positions ``indices[:, i]``.

    >>> from lamina import np, npx
    >>> npx.index_update(np.zeros(3), np.array([[2]]), 5)
    array([0., 0., 5.])
    """
    x, at, value = _places("index_update", data, indices, val)
    hit = bind(scatter_nd_set, nd.ones_like(value), at, shape=x.shape)
    return bind(where, hit, bind(scatter_nd_set, value, at, shape=x.shape), x)


@function
def index_add(data: Any, indices: Any, val: Any) -> Any:
    """A copy of `data` with `val` added at the positions ``indices[:, i]``."""
    x, at, value = _places("index_add", data, indices, val)
    x, added = joined(x, bind(scatter_nd_add, value, at, shape=x.shape))
    return x + added


def save(file: str | os.PathLike[str], arr: Any) -> None:
    """Write an array, a list of arrays, or a dict of arrays to a file that `load` and MXNet can read.

    >>> import tempfile
    >>> from lamina import np, npx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     npx.save(f"{folder}/x", {"weight": np.ones(2), "step": np.array(3)})
    ...     npx.load(f"{folder}/x")
    {'weight': array([1., 1.]), 'step': array(3.)}
    """
    listed = [arr] if isinstance(arr, np.ndarray) else arr
    if not isinstance(listed, list | tuple | dict):
        raise TypeError(f"save: takes arrays, a list or a dict of them, not {type(arr).__name__}")
    if isinstance(listed, dict) and not all(isinstance(name, str) for name in listed):
        raise TypeError(f"save: the names of arrays are strings, got {list(listed)}")
    save_params(file, mapped(listed, _numbers), numpy_shapes=True)


def _numbers(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"save: takes arrays, a list or a dict of them; found {type(x).__name__}")
    return x.asnumpy()


def load(file: str | os.PathLike[str]) -> Any:
    """Read the arrays in a file written by `save`, as a dict if they have names, else as a list."""
    return mapped(nd.load(file), shown)
