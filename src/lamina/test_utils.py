"""MXNet's ``mx.test_utils``: MNIST as arrays, and helpers for comparing arrays in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lamina import context
from lamina.context import Context, current_context
from lamina.nd.conversion import array
from lamina.nd.ndarray import NDArray
from lamina.nd.random import uniform

__all__ = [
    "almost_equal", "assert_almost_equal", "assert_exception", "default_context", "get_mnist",
    "get_mnist_iterator", "list_gpus", "rand_ndarray", "same", "set_default_context",
]  # fmt: skip


class _MNIST(Mapping[str, np.ndarray]):
    """The four arrays of `get_mnist`, each made when it is first asked for: 188 MB of floats are often not needed."""

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
    from lamina.datasets import mnist

    if kind == "label":
        return getattr(mnist(), f"{part}_labels").astype(np.int8)
    return getattr(mnist(), f"{part}_images")[:, np.newaxis].astype(np.float32) / np.float32(255)


def get_mnist(path: str | None = None) -> Mapping[str, np.ndarray]:
    """MNIST as NumPy arrays, in MXNet's shapes. The files come with lamina; `path` is accepted as in MXNet.

    Returns:
        ``train_data`` float32 (60000, 1, 28, 28) from 0 to 1, ``train_label`` int8 (60000,), ``test_data`` and
        ``test_label`` likewise with 10,000. Each array is made at its first use.

    >>> mnist = get_mnist()
    >>> mnist["test_data"].shape, mnist["test_label"][:4].tolist()
    ((10000, 1, 28, 28), [7, 2, 1, 0])
    """
    return _MNIST()


def get_mnist_iterator(batch_size: int, input_shape: tuple[int, ...], **_ignored: Any) -> tuple[Any, Any]:
    """`NDArrayIter`s over MNIST to train (shuffled) and to test with; a sample has the shape `input_shape`."""
    from lamina.io import NDArrayIter

    mnist = get_mnist()

    def batches(part: str) -> NDArrayIter:
        images = mnist[f"{part}_data"].reshape(-1, *input_shape)
        return NDArrayIter(images, mnist[f"{part}_label"], batch_size, shuffle=part == "train")

    return batches("train"), batches("test")


def list_gpus() -> list[int]:
    """The numbers of usable GPUs: none."""
    return list(range(context.num_gpus()))


def default_context() -> Context:
    """The context in which arrays are made."""
    return current_context()


def set_default_context(ctx: Context) -> None:
    """Change it, for this thread."""
    context._default.context = ctx


def _numpy(x: Any) -> np.ndarray:
    return x.asnumpy() if isinstance(x, NDArray) else np.asarray(x)


def same(a: Any, b: Any) -> bool:
    """Whether two arrays are equal in shape and in every element."""
    return np.array_equal(_numpy(a), _numpy(b))


def _tolerances(a: np.ndarray, b: np.ndarray, rtol: float | None, atol: float | None) -> tuple[float, float]:
    """The given ones; by default MXNet's 1e-5 and 1e-20, or 1e-2 and 1e-4 if an array is float16."""
    relative, absolute = (1e-2, 1e-4) if np.float16 in (a.dtype, b.dtype) else (1e-5, 1e-20)
    return relative if rtol is None else rtol, absolute if atol is None else atol


def almost_equal(
    a: Any, b: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False
) -> bool:
    """Whether the shapes are equal and |a - b| <= atol + rtol·|b| everywhere.

    `rtol` and `atol` are 1e-5 and 1e-20 by default, or 1e-2 and 1e-4 if an array is float16.
    """
    x, y = _numpy(a), _numpy(b)
    relative, absolute = _tolerances(x, y, rtol, atol)
    return x.shape == y.shape and bool(np.allclose(x, y, relative, absolute, equal_nan))


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    names: tuple[str, str] = ("a", "b"),
    equal_nan: bool = False,
) -> None:
    """Raise `AssertionError`, with the largest difference, unless the arrays are `almost_equal`."""
    x, y = _numpy(a), _numpy(b)
    relative, absolute = _tolerances(x, y, rtol, atol)
    message = f"{names[0]} (here x) and {names[1]} (here y) differ"
    np.testing.assert_allclose(
        x, y, relative, absolute, equal_nan, err_msg=message, strict=x.shape != y.shape
    )


def assert_exception(
    f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any
) -> None:
    """Raise `AssertionError` unless ``f(*args, **kwargs)`` raises this exception."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{f} did not raise {exception_type.__name__}")


def rand_ndarray(
    shape: tuple[int, ...], stype: str = "default", density: float | None = None, dtype: Any = np.float32
) -> NDArray:
    """An array of numbers uniform on [-1, 1). Arrays are dense: `stype` must be ``"default"``."""
    if stype != "default":
        raise ValueError(f"rand_ndarray: lamina's arrays are dense; stype must be 'default', not {stype!r}")
    return array(uniform(-1.0, 1.0, shape=shape), dtype=dtype)
