"""Compiled libraries of Gluon networks and of runs on MNIST."""

from __future__ import annotations

import platform

import numpy as np
import pytest
from c_library import exported_function, needs_linker
from guarded_memory import guarded

import lamina
from lamina import nd
from lamina.cli import main
from lamina.datasets import mnist
from lamina.errors import LaminaError, TraceError
from lamina.estimators.meaning import computed_probabilities
from lamina.export.library import export_library
from lamina.gluon import nn

pytestmark = needs_linker
RANDOM = np.random.default_rng(0)


def compiled(net, rows):
    """What the network gives where it is compiled, on any machine without its matrix unit."""
    return lamina.compile(net.forward, independent_rows=True)(rows)


def predicted(net, path, rows, **options):
    """What the library gives for rows, and what the network does where it is compiled."""
    results = guarded(np.full((len(rows), net(nd.array(rows[:1])).size), np.nan, np.float32))
    function = exported_function(net, path, 1, **options)
    given = guarded(rows)
    assert function(given.ctypes.data, len(rows), results.ctypes.data) == 0
    expected = compiled(net, nd.array(rows)).asnumpy()
    return results, expected.reshape(len(rows), -1)


def test_ten_thousand_rows_have_the_same_bits(tmp_path):
    net = nn.HybridSequential()
    net.add(
        nn.Dense(256, "relu", in_units=784), nn.Dense(256, "relu", in_units=256), nn.Dense(10, in_units=256)
    )
    net.initialize(lamina.init.Xavier())
    rows = RANDOM.normal(size=(10_003, 784)).astype(np.float32)
    rows[:, RANDOM.random(784) < 0.5] = 0
    rows[::3, RANDOM.random(784) < 0.5] = -0.0
    np.testing.assert_array_equal(*predicted(net, tmp_path / "net.so", rows))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.BatchNorm(in_channels=12), nn.Dense(7, "tanh", in_units=12), nn.Dropout(0.5)],
        lambda: [
            nn.Dense(9, in_units=12, use_bias=False),
            nn.LayerNorm(in_channels=9),
            nn.GELU(),
            nn.Swish(),
        ],
        lambda: [nn.Dense(9, "softrelu", in_units=12), nn.PReLU(), nn.ELU(), nn.SELU(), nn.LeakyReLU(0.1)],
    ],
)
def test_layers(layers, tmp_path):
    net = nn.HybridSequential()
    net.add(*layers())
    net.initialize(lamina.init.Normal(0.5))
    np.testing.assert_array_equal(
        *predicted(net, tmp_path / "net.so", RANDOM.normal(size=(21, 12)).astype("f4"))
    )


def rounded(weight):
    """Weights (units, inputs) as 8-bit integers times each unit's scale."""
    scale = np.abs(weight).max(1, keepdims=True) / np.float32(127)
    return np.rint(weight / scale) * scale


def test_weights_of_eight_bits(tmp_path):
    """Close to the network with rounded weights, and a quarter of the size."""
    net = nn.HybridSequential()
    net.add(
        nn.Dense(250, "relu", in_units=90), nn.Dense(100, "tanh", in_units=250), nn.Dense(3, in_units=100)
    )
    net.initialize(lamina.init.Xavier())
    rows = RANDOM.normal(size=(29, 90)).astype(np.float32)
    found, exact = predicted(net, tmp_path / "eight.so", rows, weights="int8")
    if platform.machine() in ("x86_64", "AMD64"):  # the code for vectors without masks
        other, _ = predicted(net, tmp_path / "v2.so", rows, weights="int8", target="x86-64-v2")
        np.testing.assert_allclose(other, found, atol=1e-5)
    assert 0 < np.abs(found - exact).max() < 0.05
    for layer in (net[0], net[1]):
        layer.weight.set_data(nd.array(rounded(layer.weight.data().asnumpy())))
    _, expected = predicted(net, tmp_path / "whole.so", rows)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    sizes = [(tmp_path / f"{name}.o").stat().st_size for name in ("eight", "whole")]
    assert sizes[1] - sizes[0] > 2.9 * (250 * 90 + 100 * 250)
    with pytest.raises(LaminaError, match=r"unknown weights 'int4'"):
        export_library(net, tmp_path / "net.so", weights="int4")


def test_rows_of_any_shape(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Flatten(), nn.Dense(3, in_units=20))
    net.initialize()
    rows = RANDOM.normal(size=(11, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(*predicted(net, tmp_path / "net.so", rows, inputs=nd.zeros((1, 4, 5))))
    assert "A network of 4 x 5 inputs and 3 outputs." in (tmp_path / "net.h").read_text()


def test_narrow_products_of_a_batch(tmp_path):
    """A block's eight rows, or a single one, are the columns of these products."""
    weights = nd.array(RANDOM.normal(size=(3, 40, 70)).astype("f4"))

    def of_columns(F, x):
        return F.transpose(F.batch_dot(weights, F.transpose(x, axes=(1, 2, 0))), axes=(2, 0, 1))

    net = nn.HybridSequential()
    net.add(nn.HybridLambda(of_columns))
    rows = RANDOM.normal(size=(21, 3, 70)).astype(np.float32)
    np.testing.assert_array_equal(*predicted(net, tmp_path / "net.so", rows, inputs=nd.zeros((1, 3, 70))))


def test_constants_of_the_same_bytes_are_stored_once(tmp_path):
    constant = RANDOM.normal(size=64).astype(np.float32)

    class Twice(lamina.gluon.HybridBlock):
        def forward(self, x):
            return x * nd.array(constant) + nd.array(constant[None])

    net, rows = Twice(), RANDOM.normal(size=(20, 64)).astype(np.float32)
    np.testing.assert_array_equal(*predicted(net, tmp_path / "net.so", rows, inputs=nd.array(rows[:1])))
    assert (tmp_path / "net.so").read_bytes().count(constant.tobytes()) == 1


def test_bytes_as_inputs(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.HybridLambda(lambda F, x: x.astype("float32") / 255), nn.Dense(9, "tanh", in_units=30))
    net.initialize()
    rows = RANDOM.integers(0, 256, (13, 30)).astype(np.uint8)
    results = np.empty((13, 9), np.float32)
    function = exported_function(net, tmp_path / "net.so", 1, inputs=rows)
    assert function(rows.ctypes.data, 13, results.ctypes.data) == 0
    np.testing.assert_array_equal(results, compiled(net, nd.array(rows, dtype="uint8")).asnumpy())
    assert "net_predict(const uint8_t *rows," in (tmp_path / "net.h").read_text()


def test_infinite_inputs_stay_what_they_are(tmp_path):
    net = nn.Dense(64, in_units=70)
    net.initialize()
    rows = np.zeros((9, 70), np.float32)
    rows[0, 3], rows[1, 5], rows[2, 7] = np.inf, -np.inf, np.nan
    np.testing.assert_array_equal(*predicted(net, tmp_path / "net.so", rows))


@pytest.mark.slow
def test_a_run_on_digits(run_on_digits, tmp_path):
    from lamina.recipes.run import network_of_run

    pixels = np.ascontiguousarray(mnist().test_images[:1000].reshape(-1, 784))
    probabilities, classes = np.empty((1000, 10)), np.empty(1000, np.int64)
    function = exported_function(run_on_digits, tmp_path / "digits.so", 2)
    assert function(pixels.ctypes.data, 1000, probabilities.ctypes.data, classes.ctypes.data) == 0
    outputs = lamina.compile(network_of_run(run_on_digits).__call__)(
        nd.array(pixels, dtype="uint8")
    ).asnumpy()
    np.testing.assert_array_equal(probabilities, computed_probabilities(outputs, several=False))
    np.testing.assert_array_equal(classes, outputs.argmax(axis=1))


def test_the_command_says_what_it_wrote(run_on_digits, tmp_path, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["export", str(run_on_digits), "--library", str(tmp_path / "digits.o"), "--target", "aarch64"])
    assert ended.value.code == 0
    said = capfd.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in said] == [
        f"lamina: wrote {tmp_path / name}" for name in ("digits.o", "digits.h")
    ]
    with pytest.raises(SystemExit) as ended:
        main(["export", str(run_on_digits), "--onnx", str(tmp_path / "x.onnx"), "--name", "digits"])
    assert ended.value.code == 2
    assert (
        capfd.readouterr().err
        == "lamina: --target, --name and --weights are for a library: add --library FILE\n"
    )


def test_what_cannot_be_exported_is_said(tmp_path):
    path = tmp_path / "net.o"
    with pytest.raises(LaminaError, match="the shape of its inputs is unknown; give an example array"):
        export_library(nn.Flatten(), path)
    net = nn.Dense(2, in_units=3)
    net.initialize()
    net.weight.set_data(nd.array([[1, 2, np.inf], [4, 5, 6]]))
    with pytest.raises(LaminaError, match=r"a parameter of shape \(2, 3\) has infinite numbers or NaN"):
        export_library(net, path)

    class Noisy(nn.HybridSequential):
        def hybrid_forward(self, F, x):
            return x + F.random.uniform(shape=(1,))

    with pytest.raises(LaminaError, match=r"takes an array .* not of bool and shape \(1, 3\)"):
        export_library(nn.Flatten(), path, inputs=np.zeros((1, 3), bool))
    with pytest.raises(TraceError, match="draws random numbers"):
        export_library(Noisy(), path, inputs=nd.zeros((2, 3)))
    assert list(tmp_path.iterdir()) == []
