"""Sequential containers and functions as layers."""

import numpy as np
import pytest

from lamina import nd
from lamina.errors import ParameterError
from lamina.gluon import ParameterDict, nn


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_indexing_slicing_and_length(kind):
    net = kind()
    layers = [nn.Dense(4), nn.Dense(3), nn.Dense(2)]
    net.add(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert net[1] is layers[1]
    assert net[-1] is layers[2]
    part = net[1:]
    assert type(part) is kind
    assert list(part) == layers[1:]
    with pytest.raises(IndexError):
        net[3]
    net.initialize()
    x = nd.ones((5, 7))
    assert np.array_equal(net(x).asnumpy(), net[1:](net[:1](x)).asnumpy())


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_blocks_may_come_with_the_constructor(kind):
    layers = [nn.Dense(3, in_units=2), nn.Dense(1, in_units=3)]
    for net in (kind(*layers), kind(layers), kind(tuple(layers), prefix="net_")):
        assert list(net) == layers
        net.initialize(force_reinit=True)
        assert net(nd.ones((4, 2))).shape == (4, 1)
        net.hybridize()
        assert net(nd.ones((4, 2))).shape == (4, 1)
    assert list(kind(layers[0])) == layers[:1]
    assert net.prefix == "net_"


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_a_prefix_may_come_first_as_in_mxnet(kind):
    shared = nn.Dense(3, prefix="other_").params
    for net in (kind("net_"), kind("net_", shared), kind("net_", params=shared), kind(prefix="net_")):
        assert net.prefix == "net_"
        assert len(net) == 0
    assert kind("net_", shared).params.prefix == "other_"
    assert kind(None).prefix.startswith(kind.__name__.lower())
    assert kind(None, None).prefix.startswith(kind.__name__.lower())
    assert kind(None, shared).params.prefix == "other_"


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_what_is_no_block_is_refused(kind):
    with pytest.raises(TypeError, match=r"a child of .*Sequential must be a Block, not a int"):
        kind(3)
    with pytest.raises(TypeError, match=r"must be a Block, not a function; nn.Lambda makes a block"):
        kind([nn.Dense(3), lambda x: x])
    with pytest.raises(TypeError, match="must be a Block, not a str"):
        kind(nn.Dense(3), "net_")
    with pytest.raises(TypeError, match=r"params, to share parameters, must be another block's .params"):
        kind("net_", nn.Dense(3))


@pytest.mark.parametrize(
    "make",
    [nn.Flatten, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, lambda x: nn.Dense(2, prefix=x)],
)
def test_a_prefix_is_a_string(make):
    for wrong in (1, True, [nn.Dense(2)], nn.Dense(2)):
        with pytest.raises(TypeError, match=r"prefix of .* must be a string.*nn\.Sequential\(layer, …\)"):
            make(wrong)
    with pytest.raises(TypeError, match=r"Lambda: the prefix"):
        nn.Lambda("relu", nn.Dense(2))
    with pytest.raises(TypeError, match=r"params, to share parameters, .* not a Dense"):
        nn.Flatten(params=nn.Dense(2))
    with pytest.raises(
        TypeError, match="ParameterDict: the prefix of the names must be a string, not a dict"
    ):
        ParameterDict({})


def test_it_prints_nested():
    net = nn.HybridSequential()
    inner = nn.HybridSequential()
    inner.add(nn.Dropout(0.5))
    net.add(nn.Dense(4), inner)
    assert repr(net) == (
        "HybridSequential(\n"
        "  (0): Dense(None -> 4, linear)\n"
        "  (1): HybridSequential(\n"
        "    (0): Dropout(p = 0.5, axes=())\n"
        "  )\n"
        ")"
    )


def test_several_values_pass_from_block_to_block():
    net = nn.Sequential()
    net.add(nn.Lambda(lambda x, y: (x + y, x - y)), nn.Lambda(lambda a, b: (a * b, a)))
    product, total = net(nd.array([5]), nd.array([3]))
    assert product.asscalar() == 16
    assert total.asscalar() == 8


def test_functions_as_layers():
    x = nd.array([-1, 2])
    assert np.array_equal(nn.Lambda("relu")(x).asnumpy(), [0, 2])
    assert np.array_equal(nn.Lambda(lambda a: a * 2)(x).asnumpy(), [-2, 4])
    assert np.array_equal(nn.HybridLambda("relu")(x).asnumpy(), [0, 2])
    assert np.array_equal(nn.HybridLambda(lambda F, a: F.abs(a))(x).asnumpy(), [1, 2])
    assert repr(nn.Lambda("relu")) == "Lambda(relu)"
    assert repr(nn.HybridLambda(lambda F, a: a)) == "HybridLambda(<lambda>)"
    with pytest.raises(ParameterError, match=r"no function lamina.nd.nope"):
        nn.Lambda("nope")
