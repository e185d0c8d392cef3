"""Gluon blocks in ONNX Runtime predict as they do in lamina: every layer, every activation, the blocks of users."""

import inspect

import numpy as np
import onnx
import onnxruntime
import pytest

from lamina import autograd, gluon, init, nd
from lamina.errors import LaminaError, TraceError
from lamina.export._onnx_model import block_model
from lamina.gluon import nn
from lamina.nd.activation import ACTIVATIONS

TOLERANCES = {"float16": 4e-3, "float32": 1e-5, "float64": 1e-5}
LAYERS = {
    "Dense": lambda: nn.Dense(3),
    "Dense without a bias": lambda: nn.Dense(3, use_bias=False),
    "Dense on the last axis": lambda: nn.Dense(3, flatten=False),
    "Dense of float16": lambda: nn.Dense(3, dtype="float16"),
    "Activation": lambda: nn.Activation("tanh"),
    "BatchNorm": lambda: nn.BatchNorm(scale=False),
    "BatchNormReLU": nn.BatchNormReLU,
    "LayerNorm": lambda: nn.LayerNorm(epsilon=1e-3),
    "LayerNorm on axis 1": lambda: nn.LayerNorm(axis=1, center=False),
    "InstanceNorm": nn.InstanceNorm,
    "GroupNorm": lambda: nn.GroupNorm(num_groups=3),
    "Dropout": lambda: nn.Dropout(0.5),
    "Flatten": nn.Flatten,
    "Lambda": lambda: nn.Lambda("tanh"),
    "HybridLambda": lambda: nn.HybridLambda(lambda F, x: F.sin(x) + F.clip(x, -0.5, 0.5)),
    "LeakyReLU": lambda: nn.LeakyReLU(0.3),
    "PReLU": nn.PReLU,
    "PReLU of channels": lambda: nn.PReLU(in_channels=6),
    "ELU": lambda: nn.ELU(0.7),
    "SELU": nn.SELU,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "Swish": lambda: nn.Swish(beta=1.5),
    "Mish": nn.Mish,
    "Sequential": lambda: nn.Sequential(nn.Dense(4), nn.Dense(3)),
    "HybridSequential": lambda: nn.HybridSequential(nn.Dense(4), nn.BatchNorm(), nn.Dense(3)),
    "Embedding": lambda: nn.Embedding(5, 3),
}


WITHOUT_FLOAT16 = {"BatchNorm", "BatchNormReLU", "HybridSequential"}
"""Whose statistics stay float32, which lamina does not mix with float16."""


def leaves(value):
    """All arrays in nested lists and tuples."""
    return [leaf for x in value for leaf in leaves(x)] if isinstance(value, list | tuple) else [value]


def ready(block, *inputs):
    """With parameters far from their usual first values."""
    rng = np.random.default_rng(0)
    block.initialize(init.Normal(0.5))
    block(*inputs)
    for parameter in block.collect_params().values():
        values = rng.normal(0.3, 0.5, parameter.shape)
        is_variance = parameter.name.endswith("running_var")
        parameter.set_data(nd.array(np.abs(values) + 0.3 if is_variance else values, dtype=parameter.dtype))
    return block


def assert_same(block, *inputs, dtype="float32", rows=(1, 5)):
    """Also for other numbers of rows than the model has seen."""
    model = block_model(block, list(inputs))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    for count in (inputs[0].shape[0], *rows):
        given = [nd.array(np.resize(x.asnumpy(), (count, *x.shape[1:])), dtype=x.dtype) for x in inputs]
        with autograd.pause():
            wanted = block(*given)
        got = session.run(None, dict(zip(names, (x.asnumpy() for x in given), strict=True)))
        wanted = leaves(wanted)
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            assert one.dtype == other.dtype
            tolerance = TOLERANCES[dtype]
            np.testing.assert_allclose(one, other.asnumpy(), rtol=tolerance, atol=tolerance)
    return model


def test_every_layer_is_here():
    public = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name))}
    tried = {type(make()).__name__ for make in LAYERS.values()}
    assert public - tried == {"Block", "HybridBlock", "SymbolBlock"} & public


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in LAYERS
        for dtype in TOLERANCES
        if dtype != "float16" or name not in WITHOUT_FLOAT16
    ],
)
def test_a_layer(name, dtype):
    rng = np.random.default_rng(1)
    block = LAYERS[name]()
    if name == "Embedding":
        x = nd.array(rng.integers(-1, 7, (4, 2)), dtype="int32")
    else:
        x = nd.array(rng.normal(size=(4, 6)), dtype="float16" if name == "Dense of float16" else dtype)
    block.cast(x.dtype if name != "Embedding" else dtype)
    assert_same(ready(block, x), x, dtype="float16" if name == "Dense of float16" else dtype)


@pytest.mark.parametrize(
    "name",
    [
        "Dense on the last axis",
        "LayerNorm",
        "LayerNorm on axis 1",
        "InstanceNorm",
        "GroupNorm",
        "PReLU of channels",
    ],
)
def test_a_layer_on_three_axes(name):
    x = nd.array(np.random.default_rng(1).normal(size=(4, 6, 5)))
    assert_same(ready(LAYERS[name](), x), x)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation(name, dtype):
    x = nd.array(np.random.default_rng(1).normal(0, 3, (6, 8)), dtype=dtype)
    assert_same(nn.Activation(name), x, dtype=dtype)


def test_dense_layers_and_what_is_linear_are_single_nodes():
    x = nd.random_normal(shape=(4, 6))
    net = nn.HybridSequential(nn.Dense(8), nn.BatchNorm(), nn.Activation("selu"), nn.LayerNorm(), nn.Dense(3))
    nodes = assert_same(ready(net, x), x).graph.node
    assert [node.op_type for node in nodes] == ["Gemm", "Selu", "LayerNormalization", "Gemm"]
    assert nodes[0].name.endswith("/Gemm")


class Attention(gluon.HybridBlock):
    """Two inputs, three outputs, shapes that depend on the number of rows, indexing, masks, reductions."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.query = nn.Dense(12, flatten=False)
            self.key = nn.Dense(12, flatten=False)
            self.offset = self.params.get("offset", shape=(1, 5, 1), init="ones")

    def hybrid_forward(self, F, sequence, weight, offset):
        rows = sequence.shape[0]
        heads = [
            F.transpose(part(sequence).reshape((rows, 5, 3, 4)), (0, 2, 1, 3)).reshape((rows * 3, 5, 4))
            for part in (self.query, self.key)
        ]
        scores = F.softmax(F.batch_dot(*heads, transpose_b=True) / 2)
        mixed = scores.reshape((rows, 3, 5, 5)).max(axis=1)
        mixed[:, 0:2, 1] = 0.0
        last = mixed[:, -1] * weight + F.ones((rows, 5))
        best = F.argmax(sequence, axis=2)
        return F.broadcast_add(mixed, offset), [F.where(last > 1.2, last, -last), F.one_hot(best, 6)]


def test_a_users_block():
    rng = np.random.default_rng(1)
    sequence, weight = nd.array(rng.normal(size=(4, 5, 6))), nd.array(rng.normal(size=(4, 1)))
    model = assert_same(ready(Attention(), sequence, weight), sequence, weight)
    assert [one.name for one in model.graph.input] == ["sequence", "weight"]
    assert [one.name for one in model.graph.output] == ["output0", "output1", "output2"]


def test_numbers_of_rows_in_the_result():
    class Pairs(gluon.Block):
        def forward(self, x):
            return x.reshape((-1, 2, 6)).sum(axis=1)

    x = nd.random_normal(shape=(4, 6))
    assert_same(Pairs(), x, rows=(2, 8))


def test_a_hybridized_net_whose_sizes_are_not_known_yet():
    net = nn.HybridSequential(nn.Dense(3), nn.Dense(2))
    net.initialize()
    net.hybridize()
    assert_same(net, nd.random_normal(shape=(4, 6)))


def test_without_an_example_the_first_dense_layer_says_what_it_takes():
    net = nn.HybridSequential(nn.Dense(3, in_units=6), nn.Dense(2, in_units=3))
    net.initialize()
    (wanted,) = block_model(net).graph.input
    assert [size.dim_param or size.dim_value for size in wanted.type.tensor_type.shape.dim] == ["rows", 6]
    with pytest.raises(LaminaError, match=r"the shape of its inputs is unknown; give an example array"):
        block_model(nn.Dense(3))


class Refused(gluon.HybridBlock):
    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def hybrid_forward(self, F, x):
        return self.function(F, x)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda F, x: F.gammaln(x), LaminaError, "the operator 'gammaln' in inner cannot be exported"),
        (
            lambda F, x: F.Dropout(x, mode="always"),
            LaminaError,
            "the operator 'random_bits' in inner draws random",
        ),
        (lambda F, x: x if x.sum().asscalar() > 0 else -x, TraceError, "is read inside"),
        (
            lambda F, x: x if x.shape[0] > 8 else -x,
            LaminaError,
            "computes different functions for 6 and for 10 rows",
        ),
        (
            lambda F, x: x - x.mean(),
            LaminaError,
            "a number in inner depends on the number of rows: it is 18.0 for 6",
        ),
        (
            lambda F, x: x[0 : len(x) // 2],
            LaminaError,
            "the operator 'slice' in inner indexes or slices the axis of rows",
        ),
    ],
)
def test_what_cannot_be_exported_is_named(function, error, message):
    net = nn.HybridSequential(Refused(function, prefix="inner_"))
    with pytest.raises(error, match=message):
        block_model(net, nd.ones((2, 3)))


def test_state_is_refused():
    class Counter(gluon.Block):
        def __init__(self):
            super().__init__()
            self.seen = nd.zeros((1,))

        def forward(self, x):
            self.seen[:] = self.seen + 1
            return x * self.seen

    with pytest.raises(LaminaError, match="changes a stored array"):
        block_model(Counter(), nd.ones((2, 3)))
