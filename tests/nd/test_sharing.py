"""Which results share memory with their array, as in MXNet 1.9.1, where each was tried: a write into one shows it."""

from collections.abc import Callable

import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.gluon import nn

SHAPE = (2, 3, 1)

COPIED: dict[str, Callable[[nd.NDArray], nd.NDArray]] = {
    "nd.reshape": lambda x: nd.reshape(x, shape=(3, 2)),
    "nd.reshape to the same shape": lambda x: nd.reshape(x, shape=SHAPE),
    "nd.flatten": nd.flatten,
    "nd.expand_dims": lambda x: nd.expand_dims(x, axis=0),
    "nd.squeeze": nd.squeeze,
    "nd.reshape_like": lambda x: nd.reshape_like(x, nd.zeros((3, 2))),
    "nd.slice": lambda x: nd.slice(x, begin=(0,), end=(1,)),
    "nd.slice_axis": lambda x: nd.slice_axis(x, axis=0, begin=0, end=1),
    "nd.slice_like": lambda x: nd.slice_like(x, nd.zeros((1, 3, 1))),
    "nd.split": lambda x: nd.split(x, 2, axis=0)[0],
    "nd.split, squeezed": lambda x: nd.split(x, 2, axis=0, squeeze_axis=True)[1],
    "nd.split_v2": lambda x: nd.split_v2(x, (1,))[0],
    "nd.flip": lambda x: nd.flip(x, axis=2),
    "nd.broadcast_to": lambda x: nd.broadcast_to(x, SHAPE),
    "nd.broadcast_like": lambda x: nd.broadcast_like(x, nd.zeros(SHAPE)),
    "nd.Dropout": lambda x: nd.Dropout(x, mode="training"),
    "nd.SequenceLast": nd.SequenceLast,
    "x.flatten": lambda x: x.flatten(),
    "x.expand_dims": lambda x: x.expand_dims(0),
    "x.squeeze": lambda x: x.squeeze(),
    "x.slice_axis": lambda x: x.slice_axis(0, 0, 1),
    "x[:, 0:1]": lambda x: x[:, 0:1],
    "x.tostype": lambda x: x.tostype("default"),
    "nn.Flatten": nn.Flatten(),
}

SHARED: dict[str, Callable[[nd.NDArray], nd.NDArray]] = {
    "x.reshape": lambda x: x.reshape((3, 2)),
    "x.flatten, inplace": lambda x: x.flatten(inplace=True),
    "x.expand_dims, inplace": lambda x: x.expand_dims(0, inplace=True),
    "x.squeeze, inplace": lambda x: x.squeeze(inplace=True),
    "x[0]": lambda x: x[0],
    "x[0, 1:2]": lambda x: x[0, 1:2],
    "x[None]": lambda x: x[None],
    "x.detach": lambda x: x.detach(),
    "split_data": lambda x: gluon.utils.split_data(x, 2)[0],
}

ALL = [pytest.param(f, False, id=name) for name, f in COPIED.items()]
ALL += [pytest.param(f, True, id=name) for name, f in SHARED.items()]


def written(function: Callable[[nd.NDArray], nd.NDArray]) -> tuple[nd.NDArray, nd.NDArray]:
    """An array after its result was written, and a result after its array was; some work besides."""
    first, second = nd.ones(SHAPE), nd.ones(SHAPE)
    result, other = function(first), function(second)
    result *= -1.0
    second *= -1.0
    work = first
    for _ in range(8):
        work = work * 0.5 + second
    work.sum()
    return first, other


def shares(first: nd.NDArray, other: nd.NDArray) -> tuple[bool, bool]:
    return (first.asnumpy() < 0).any(), (other.asnumpy() < 0).any()


@pytest.mark.parametrize(("function", "shared"), ALL)
def test_eagerly(function: Callable[[nd.NDArray], nd.NDArray], shared: bool) -> None:
    with lamina.eager():
        assert shares(*written(function)) == (shared, shared)


@pytest.mark.parametrize(("function", "shared"), ALL)
def test_of_an_array_with_a_gradient(function: Callable[[nd.NDArray], nd.NDArray], shared: bool) -> None:
    x = nd.ones(SHAPE)
    x.attach_grad()
    with autograd.record(train_mode=False):
        result = function(x)
    result[:] = -1
    assert (x.asnumpy() < 0).any() == shared


@pytest.mark.parametrize(("function", "shared"), ALL)
def test_in_a_program_that_repeats(function: Callable[[nd.NDArray], nd.NDArray], shared: bool) -> None:
    for _ in range(5):
        assert shares(*written(function)) == (shared, shared)


@pytest.mark.parametrize(("function", "shared"), ALL)
def test_compiled(function: Callable[[nd.NDArray], nd.NDArray], shared: bool) -> None:
    @lamina.compile
    def step() -> tuple[nd.NDArray, nd.NDArray]:
        return written(function)

    assert shares(*step()) == (shared, shared)
