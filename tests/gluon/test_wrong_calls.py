"""What Gluon cannot do with what it is given is told in its own words."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina import eager, gluon, nd, symbol
from lamina.gluon import nn


def dense() -> nn.Dense:
    net = nn.Dense(3, in_units=2, prefix="dense0_")
    net.initialize()
    return net


def trainer(*settings: Any, **others: Any) -> gluon.Trainer:
    return gluon.Trainer(dense().collect_params(), "sgd", *settings, **others)


def normalized(layer: nn.HybridBlock) -> nd.NDArray:
    layer.initialize()
    return layer(nd.ones((2, 3)))


CROSS_ENTROPY = gluon.loss.SoftmaxCrossEntropyLoss()


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: dense()([[1.0, 2.0]]), r"dense0: needs an NDArray, got list; make one with nd\.array"),
        (
            lambda: CROSS_ENTROPY(nd.ones((2, 3)), [0, 1]),
            r"SoftmaxCross.*: labels must be an NDArray, not list; make",
        ),
        (
            lambda: gluon.loss.L2Loss()(nd.ones(2), [0, 1]),
            r"L2Loss: labels must be an NDArray, not list; make one",
        ),
        (lambda: normalized(nn.BatchNorm(axis=7)), r"axis 7 does not exist in an input of shape \(2, 3\)"),
        (lambda: normalized(nn.LayerNorm(axis=-3)), r"axis -3 does not exist in an input of shape \(2, 3\)"),
        (lambda: nn.Dropout("a"), r"Dropout: the rate must be between 0 and 1, not 'a'"),
        (lambda: trainer(0.1), r"optimizer_params is a dict of settings, as in Trainer\(.*\); not 0\.1"),
        (
            lambda: trainer(learning_rate=0.1),
            r"^Trainer has no argument 'learning_rate'\. Settings .* go into a dict",
        ),
        (lambda: trainer().step("a"), r"step: gradients are divided by batch_size, a number, not 'a'"),
        (
            lambda: gluon.data.DataLoader([1, 2], batch_size="2"),
            r"batch_size must be a whole number of rows, not '2'",
        ),
        (
            lambda: gluon.data.DataLoader([1], batch_size=1, num_workers="a"),
            r"num_workers is the number of .*, not 'a'",
        ),
        (
            lambda: gluon.data.DataLoader(3, batch_size=1),
            r"a data set needs __len__ and __getitem__.* int has no length",
        ),
    ],
)
def test_wrong_calls_say_what_to_do(call: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        call()


class Scaled(nn.HybridBlock):
    def hybrid_forward(self, F: Any, sizes: Any, x: nd.NDArray) -> nd.NDArray:
        return x * (sizes[0] if isinstance(sizes, list | tuple) else sizes)


@pytest.mark.parametrize(
    ("sizes", "hybridized"),
    [([2, 3], False), ([2, 3], True), ((2, 3), True), (2, False), (2, True), ([np.full(2, 2.0)], False)],
    ids=repr,
)
def test_numbers_may_stand_before_arrays_as_in_mxnet(sizes: Any, hybridized: bool) -> None:
    net = Scaled()
    net.hybridize(hybridized)
    np.testing.assert_array_equal(net(sizes, nd.ones(2)).asnumpy(), [2, 2])


@pytest.mark.parametrize("args", [([2, 3], 1), (np.ones(2), nd.ones(2))], ids=("numbers", "numpy"))
def test_an_input_is_an_array(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"needs an NDArray, got (list|ndarray)"):
        Scaled()(*args)


@pytest.mark.parametrize("batch_size", [4.0, np.float64(4), np.array(4), np.int8(4)], ids=repr)
def test_a_whole_number_is_a_batch_size_whatever_its_type(batch_size: Any) -> None:
    loader = gluon.data.DataLoader(np.arange(10.0), batch_size)
    assert [len(batch) for batch in loader] == [4, 4, 2] and len(loader) == 3


@pytest.mark.parametrize("batch_size", [2.5, np.inf, np.ones(1), "4"], ids=repr)
def test_what_is_no_whole_number_is_no_batch_size(batch_size: Any) -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number of rows, not"):
        gluon.data.DataLoader(np.arange(10.0), batch_size)


def test_numbers_of_numpys_are_numbers() -> None:
    assert nn.Dropout(np.array(0.5))(nd.ones(2)).shape == (2,)
    assert len(gluon.data.DataLoader([1, 2], batch_size=np.int64(2), num_workers=np.int64(0))) == 1
    assert nn.Dropout(np.float32(0.5))(nd.ones(2)).shape == (2,)


class Joined(nn.Block):
    def forward(self, x: nd.NDArray, y: nd.NDArray, *more: nd.NDArray) -> nd.NDArray:
        return nd.concat(x, y, *more, dim=0)


class Masked(nn.HybridBlock):
    """Its attributes are called as its inputs are, and it has no bias."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.label, self.bias = 3, None

    def hybrid_forward(self, F: Any, x: nd.NDArray, label: nd.NDArray, bias: Any = None) -> nd.NDArray:
        return x + label


X = nd.ones((1, 2))


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize(
    ("block", "args", "kwargs", "said"),
    [
        (dense(), (X, X), {}, r"^Dense 'dense0' takes 1 input \(x\), got 2$"),
        (dense(), (), {}, r"^Dense 'dense0' takes 1 input \(x\), got none$"),
        (dense(), (X,), {"mask": X}, r"^Dense 'dense0' takes 1 input \(x\), got one called 'mask'$"),
        (nn.Dense(1, prefix="d_"), (), {}, r"^Dense 'd' takes 1 input \(x\), got none$"),
        (nn.Dense(1, use_bias=False, prefix="d_"), (X, X), {}, r"^Dense 'd' takes 1 input \(x\), got 2$"),
        (nn.BatchNorm(prefix="b_"), (X, X), {}, r"^BatchNorm 'b' takes 1 input \(x\), got 2$"),
        (Joined(prefix="j_"), (X,), {}, r"^Joined 'j' takes at least 2 inputs \(x, y\), got 1$"),
        (Masked(prefix="m_"), (X,), {}, r"^Masked 'm' takes 2 inputs \(x, label\), got 1$"),
        (
            nn.HybridLambda("exp", prefix="e_"), (), {"x": X},
            r"^HybridLambda 'e' takes inputs without names, got one called 'x'$",
        ),
        (
            gluon.loss.L2Loss(prefix="l_"), (X,), {},
            r"^L2Loss 'l' takes 2 to 3 inputs \(pred, label, sample_weight\), got 1$",
        ),
    ],
)  # fmt: skip
def test_a_wrong_number_of_inputs_is_told(
    block: nn.Block, args: tuple[Any, ...], kwargs: dict[str, Any], said: str, hybridized: bool
) -> None:
    block.initialize(force_reinit=True)
    block.hybridize(hybridized)
    for evaluation in (contextlib.nullcontext(), eager()):
        with evaluation, pytest.raises(TypeError, match=said):
            block(*args, **kwargs)


def test_a_symbols_block_is_called_without_names() -> None:
    data = symbol.var("data")
    block = gluon.SymbolBlock(symbol.exp(data), [data])
    with pytest.raises(TypeError, match=r"^SymbolBlock takes inputs without names, got one called 'data'$"):
        block(data=X)


def test_a_layer_inside_tells_of_itself() -> None:
    class Doubly(nn.HybridBlock):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            with self.name_scope():
                self.inner = nn.Dense(1)

        def hybrid_forward(self, F: Any, x: nd.NDArray) -> nd.NDArray:
            return self.inner(x, x)

    net = Doubly(prefix="net_")
    net.initialize()
    with pytest.raises(TypeError, match=r"^Dense 'net_dense0' takes 1 input \(x\), got 2$"):
        net(X)


def test_other_errors_of_a_forward_stay_as_they_are() -> None:
    class Failing(nn.HybridBlock):
        def hybrid_forward(self, F: Any, x: nd.NDArray) -> nd.NDArray:
            raise TypeError("its own")

    with pytest.raises(TypeError, match=r"^its own$"):
        Failing()(X)
