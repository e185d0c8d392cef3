"""Sequential containers and functions as layers."""

import numpy as np
import pytest

from lamina import nd
from lamina.errors import ParameterError
from lamina.gluon import nn


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
