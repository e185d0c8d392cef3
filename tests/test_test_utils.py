"""MXNet's test_utils: MNIST in its shapes, and comparisons."""

import sys
import tracemalloc

import numpy as np
import pytest

import lamina as mx
from lamina import nd, test_utils
from lamina.datasets import mnist


def test_get_mnist() -> None:
    data = test_utils.get_mnist()
    assert list(data) == ["train_data", "train_label", "test_data", "test_label"]
    images, labels = data["test_data"], data["test_label"]
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == (
        (10000, 1, 28, 28),
        np.float32,
        (10000,),
        np.int8,
    )
    np.testing.assert_array_equal(images[:9, 0], mnist().test_images[:9] / np.float32(255))
    np.testing.assert_array_equal(labels, mnist().test_labels)
    assert data["test_data"] is images
    with pytest.raises(KeyError):
        _ = data["validation"]


def test_calling_it_copies_nothing() -> None:
    test_utils.get_mnist()
    tracemalloc.start()
    try:
        test_utils.get_mnist()
        assert tracemalloc.get_traced_memory()[1] < 100_000  # bytes; the images have 47 million
    finally:
        tracemalloc.stop()


def test_mnist_iterators() -> None:
    _, test = test_utils.get_mnist_iterator(100, (784,))
    batch = next(test)
    assert batch.data[0].shape == (100, 784)
    assert batch.label[0].asnumpy()[:4].tolist() == [7, 2, 1, 0]


def test_comparisons() -> None:
    a, b = nd.array([1.0, 2.0]), np.array([1.0, 2.000001], np.float32)
    assert test_utils.almost_equal(a, b)
    assert not test_utils.almost_equal(a, b, rtol=1e-8)
    assert not test_utils.almost_equal(a, np.ones((2, 2)))
    assert test_utils.almost_equal([np.nan], [np.nan], equal_nan=True)
    test_utils.assert_almost_equal(np.array([1.0], np.float16), [1.001])
    assert not test_utils.almost_equal(np.array([1.0], np.float16), [1.001])
    assert test_utils.same(a, [1, 2])
    assert not test_utils.same(a, b)
    test_utils.assert_almost_equal(a, b)
    with pytest.raises(AssertionError, match=r"left \(here x\) and right"):
        test_utils.assert_almost_equal(a, [1, 3], names=("left", "right"))
    test_utils.assert_almost_equal(a, [[1, 2]])
    with pytest.raises(AssertionError):
        test_utils.assert_almost_equal(a, [[1, 2]], use_broadcast=False)
    test_utils.assert_almost_equal(a, [1.5, 2.5], atol={np.dtype(np.float32): 1.0})
    with pytest.raises(AssertionError):
        test_utils.assert_almost_equal(np.arange(3), np.arange(3) + 1)  # integers are equal or not
    test_utils.assert_almost_equal_ignore_nan(np.array([1, np.nan]), np.array([1, 2.0]))


def test_shapes_and_reductions() -> None:
    assert all(1 <= n <= 4 for n in (*test_utils.rand_shape_nd(3, 4), *test_utils.rand_shape_2d(4, 4)))
    assert len(test_utils.rand_shape_3d()) == 3
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(test_utils.np_reduce(x, (0, 2), True, np.max), x.max((0, 2), keepdims=True))
    np.testing.assert_array_equal(test_utils.np_reduce(x, None, False, np.sum), x.sum())
    np.testing.assert_array_equal(test_utils.collapse_sum_like(x, (3, 1)), x.sum(0).sum(1, keepdims=True))
    assert test_utils.create_2d_tensor(2, 3).asnumpy().tolist() == [[0, 0, 0], [1, 1, 1]]
    assert [y.shape for y in test_utils.random_arrays((2,), (3, 1))] == [(2,), (3, 1)]


def test_environment_and_retry() -> None:
    tries: list[str | None] = []

    @test_utils.retry(3)
    def third() -> None:
        tries.append(mx.util.getenv("LAMINA_TEST"))
        assert len(tries) == 3

    with test_utils.environment("LAMINA_TEST", "1"):
        third()
    assert tries == ["1"] * 3
    assert mx.util.getenv("LAMINA_TEST") is None


def test_exceptions() -> None:
    test_utils.assert_exception(int, ValueError, "x")
    with pytest.raises(AssertionError, match="did not raise ValueError"):
        test_utils.assert_exception(int, ValueError, "1")


def test_arrays_and_contexts() -> None:
    x = test_utils.rand_ndarray((50, 3))
    assert (x.shape, x.dtype) == ((50, 3), np.float32)
    assert -1 <= x.asnumpy().min() < 0 < x.asnumpy().max() < 1
    with pytest.raises(ValueError, match="dense"):
        test_utils.rand_ndarray((2,), "csr")
    assert test_utils.list_gpus() == range(0)
    assert test_utils.default_context() is mx.cpu()
    test_utils.set_default_context(mx.cpu(3))
    try:
        assert nd.zeros(1).context is mx.cpu(3)
    finally:
        test_utils.set_default_context(mx.cpu(0))


def test_random_helpers_draw_from_numpy() -> None:
    np.random.seed(3)
    first = test_utils.random_sample([1, 2, 3, 4, 5], 3)
    (array,) = test_utils.random_uniform_arrays((50, 2), low=-0.5, high=0.5)
    np.random.seed(3)
    assert test_utils.random_sample([1, 2, 3, 4, 5], 3) == first
    assert len(set(first)) == 3
    assert (array.shape, array.dtype) == ((50, 2), np.float32)
    assert -0.5 <= array.min() < array.max() < 0.5


def test_discard_stderr_hides_what_programs_print(capfd: pytest.CaptureFixture[str]) -> None:
    with test_utils.discard_stderr():
        print("hidden", file=sys.stderr)
    print("seen", file=sys.stderr)
    assert capfd.readouterr().err == "seen\n"
