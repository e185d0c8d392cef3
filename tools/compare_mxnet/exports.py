"""Networks and operators as real MXNet writes and computes them, for lamina's tests; and the other way round.

    PYTHON_WITH_MXNET tools/compare_mxnet/exports.py write tests/symbol/fixtures   # MXNet's files
    PYTHON_WITH_MXNET tools/compare_mxnet/exports.py compute FOLDER                # what MXNet makes of lamina's

A network is three files: ``NAME-symbol.json``, ``NAME-0000.params``, and ``NAME-data.params`` with inputs and outputs.
``operators.json`` has a symbol of each operator, its inputs and outputs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.gluon import nn

# --- networks ----------------------------------------------------------------------------------------------------


class Residual(gluon.HybridBlock):
    """Two inputs, a constant, arithmetic, and two outputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = nn.Dense(4, flatten=False, activation="tanh")
            self.second = nn.Dense(3, use_bias=False, flatten=False)
            self.scale = self.params.get_constant("scale", mx.nd.array([[0.5, 1, 2]]))

    def hybrid_forward(self, F, x, y, scale):
        hidden = F.concat(self.first(x), y * 2, dim=-1) / 3 + 1
        out = F.broadcast_mul(self.second(F.Dropout(hidden, p=0.5)), scale)
        return F.softmax(out), 1 - F.sum(out * out, axis=-1) ** 0.5


def _networks():
    layers = nn.HybridSequential(prefix="layers_")
    with layers.name_scope():
        layers.add(
            nn.Dense(5, activation="relu"), nn.BatchNorm(), nn.Dropout(0.5), nn.LayerNorm(), nn.PReLU(), nn.Swish(),
            nn.GELU(), nn.SELU(), nn.ELU(), nn.LeakyReLU(0.1), nn.Flatten(), nn.HybridLambda("tanh"), nn.Dense(3),
        )  # fmt: skip
    words = nn.HybridSequential(prefix="words_")
    with words.name_scope():
        words.add(nn.Embedding(7, 4), nn.HybridLambda(lambda F, x: F.mean(x, axis=1)), nn.Dense(2))
    shared = nn.HybridSequential(prefix="shared_")
    with shared.name_scope():
        first = nn.Dense(4, in_units=4, activation="sigmoid")
        shared.add(first, nn.Dense(4, in_units=4, params=first.params), first)
    half = nn.HybridSequential(prefix="half_")
    with half.name_scope():
        half.add(nn.Dense(6, activation="softrelu"), nn.BatchNorm(scale=False, epsilon=1e-3), nn.Dense(2))
    normal = [mx.nd.random.normal(shape=(4, 3)), mx.nd.random.normal(shape=(4, 2))]
    return {
        "layers": (layers, [mx.nd.random.normal(shape=(4, 2, 3))]),
        "words": (words, [mx.nd.array([[0, 6, 3], [1, 1, 5]])]),
        "shared": (shared, [mx.nd.random.normal(shape=(3, 4))]),
        "double": (half, [mx.nd.random.normal(shape=(3, 4), dtype="float64")]),
        "residual": (Residual(prefix="residual_"), normal),
    }


def _write_networks(folder):
    for name, (net, inputs) in _networks().items():
        net.initialize(mx.init.Normal(0.5))
        if name == "double":
            net.cast("float64")
        net.hybridize()
        with mx.autograd.record():  # running means and variances move
            net(*inputs)
        net.export(str(folder / name))
        _write_data(folder / f"{name}-data.params", inputs, net(*inputs))


def _write_data(path, inputs, outputs):
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    named = {f"input{i}": x for i, x in enumerate(inputs)}
    mx.nd.save(str(path), {**named, **{f"output{i}": y for i, y in enumerate(outputs)}})


def _write_module(folder):
    """A classifier as ``Module.save_checkpoint`` wrote them for years."""
    x, label = mx.sym.var("data"), mx.sym.var("softmax_label")
    x = mx.sym.Activation(mx.sym.FullyConnected(x, num_hidden=4, name="fc1"), act_type="relu", name="relu1")
    x = mx.sym.BatchNorm(x, name="bn1", fix_gamma=True)
    x = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=3, name="fc2"), label, name="softmax")
    module = mx.mod.Module(x)
    module.bind(data_shapes=[("data", (2, 5))], label_shapes=[("softmax_label", (2,))])
    module.init_params(mx.init.Normal(0.5))
    inputs = [mx.nd.random.normal(shape=(2, 5)), mx.nd.array([0, 2])]
    module.forward(mx.io.DataBatch(inputs[:1], inputs[1:]), is_train=False)
    module.save_checkpoint(str(folder / "module"), 0)
    _write_data(folder / "module-data.params", inputs, module.get_outputs())


# --- operators ---------------------------------------------------------------------------------------------------

_UNARY = """
abs arccos arcsin arcsinh arctan arctanh cbrt ceil cos cosh degrees erf erfinv exp expm1 fix floor gamma
gammaln hard_sigmoid log log10 log1p log2 logical_not negative radians rcbrt reciprocal relu rint round rsqrt sigmoid
sign sin sinh softsign sqrt square tan tanh trunc identity BlockGrad ones_like zeros_like shape_array size_array
softmax log_softmax softmin flatten SoftmaxActivation argmax_channel L2Normalization MakeLoss""".split()
_BINARY = """
_plus _minus _mul _div _mod _power _maximum _minimum _hypot _equal _not_equal _greater _greater_equal _lesser
_lesser_equal _logical_and _logical_or _logical_xor dot elemwise_add elemwise_sub elemwise_mul elemwise_div""".split()
_BROADCAST = """
add sub mul div mod power maximum minimum hypot equal not_equal greater greater_equal lesser lesser_equal
logical_and logical_or logical_xor""".split()
_SCALAR = """
_plus _minus _rminus _mul _div _rdiv _mod _rmod _power _rpower _maximum _minimum _hypot _equal _not_equal
_greater _greater_equal _lesser _lesser_equal _logical_and _logical_or _logical_xor""".split()
_CASES = """
F.smooth_l1(x, scalar=2.0)
F.Cast(x, dtype="int32")
F.amp_cast(x, dtype="float16")
F.arccosh(x + 1)
F.clip(x, 0.2, 0.5)
F.Activation(x, act_type="softrelu")
F.Activation(x, act_type="softsign")
F.LeakyReLU(x - 0.5, act_type="elu", slope=0.3)
F.LeakyReLU(x - 0.5, act_type="leaky")
F.LeakyReLU(x - 0.5, act_type="selu")
F.LeakyReLU(x - 0.5, act_type="gelu")
F.Dropout(x, p=0.3)
F.FullyConnected(x, y, num_hidden=3, no_bias=True)
F.FullyConnected(z, y.slice_axis(axis=1, begin=0, end=2), num_hidden=3, no_bias=True, flatten=False)
F.SoftmaxOutput(x, F.arange(0, 3))
F.SoftmaxOutput(z, F.max(z, axis=-1), preserve_shape=True)
F.LinearRegressionOutput(x, x)
F.MAERegressionOutput(x, x)
F.LogisticRegressionOutput(x, x)
F.Embedding(F.round(x), y, input_dim=3, output_dim=3)
F.L2Normalization(z, mode="channel")
F.LayerNorm(z, F.ones((2,)), F.zeros((2,)))
F.LayerNorm(z, F.ones((3,)), F.zeros((3,)), axis=1, eps=0.1)
F.InstanceNorm(z, F.ones((3,)), F.zeros((3,)), eps=0.1)
F.GroupNorm(z, F.ones((3,)), F.zeros((3,)), num_groups=3)
F.GroupNorm(z, F.ones((1,)), F.zeros((1,)), eps=0.1)
F.softmax(z, axis=1, temperature=2.0)
F.log_softmax(z, axis=0)
F.softmax_cross_entropy(x, F.arange(0, 3))
F.argmax(z, axis=1)
F.argmin(z, axis=1, keepdims=True)
F.argmax(x)
F.max(z, axis=(0, 2))
F.min(z, axis=1, exclude=True)
F.mean(z)
F.mean(z, axis=-1, keepdims=True)
F.nanprod(z, axis=0)
F.nansum(z, axis=0)
F.prod(z, axis=1)
F.sum(z, axis=(1, 2))
F.norm(x)
F.norm(x, ord=1, axis=1)
F.topk(x, k=2)
F.topk(x, k=2, ret_typ="value", axis=0, is_ascend=True)
F.topk(x, k=2, ret_typ="both")
F.topk(x, k=1, ret_typ="mask")
F.sort(x, is_ascend=False)
F.argsort(x, axis=0)
F.Concat(x, y, dim=0)
F.concat(x, y, x, dim=1)
F.Pad(F.reshape(x, (1, 1, 3, 3)), mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 0, 1), constant_value=3)
F.reshape(z, (-1, 2))
F.reshape(z, (0, -1))
F.reshape(z, (-3, -2))
F.reshape(z, (-4, 1, 2, -2))
F.Reshape(x, shape=(-1, 0), reverse=True)
F.split(z, 3, axis=1)
F.split(z, 3, axis=1, squeeze_axis=True)
F.SwapAxis(z, 0, 2)
F.split_v2(x, 3, axis=1)
F.split_v2(x, (1, 2), axis=1)
F.broadcast_axis(F.expand_dims(x, 0), axis=0, size=2)
F.broadcast_like(F.slice_axis(x, axis=0, begin=0, end=1), y)
F.broadcast_to(F.slice_axis(x, axis=0, begin=0, end=1), (3, 3))
F.diag(x, k=1)
F.expand_dims(x, 1)
F.repeat(x, 2, axis=1)
F.reshape_like(F.flatten(x), x)
F.reverse(x, axis=1)
F.slice(x, begin=(0, None), end=(2, None), step=(1, -1))
F.slice_axis(x, axis=1, begin=1, end=None)
F.slice_like(F.tile(x, (2, 2)), x)
F.slice_like(F.tile(x, (2, 2)), x, axes=(0,))
F.squeeze(F.expand_dims(x, 1), axis=1)
F.stack(x, y, axis=1)
F.tile(x, (2, 1))
F.transpose(z)
F.transpose(z, axes=(1, 0, 2))
F.batch_take(x, F.arange(0, 3, dtype="int32"))
F.gather_nd(x, F.Cast(F.stack(F.arange(0, 3), F.arange(0, 3)), dtype="int32"))
F.one_hot(F.arange(0, 3), 4, on_value=2)
F.pick(x, F.arange(0, 3), axis=1)
F.pick(x, F.arange(1, 4), axis=0, mode="wrap", keepdims=True)
F.scatter_nd(F.arange(0, 3), F.Cast(F.expand_dims(F.arange(0, 3), 0), dtype="int32"), shape=(5,))
F.take(x, F.arange(0, 3), axis=1)
F.take(x, F.arange(1, 5), mode="wrap")
F.where(x > 0.5, x, y)
F.batch_dot(z, z, transpose_a=True)
F.dot(x, y, transpose_b=True)
F.linalg.gemm(x, y, x, alpha=2.0, beta=0.5)
F.linalg.gemm2(x, y, transpose_a=True)
F.linalg.syrk(x, alpha=0.5)
F.linalg.det(x)
F.linalg.inverse(x)
F.linalg.potrf(F.dot(x, x, transpose_b=True) + F.eye(3, 3))
F.linalg.potri(x + F.eye(3, 3))
F.linalg.sumlogdiag(x)
F.linalg.extractdiag(x, offset=1)
F.linalg.makediag(x)
F.linalg.trmm(x, y, alpha=2.0)
F.linalg.trsm(x, y, rightside=True)
F.khatri_rao(x, y)
F.cumsum(x, axis=1)
F.make_loss(x)
F.SVMOutput(x, F.arange(0, 3), use_linear=True)
F.unravel_index(F.arange(0, 3), shape=(2, 3))
F.ravel_multi_index(F.stack(F.arange(0, 2), F.arange(1, 3)), shape=(2, 3))
F.add_n(x, y, x)
F.broadcast_add(F.arange(2, 8, 2), F.sum(x))
F.broadcast_add(F.arange(0, 3, repeat=2), F.sum(x))
F.broadcast_mul(F.eye(3, 4, 1), F.reshape(F.sum(x), (1, 1)))
F.broadcast_mul(F.full((2, 2), 7), F.reshape(F.sum(x), (1, 1)))
F.ones((1,)) * 2 + F.zeros((1,)) + F.sum(x) * 0
F.moments(z, axes=(0, 2), keepdims=True)
F.SequenceLast(z)
F.SequenceMask(z, F.arange(1, 4), use_sequence_length=True, value=-1)
F.SequenceReverse(z)
F.contrib.arange_like(z, axis=1, start=2, step=3)
F.contrib.arange_like(x)
F.contrib.div_sqrt_dim(z)
F.contrib.gradientmultiplier(x, scalar=2)
F.contrib.index_copy(x, F.arange(0, 2), F.slice(y, begin=(1,), end=(3,)))
F.contrib.quadratic(x, a=1, b=2, c=3)
F.contrib.interleaved_matmul_selfatt_qk(F.reshape(z, (2, 1, 6)), heads=1)
F.contrib.interleaved_matmul_selfatt_valatt(F.reshape(z, (2, 1, 6)), F.slice(z, begin=(0, 0, 0), end=(1, 2, 2)),heads=1)
F.contrib.interleaved_matmul_encdec_qk(F.reshape(z, (6, 1, 2)), F.reshape(z, (3, 1, 4)), heads=1)
F.contrib.interleaved_matmul_encdec_valatt(F.reshape(z, (3, 1, 4)), F.reshape(x, (1, 3, 3)), heads=1)
F.abs(F.linalg.gelqf(x)[0])
F.linalg.slogdet(x)
F.linalg.syevd(F.dot(x, x, transpose_b=True))[1]
F.linalg.extracttrian(x)
F.linalg.maketrian(x, lower=False)
F.sample_multinomial(F.eye(3, 3), shape=2, get_prob=True)
F.random.multinomial(F.eye(3, 3), get_prob=False)
F.sample_uniform(x, x, shape=2)
F.random.normal(x, x * 0)
x + 1, 1 - x, x / 2, 2 / x, x ** 2, -x, abs(x - 1), x % 0.3, x > 0.5, 1 >= x, x == y, x != y
"""


def _symbols(x, y, z):
    def of(name, *arguments, **named):
        return getattr(mx.sym, name, None) or getattr(mx.sym._internal, name)

    for name in _UNARY:
        yield of(name)(x)
    for name in _BINARY:
        yield of(name)(x, y)
    for name in _BROADCAST:
        yield of(f"broadcast_{name}")(x, mx.sym.slice_axis(y, axis=1, begin=0, end=1))
    for name in _SCALAR:
        yield of(f"{name}_scalar")(x, scalar=0.5)
    for line in _CASES.strip().splitlines():
        yield eval(line, {"F": mx.sym, "x": x, "y": y, "z": z})


def _write_operators(folder):
    random = np.random.RandomState(0)
    given = {
        "x": random.uniform(0.1, 0.9, (3, 3)), "y": random.uniform(0.1, 0.9, (3, 3)),
        "z": random.uniform(0.1, 0.9, (2, 3, 2)),
    }  # fmt: skip
    arrays = {name: mx.nd.array(np.round(values, 3)) for name, values in given.items()}
    cases = []
    for found in _symbols(*map(mx.sym.var, "xyz")):
        symbol = mx.sym.Group(found) if isinstance(found, tuple) else found
        outputs = symbol.bind(mx.cpu(), {name: arrays[name] for name in symbol.list_inputs()}).forward()
        cases.append([json.loads(symbol.tojson()), [_plain(y) for y in outputs]])
    inputs = {name: _plain(array) for name, array in arrays.items()}
    text = json.dumps({"inputs": inputs, "cases": cases}, separators=(",", ":"))
    (folder / "operators.json").write_text(text.replace('[{"nodes"', '\n[{"nodes"') + "\n")


def _plain(array):
    return [
        array.dtype.__name__,
        list(array.shape),
        [float(f"{v:.7g}") for v in array.asnumpy().ravel().tolist()],
    ]


# --- the other way round -----------------------------------------------------------------------------------------


def compute(folder):
    """For each of lamina's networks in a folder, what MXNet computes beside what lamina did: the largest difference."""
    for path in sorted(folder.glob("*-symbol.json")):
        name = path.name[: -len("-symbol.json")]
        data = mx.nd.load(str(folder / f"{name}-data.params"))
        inputs = [data[f"input{i}"] for i in range(len(data)) if f"input{i}" in data]
        names = ["data"] if len(inputs) == 1 else [f"data{i}" for i in range(len(inputs))]
        net = gluon.SymbolBlock.imports(str(path), names, str(folder / f"{name}-0000.params"))
        outputs = net(*inputs)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        far = [_distance(y.asnumpy(), data[f"output{i}"].asnumpy()) for i, y in enumerate(outputs)]
        print(json.dumps([name, max(far)]))


def _distance(one, other):
    """The largest difference, in proportion to the largest number."""
    return float(np.abs(one - other).max() / max(1, np.abs(other).max()))


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    mx.random.seed(7)
    np.random.seed(7)
    if command == "write":
        _write_networks(folder)
        _write_module(folder)
        _write_operators(folder)
    else:
        compute(folder)
