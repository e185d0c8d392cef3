"""Sharing memory with NumPy and other libraries."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lamina import nd
from lamina.errors import ContextError, DTypeError


def test_from_numpy_shares_memory() -> None:
    a = np.arange(6, dtype=np.float64).reshape(2, 3)
    x = nd.from_numpy(a)
    assert x.dtype == np.float64
    x[0] = -1
    assert a[0].tolist() == [-1, -1, -1]
    copy = nd.from_numpy(a.T, zero_copy=False)
    copy[:] = 0
    assert a[0, 0] == -1


def test_from_numpy_refuses_what_it_cannot_share() -> None:
    with pytest.raises(ValueError, match="not C-contiguous"):
        nd.from_numpy(np.zeros((2, 3)).T)
    with pytest.raises(DTypeError, match="arrays cannot have the dtype <U1"):
        nd.from_numpy(np.array(["a"]))
    swapped = np.ones(2, np.dtype(np.float32).newbyteorder())
    with pytest.raises(DTypeError, match="pass zero_copy=False"):
        nd.from_numpy(swapped)
    assert nd.from_numpy(swapped, zero_copy=False).asnumpy().tolist() == [1, 1]


def test_dlpack_shares_memory_both_ways() -> None:
    x = nd.zeros(3)
    np.from_dlpack(x)
    nd.from_dlpack(x)[:] = 2
    assert x.asnumpy().tolist() == [2, 2, 2]
    a = np.zeros(3, np.float32)
    nd.from_dlpack(a)[:] = 5
    assert a.tolist() == [5, 5, 5]
    seen = nd.from_dlpack(nd.to_dlpack_for_write(x))
    seen[:] = 7
    assert x.asnumpy().tolist() == [7, 7, 7]
    assert nd.from_dlpack(nd.to_dlpack_for_read(x)).asnumpy().tolist() == [7, 7, 7]


def test_arrays_that_never_change_are_copied() -> None:
    constant = pa.array([1.0, 2.0])
    nd.from_dlpack(constant)[:] = 5
    assert constant.to_pylist() == [1, 2]
    frozen = np.ones(2)
    frozen.flags.writeable = False
    nd.from_dlpack(frozen)[:] = 5
    assert frozen.tolist() == [1, 1]


def test_elements_that_no_array_has() -> None:
    with pytest.raises(DTypeError, match="arrays cannot have the dtype complex64"):
        nd.from_dlpack(np.ones(2, np.complex64))


DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]


def test_pytorch_both_ways() -> None:
    torch = pytest.importorskip("torch", reason="NOT TESTED: DLPack with PyTorch, which is not installed")
    for name in DTYPES:
        theirs = torch.ones((2, 3), dtype=getattr(torch, name))
        nd.from_dlpack(theirs)[0, 0] = 0
        assert not theirs[0, 0] and theirs[0, 1]
        ours = nd.ones((2, 3), dtype=name)
        torch.from_dlpack(ours)[0, 0] = 0
        assert not ours.asnumpy()[0, 0] and ours.asnumpy()[0, 1]
    assert torch.utils.dlpack.from_dlpack(nd.to_dlpack_for_read(nd.ones(3))).tolist() == [1, 1, 1]
    assert nd.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2))).asnumpy().tolist() == [1, 1]
    for dtype in (torch.bfloat16, torch.complex64):
        with pytest.raises(DTypeError):
            nd.from_dlpack(torch.ones(2, dtype=dtype))


def test_jax_both_ways() -> None:
    jax = pytest.importorskip("jax", reason="NOT TESTED: DLPack with JAX, which is not installed")
    theirs = jax.numpy.ones((2, 3))
    copy = nd.from_dlpack(theirs)
    copy[:] = 7  # JAX's arrays never change
    assert theirs.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert jax.dlpack.from_dlpack(nd.ones((2, 3))).tolist() == theirs.tolist()
    for name in ("float32", "int32", "uint8", "bool"):
        assert jax.numpy.from_dlpack(nd.ones(2, dtype=name)).dtype == name
        assert nd.from_dlpack(jax.numpy.ones(2, name)).dtype == np.dtype(name).type


def test_what_is_not_contiguous_is_copied() -> None:
    assert nd.from_dlpack(np.arange(6.0).reshape(2, 3).T).asnumpy().tolist() == [[0, 3], [1, 4], [2, 5]]


def test_an_array_on_another_device() -> None:
    class OnGpu:
        def __dlpack__(self) -> None: ...
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

    with pytest.raises(
        ContextError, match=r"of type 2, which is not among lamina's devices; copy it to the CPU first"
    ):
        nd.from_dlpack(OnGpu())


def test_memory_of_the_host_that_cuda_has_pinned() -> None:
    numbers = np.zeros(3, np.float32)

    class Pinned:
        def __dlpack__(self, **_options: object) -> object:
            return numbers.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return (3, 0)

    nd.from_dlpack(Pinned())[:] = 2
    assert numbers.tolist() == [2, 2, 2]


def test_asarray_shares_and_array_copies() -> None:
    x = nd.zeros(2)
    assert np.shares_memory(np.asarray(x), x._concrete())
    assert not np.shares_memory(np.array(x), x._concrete())
    assert not np.shares_memory(x.asnumpy(), x._concrete())
    assert np.asarray(x, dtype=np.float64).dtype == np.float64


def test_numpy_functions_take_arrays() -> None:
    x = nd.array([[1, 2], [3, 4]])
    assert np.mean(x) == 2.5
    assert np.concatenate([x, x]).shape == (4, 2)
    assert np.max(x, axis=0).tolist() == [3, 4]
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    assert np.exp(x).dtype == np.float32
    assert nd.array(pd.DataFrame({"a": [1, 2], "b": [3, 4]})).asnumpy().tolist() == [[1, 3], [2, 4]]


def test_waitall_returns() -> None:
    nd.waitall()
    nd.ones(1).wait_to_read()


def test_from_numpy_shares_numbers_alone_and_arrays_without_elements() -> None:
    number = np.array(3.0)
    x = nd.from_numpy(number)
    assert x.shape == (1,)
    x[:] = 5
    assert number == 5
    assert nd.from_numpy(np.zeros((1, 0, 2))).shape == (1, 0, 2)
