"""Arrays on devices: how they come there and back, views, writes and keys, as on the CPU."""

from __future__ import annotations

import copy
import gc
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, nd, npx
from lamina import np as mnp
from lamina.context import device_of, gpu_memory_info
from lamina.core.ownership import is_alone
from lamina.errors import ContextError, DeviceMemoryError
from lamina.messages import on_command_line

pytestmark = pytest.mark.usefixtures("by_numpy")


def both(shape: tuple[int, ...]) -> tuple[nd.NDArray, nd.NDArray]:
    numbers = np.random.default_rng(0).normal(size=shape)
    return nd.array(numbers), nd.array(numbers, ctx=mx.gpu())


def test_there_and_back() -> None:
    x = nd.array([[1, 2], [3, 4]], ctx=mx.gpu(1), dtype=np.int32)
    assert (x.context, x.shape, x.dtype) == (mx.gpu(1), (2, 2), np.int32)
    assert x.tolist() == [[1, 2], [3, 4]]
    assert "@gpu(1)" in repr(x)
    assert x.as_in_context(mx.gpu(1)) is x
    for other in (mx.cpu(), mx.gpu(0), mx.gpu(1)):
        moved = x.copyto(other)
        assert moved.context is other
        assert moved is not x
        assert moved.tolist() == x.tolist()
    target = nd.zeros((2, 2))
    assert x.copyto(target) is target
    assert target.dtype == np.float32
    assert target.tolist() == [[1, 2], [3, 4]]
    back = nd.zeros((2, 2), ctx=mx.gpu(0))
    target.copyto(back)
    assert back.tolist() == [[1, 2], [3, 4]]
    assert int(nd.array([5], ctx=mx.gpu())) == 5
    assert bool(nd.array([5], ctx=mx.gpu()))


def test_the_current_context_and_what_is_made_there() -> None:
    with mx.gpu(1):
        made = [
            nd.zeros(2),
            nd.ones((2, 3)),
            nd.arange(4),
            nd.eye(2),
            nd.full((1,), 3),
            nd.random.uniform(shape=2),
        ]
        assert nd.array([1]).context is mx.gpu(1)
    assert {x.context for x in made} == {mx.gpu(1)}
    assert nd.zeros(2).context is mx.cpu()
    assert nd.zeros_like(made[1]).context is mx.gpu(1)
    assert made[2].tolist() == [0, 1, 2, 3]


def test_mxnets_default_context() -> None:
    """The deprecated property of MXNet's class, which programs use as ``ctx=mx.Context.default_ctx``."""
    assert mx.Context.default_ctx is mx.cpu()
    with mx.gpu(1):
        assert mx.Context.default_ctx is mx.gpu(1)
        mx.Context.default_ctx = mx.cpu(2)
        assert nd.zeros(2).context is mx.cpu(2)
    assert mx.current_context() is mx.cpu()


def test_random_numbers_are_those_of_the_cpu() -> None:
    def drawn(ctx: Any) -> list[np.ndarray]:
        mx.random.seed(5)
        pairs = nd.random.normal(shape=(3, 4), ctx=ctx), nd.random.uniform(-1, 1, shape=7, ctx=ctx)
        last = nd.random.poisson(3, shape=5, ctx=ctx), nd.random.randint(0, 9, shape=6, ctx=ctx)
        return [x.asnumpy() for x in (*pairs, *last, nd.shuffle(nd.arange(5, ctx=ctx)))]

    for x, y in zip(drawn(mx.cpu()), drawn(mx.gpu()), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "key",
    [
        1, -1, slice(1, 3), slice(None, None, -1), slice(0, 0), (1, 2), (slice(None), 1), (Ellipsis, 0), (None, 2),
        (1, slice(1, None)), [0, 2], ([0, 2], [1, 1]), (slice(1, 3), [0, 3]), np.array([True, False, True, False]),
    ],
    ids=str,
)  # fmt: skip
def test_keys_read_and_write_as_on_the_cpu(key: Any) -> None:
    host, device = both((4, 5, 3))
    np.testing.assert_array_equal(device[key].asnumpy(), host[key].asnumpy())
    numbers = np.random.default_rng(1).normal(size=host[key].shape)
    for value in (7, numbers, nd.array(numbers), numbers[..., :1]):
        host[key] = value
        device[key] = value
        np.testing.assert_array_equal(device.asnumpy(), host.asnumpy())


def test_views_share_memory() -> None:
    x = nd.zeros((3, 4), ctx=mx.gpu())
    row, flat, part = x[1], x.reshape((12,)), x[1:, None]
    row[:] = 2
    flat[0] = 5
    part[1] = nd.array([[7, 7, 7, 7]], ctx=mx.gpu())
    assert x.tolist() == [[5, 0, 0, 0], [2, 2, 2, 2], [7, 7, 7, 7]]
    assert row.tolist() == [2, 2, 2, 2]
    x += 1
    assert flat.asnumpy().tolist() == x.asnumpy().ravel().tolist()
    row -= row
    assert x[1].tolist() == [0, 0, 0, 0]
    assert x.detach()[0].tolist() == x[0].tolist()
    assert x.copy()[0].tolist() == x[0].tolist()


def test_functions_copy_where_methods_share() -> None:
    x = nd.zeros((3, 4), ctx=mx.gpu())
    for copied in (
        nd.reshape(x, shape=(12,)),
        nd.flatten(x),
        nd.slice_axis(x, 0, 1, 2),
        nd.slice_axis(x, 1, 1, 2),
    ):
        copied += 1
        assert copied.context == mx.gpu()
        assert copied.asnumpy().min() == 1
        assert x.asnumpy().max() == 0


def test_who_is_the_only_way_to_its_memory() -> None:
    x = nd.zeros((3, 4), ctx=mx.gpu())
    assert is_alone(x)
    row = x[1]
    assert not is_alone(x)
    assert not is_alone(row)
    del row
    assert is_alone(x)


def test_operators_do_not_mix_devices() -> None:
    x = nd.ones(2, ctx=mx.gpu())
    for other in (nd.ones(2), nd.ones(2, ctx=mx.gpu(1))):
        with pytest.raises(
            mx.MXNetError, match=r"add: arrays on different devices, gpu\(0\) and .*as_in_context"
        ):
            x + other
    x[:] = nd.array([3, 4])  # assignment copies from anywhere, as in MXNet
    x[0] = nd.array([5], ctx=mx.gpu(1))
    assert x.tolist() == [5, 4]


def test_errors_are_those_of_the_cpu() -> None:
    host, device = both((2, 3))
    for act in (
        lambda x: x.reshape((5,)),
        lambda x: x[5],
        lambda x: nd.dot(x, x),
        lambda x: x.__setitem__(0, [1, 2]),
        lambda x: nd.concat(x, x[0]),
    ):
        with pytest.raises(Exception) as expected:
            act(host)
        with pytest.raises(type(expected.value)):
            act(device)


def test_gradients_and_their_way_between_devices() -> None:
    x = nd.array([1, 2, 3], ctx=mx.gpu())
    x.attach_grad()
    assert x.grad is not None
    assert x.grad.context is mx.gpu()
    with autograd.record():
        far = (x * x).as_in_context(mx.cpu())
        y = nd.sum(far * nd.array([1, 10, 100]))
    y.backward()
    assert x.grad.tolist() == [2, 40, 600]
    head = nd.array([2], ctx=mx.gpu())
    with autograd.record():
        z = x[0:1] * 3
    z.backward(head)
    assert x.grad.tolist() == [6, 0, 0]
    (slope,) = _second_order(x)
    assert slope.tolist() == [6, 12, 18]


def _second_order(x: nd.NDArray) -> list[nd.NDArray]:
    with autograd.record():
        (first,) = autograd.grad(x * x * x, x, create_graph=True)
        total = nd.sum(first)
    return autograd.grad(total, x)


def test_copies_pickles_and_files(tmp_path: Path) -> None:
    x = nd.array([1, 2], ctx=mx.gpu(1))
    for same in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert same.context is mx.gpu(1)
        assert same.tolist() == [1, 2]
    nd.save(tmp_path / "x", {"x": x})
    assert nd.load(tmp_path / "x")["x"].context is mx.cpu()
    assert nd.load(tmp_path / "x", ctx=mx.gpu(1))["x"].tolist() == [1, 2]
    assert np.asarray(x).tolist() == [1, 2]
    assert np.concatenate([x, x]).tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool"]
)
def test_every_type_of_elements(dtype: str) -> None:
    x = nd.array([0, 1, 2], ctx=mx.gpu(), dtype=dtype)
    assert x.asnumpy().dtype == dtype
    assert (x + x).asnumpy().dtype == dtype
    assert x.astype("float32").tolist() == np.array([0, 1, 2], dtype).astype(np.float32).tolist()
    x[1] = 0
    assert x.tolist()[:2] == [0, 0]


def test_arrays_of_nothing() -> None:
    x = nd.zeros((0, 3), ctx=mx.gpu())
    assert x.asnumpy().shape == (0, 3)
    assert (x + 1).shape == (0, 3)
    assert nd.sum(x).asscalar() == 0
    x[:] = 1


def test_a_device_that_is_not_there() -> None:
    assert mx.num_gpus() in (2, 3)
    with pytest.raises(
        ContextError, match=r"gpu\(9\) does not exist: num_gpus\(\) is [23]; gpu\(0\) is emulator"
    ):
        nd.zeros(2, ctx=mx.gpu(9))
    with pytest.raises(ContextError, match=r"gpu\(-1\) does not exist"), mx.gpu(-1):
        nd.zeros(2)


def test_without_a_device_the_error_says_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_DEVICE", "cuda")
    if mx.num_gpus():
        pytest.skip("NOT TESTED: that there is no NVIDIA GPU, as there is one")
    with pytest.raises(
        ContextError, match=r"gpu\(0\) is not available.*NVIDIA's driver \(.*\).*Use mx.cpu\(\) instead"
    ):
        nd.zeros(2, ctx=mx.gpu())
    with on_command_line(), pytest.raises(ContextError, match=r"Use --device cpu instead"):
        nd.zeros(2, ctx=mx.gpu())
    monkeypatch.setenv("LAMINA_DEVICE", "none")
    with pytest.raises(ContextError, match="Searched for: nothing, since LAMINA_DEVICE=none"):
        mx.nd.ones(1).as_in_context(mx.gpu())
    monkeypatch.setenv("LAMINA_DEVICE", "abacus")
    with pytest.raises(ContextError, match="LAMINA_DEVICE='abacus' is unknown; known: cuda, opencl"):
        mx.num_gpus()


def test_what_runs_on_the_cpu_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lamina.compiler import single

    monkeypatch.setenv("LAMINA_DEBUG", "1")
    monkeypatch.setattr(single, "_told", set())
    x = nd.array([3, 1, 2], ctx=mx.gpu())
    assert nd.argsort(x).tolist() == [1, 2, 0]
    assert nd.argsort(x).context is mx.gpu()
    text = capsys.readouterr().err
    assert text.count("argsort is computed on the CPU, with copies: it has no compiled form") == 1
    assert "test_arrays.py:" in text


@pytest.mark.slow
def test_memory_comes_back_with_its_arrays() -> None:
    device: Any = device_of(mx.gpu())
    gc.collect()
    free, total = gpu_memory_info()
    x = nd.zeros((1 << 18,), ctx=mx.gpu())
    view = x[5:10]
    held, _ = gpu_memory_info()
    assert free - held >= 1 << 20
    del x
    assert gpu_memory_info()[0] == held  # the view needs it
    del view
    assert gpu_memory_info() == (free, total)
    assert device_of(mx.gpu()) is device


@pytest.mark.parametrize("make", [nd.zeros, nd.ones, nd.random.uniform, nd.random.normal])
def test_what_a_device_has_no_room_for_is_not_made_on_the_cpu(make: Any) -> None:
    said = (
        r"^gpu\(1\), .* is out of memory: 4096.0 GiB were requested; lamina's arrays hold .*, "
        r".* of 4.0 GiB are free. Use smaller batches, or delete arrays"
    )
    with pytest.raises(DeviceMemoryError, match=said):
        make(shape=(1 << 20, 1 << 20), ctx=mx.gpu(1))


def test_what_numpy_computes_stays_where_its_arrays_are() -> None:
    x = mnp.array([[3, 1, 2], [6, 5, 4]], ctx=mx.gpu(1))
    for found in (mnp.median(x, axis=1), mnp.percentile(x, 50, axis=1), *mnp.modf(x), mnp.cross(x, x)):
        assert found.ctx is mx.gpu(1)
    assert npx.nonzero(x).ctx is mx.gpu(1)
    assert mnp.median(x, axis=1).tolist() == [2, 5]
    assert mnp.hanning(3, ctx=mx.gpu()).ctx is mx.gpu()
    assert mnp.hanning(3).ctx is mx.cpu()
