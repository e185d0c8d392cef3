"""MXNet's ``mx.test_utils``, with MNIST as arrays and helpers that compare arrays in tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr
from functools import wraps
from typing import Any

import numpy as np

from lamina.device import context
from lamina.device.context import Context, current_context
from lamina.gluon import utils
from lamina.gluon.metric.base import as_numpy
from lamina.mxnet.symbol.checking import (
    check_numeric_gradient,
    check_symbolic_backward,
    check_symbolic_forward,
    simple_forward,
)
from lamina.mxnet.util import setenv
from lamina.nd import NDArray, array
from lamina.nd.random import uniform
from lamina.support import contexts
from lamina.support.unsupported import names_of_others

__all__ = [
    "almost_equal", "assert_allclose", "assert_almost_equal", "assert_almost_equal_ignore_nan", "assert_exception",
    "check_numeric_gradient", "check_symbolic_backward", "check_symbolic_forward", "collapse_sum_like",
    "create_2d_tensor", "create_vector", "default_context", "default_dtype", "discard_stderr", "download",
    "environment", "get_atol", "get_etol", "get_mnist", "get_mnist_iterator", "get_rtol", "list_gpus", "np_reduce",
    "rand_ndarray", "rand_shape_2d", "rand_shape_3d", "rand_shape_nd", "random_arrays", "random_sample",
    "random_uniform_arrays", "retry", "same", "set_default_context", "setenv", "simple_forward",
]  # fmt: skip


def download(
    url: str, fname: str | None = None, dirname: str | None = None, overwrite: bool = False, retries: int = 5
) -> str:
    """Download a file as `gluon.utils.download` does, into the folder `dirname`, which is made if it is missing."""
    path = os.path.join(dirname or "", fname or url.rpartition("/")[2])
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return utils.download(url, path, overwrite, retries=retries)


class _MNIST(Mapping[str, np.ndarray]):
    """The four arrays of `get_mnist`, each created on first use, since the training images alone need 188 MB."""

    def __init__(self) -> None:
        self._made: dict[str, np.ndarray] = {}

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in _MNIST_PARTS:
            raise KeyError(key)
        if key not in self._made:
            self._made[key] = _mnist_part(*key.split("_"))
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_MNIST_PARTS)

    def __len__(self) -> int:
        return len(_MNIST_PARTS)

    def __repr__(self) -> str:
        return f"<MNIST: {', '.join(self)}>"


_MNIST_PARTS = ("train_data", "train_label", "test_data", "test_label")


def _mnist_part(part: str, kind: str) -> np.ndarray:
    from lamina.support.datasets import mnist

    if kind == "label":
        return getattr(mnist(), f"{part}_labels").astype(np.int8)
    return getattr(mnist(), f"{part}_images")[:, np.newaxis].astype(np.float32) / np.float32(255)


def get_mnist(path: str | None = None) -> Mapping[str, np.ndarray]:
    """MNIST as NumPy arrays in MXNet's shapes, from files included in lamina; `path` has no effect.

    Returns:
        ``train_data``, float32 of shape (60000, 1, 28, 28) from 0 to 1; ``train_label``, int8 of shape (60000,);
        ``test_data`` and ``test_label``, with 10,000 examples. Each array is created on first use.

    >>> mnist = get_mnist()
    >>> mnist["test_data"].shape, mnist["test_label"][:4].tolist()
    ((10000, 1, 28, 28), [7, 2, 1, 0])
    """
    return _MNIST()


def get_mnist_iterator(batch_size: int, input_shape: tuple[int, ...], **_ignored: Any) -> tuple[Any, Any]:
    """Two `NDArrayIter`s over MNIST's training set (shuffled) and test set; samples have shape `input_shape`."""
    from lamina.mxnet.io import NDArrayIter

    mnist = get_mnist()

    def batches(part: str) -> NDArrayIter:
        images = mnist[f"{part}_data"].reshape(-1, *input_shape)
        return NDArrayIter(images, mnist[f"{part}_label"], batch_size, shuffle=part == "train")

    return batches("train"), batches("test")


def list_gpus() -> range:
    """The numbers of usable GPUs."""
    return range(context.num_gpus())


def default_context() -> Context:
    """The default device of new arrays."""
    return current_context()


def set_default_context(ctx: Context) -> None:
    """Set the default device of new arrays for this thread."""
    context._default.context = ctx


def same(a: Any, b: Any) -> bool:
    """Whether two arrays have equal shapes and elements."""
    return np.array_equal(as_numpy(a), as_numpy(b))


Tolerance = float | Mapping[Any, float] | None


def _tolerance(a: np.ndarray, b: np.ndarray, given: Tolerance, defaults: Mapping[Any, float]) -> float:
    """The tolerance `given` as a number, or the larger of the tolerances of both arrays' dtypes.

    The dtypes' tolerances are in `given`, a mapping, or else in `defaults`.
    """
    if isinstance(given, int | float):
        return given
    known = {**defaults, **{np.dtype(t): value for t, value in (given or {}).items()}}
    return max(known.get(np.dtype(x.dtype), 0.0) for x in (a, b))


_RTOLS = {np.dtype(np.float16): 1e-2, np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-5}
_ATOLS = {np.dtype(np.float16): 1e-1, np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-20}


def _in_one_shape(a: Any, b: Any, use_broadcast: bool) -> tuple[np.ndarray, np.ndarray]:
    x, y = as_numpy(a), as_numpy(b)
    return tuple(np.broadcast_arrays(x, y)) if use_broadcast else (x, y)  # pyright: ignore[reportReturnType]


def almost_equal(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    use_broadcast: bool = True,
) -> bool:
    """Whether |a - b| <= atol + rtol·|b| for all elements; `use_broadcast` broadcasts the arrays first.

    `rtol` and `atol` are 1e-5 and 1e-20 by default.
    """
    x, y = _in_one_shape(a, b, use_broadcast)
    return x.shape == y.shape and bool(np.allclose(x, y, get_rtol(rtol), get_atol(atol), equal_nan))


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: Tolerance = None,
    atol: Tolerance = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
    use_broadcast: bool = True,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Raise `AssertionError`, with the largest difference, unless the arrays are almost equal.

    `rtol` and `atol` are numbers, or dicts by dtype. Their defaults are 1e-4 and 1e-3 for float32, 1e-5 and 1e-20 for
    float64, 1e-2 and 1e-1 for float16, and 0 for integers. Two dtypes use the larger tolerances.
    """
    x, y = _in_one_shape(a, b, use_broadcast)
    relative, absolute = _tolerance(x, y, rtol, _RTOLS), _tolerance(x, y, atol, _ATOLS)
    message = f"{names[0]} (here x) and {names[1]} (here y) differ"
    np.testing.assert_allclose(
        x, y, relative, absolute, equal_nan, err_msg=message, strict=x.shape != y.shape
    )


assert_allclose = assert_almost_equal


def assert_almost_equal_ignore_nan(
    a: Any, b: Any, rtol: float | None = None, atol: float | None = None, names: tuple[str, str] = ("a", "b")
) -> None:
    """Raise `AssertionError` unless the arrays are almost equal except where either is NaN."""
    x, y = as_numpy(a), as_numpy(b)
    known = ~(np.isnan(x) | np.isnan(y))
    assert_almost_equal(x[known], y[known], rtol, atol, names)


def assert_exception(
    f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any
) -> None:
    """Raise `AssertionError` unless ``f(*args, **kwargs)`` raises `exception_type`."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{f} did not raise {exception_type.__name__}")


def rand_ndarray(
    shape: tuple[int, ...],
    stype: str = "default",
    density: float | None = None,
    dtype: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    shuffle_csr_indices: bool = False,
    distribution: str | None = None,
    ctx: Context | None = None,
) -> NDArray:
    """A dense array of random numbers uniform on [-1, 1).

    `modifier_func` is applied to each number. `stype` must be ``"default"``. `density`, `shuffle_csr_indices` and
    `distribution`, which MXNet has for sparse arrays, are ignored.
    """
    if stype != "default":
        raise ValueError(f"rand_ndarray: lamina's arrays are dense; stype must be 'default', not {stype!r}")
    numbers = uniform(-1.0, 1.0, shape=shape).asnumpy()
    if modifier_func is not None:
        numbers = np.vectorize(modifier_func, otypes=[numbers.dtype])(numbers)
    return array(numbers, ctx=ctx, dtype=dtype or default_dtype())


# --- types, tolerances and shapes ---------------------------------------------------------------------------------


def default_dtype() -> type[np.generic]:
    """The default element type of arrays."""
    return np.float32


def get_rtol(rtol: float | None = None) -> float:
    """`rtol` itself, or 1e-5 for None."""
    return 1e-5 if rtol is None else rtol


def get_atol(atol: float | None = None) -> float:
    """`atol` itself, or 1e-20 for None."""
    return 1e-20 if atol is None else atol


def get_etol(etol: float | None = None) -> float:
    """`etol` (the share of elements that may differ) itself, or 0 for None."""
    return 0 if etol is None else etol


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> tuple[int, int]:
    """A random 2-D shape, with sizes up to `dim0` and `dim1`."""
    return rand_shape_nd(2, (dim0, dim1), allow_zero_size)  # pyright: ignore[reportReturnType]


def rand_shape_3d(
    dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False
) -> tuple[int, int, int]:
    """A random 3-D shape, with sizes up to `dim0`, `dim1` and `dim2`."""
    return rand_shape_nd(3, (dim0, dim1, dim2), allow_zero_size)  # pyright: ignore[reportReturnType]


def rand_shape_nd(
    num_dim: int, dim: int | tuple[int, ...] = 10, allow_zero_size: bool = False
) -> tuple[int, ...]:
    """A random shape, with sizes up to `dim`, drawn by `numpy.random`."""
    largest = (dim,) * num_dim if isinstance(dim, int) else dim
    return tuple(int(np.random.randint(0 if allow_zero_size else 1, n + 1)) for n in largest)


def random_arrays(*shapes: tuple[int, ...]) -> Any:
    """Normal random numbers as NumPy arrays of these shapes, drawn by `numpy.random`; one shape gives one array."""
    made = [np.asarray(np.random.randn(*s), default_dtype()) for s in shapes]
    return made[0] if len(made) == 1 else made


def random_uniform_arrays(
    *shapes: tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype: Any = None
) -> list[np.ndarray]:
    """NumPy arrays of these shapes, with uniform random numbers on [low, high), drawn by `numpy.random`."""
    return [np.random.uniform(low, high, s).astype(dtype or default_dtype()) for s in shapes]


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """`k` distinct elements in random order, drawn by `numpy.random`."""
    mixed = list(population)
    np.random.shuffle(mixed)
    return mixed[:k]


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """The vector 0, 1, …, size - 1."""
    return array(np.arange(size), dtype=dtype)


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """A matrix in which all elements of row i are i."""
    return array(np.repeat(np.arange(rows)[:, np.newaxis], columns, axis=1), dtype=dtype)


def np_reduce(
    dat: np.ndarray, axis: int | tuple[int, ...] | None, keepdims: bool, numpy_reduce_func: Callable[..., Any]
) -> np.ndarray:
    """Apply NumPy's reduction `numpy_reduce_func` over several axes, also if it has no argument `keepdims`."""
    axes = range(dat.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    out = dat
    for a in sorted((a % dat.ndim for a in axes), reverse=True):
        out = numpy_reduce_func(out, axis=a)
    kept = tuple(1 if i in {a % dat.ndim for a in axes} else n for i, n in enumerate(dat.shape))
    return out.reshape(kept) if keepdims else out


def collapse_sum_like(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum `a` over the axes along which an array of shape `shape` would be broadcast to `a`."""
    missing = a.ndim - len(shape)
    axes = (*range(missing), *(i + missing for i, n in enumerate(shape) if n == 1 != a.shape[i + missing]))
    return np.sum(a, axis=axes, keepdims=True).reshape(shape)


def environment(*changes: Any) -> AbstractContextManager[None]:
    """A context that sets environment variables, from a name and a value or a dict; None removes a variable."""
    return contexts.environment(changes[0] if len(changes) == 1 else {changes[0]: changes[1]})


@contextmanager
def discard_stderr() -> Generator[None]:
    """A context that discards standard error, including output of C libraries."""
    try:
        number = sys.stderr.fileno()
    except (AttributeError, OSError):  # a stream without a file
        with open(os.devnull, "w") as hole, redirect_stderr(hole):
            yield
        return
    sys.stderr.flush()
    kept = os.dup(number)
    try:
        with open(os.devnull, "w") as hole:
            os.dup2(hole.fileno(), number)
        yield
        sys.stderr.flush()
    finally:
        os.dup2(kept, number)
        os.close(kept)


def retry(n: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for random tests, which tries up to `n` times until no `AssertionError` is raised."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(test)
        def call(*args: Any, **kwargs: Any) -> Any:
            for _ in range(n - 1):
                try:
                    return test(*args, **kwargs)
                except AssertionError:
                    pass
            return test(*args, **kwargs)

        return call

    return decorate


__getattr__ = names_of_others("lamina.test_utils")
