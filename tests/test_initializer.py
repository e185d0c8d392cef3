"""Initializers: distributions by their statistics, names, and errors that name the parameter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import lamina as mx
from lamina import gluon, init, nd
from lamina.errors import DataError, ParameterError, ShapeError
from lamina.files.tensors import save_tensors


def filled(
    initializer: Any, shape: tuple[int, ...], name: str = "dense0_weight", dtype: Any = np.float32
) -> Any:
    arr = nd.full(shape, 7, dtype=dtype)
    initializer(init.InitDesc(name), arr)
    return arr.asnumpy()


@pytest.fixture(autouse=True)
def seed() -> None:
    mx.random.seed(11)


@pytest.mark.parametrize(
    ("initializer", "distribution"),
    [
        (init.Uniform(0.2), stats.uniform(-0.2, 0.4)),
        (init.Uniform(), stats.uniform(-0.07, 0.14)),
        (init.Normal(0.5), stats.norm(0, 0.5)),
        (init.Xavier(), stats.uniform(-np.sqrt(3 / 75), 2 * np.sqrt(3 / 75))),
        (init.Xavier(factor_type="in"), stats.uniform(-np.sqrt(3 / 50), 2 * np.sqrt(3 / 50))),
        (init.Xavier("gaussian", "out", 2.34), stats.norm(0, np.sqrt(2.34 / 100))),
        (init.MSRAPrelu("in", 0), stats.norm(0, np.sqrt(2 / 50))),
        (init.MSRAPrelu(), stats.norm(0, np.sqrt(2 / (1 + 0.0625) / 75))),
    ],
)
def test_distribution(initializer: init.Initializer, distribution: Any) -> None:
    values = filled(initializer, (100, 50))
    assert stats.kstest(values.ravel(), distribution.cdf).pvalue > 1e-3
    assert filled(initializer, (100, 50), dtype=np.float64).dtype == np.float64
    assert filled(initializer, (4, 5), dtype=np.float16).dtype == np.float16


def test_xavier_counts_further_axes() -> None:
    values = filled(init.Xavier(), (30, 20, 3, 3))
    bound = np.sqrt(3 / (25 * 9))
    assert 0.98 * bound < np.abs(values).max() <= bound


def test_the_seed_decides() -> None:
    first = filled(init.Normal(), (3, 3))
    assert not np.array_equal(filled(init.Normal(), (3, 3)), first)
    mx.random.seed(11)
    np.testing.assert_array_equal(filled(init.Normal(), (3, 3)), first)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3)])
@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
def test_orthogonal(shape: tuple[int, ...], rand_type: str) -> None:
    values = filled(init.Orthogonal(2.0, rand_type), shape, dtype=np.float64).reshape(shape[0], -1)
    gram = values @ values.T if values.shape[0] <= values.shape[1] else values.T @ values
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-10)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net_dense0_bias", 0),
        ("batchnorm0_gamma", 1),
        ("batchnorm0_beta", 0),
        ("batchnorm0_running_mean", 0),
        ("batchnorm0_running_var", 1),
    ],
)
def test_what_is_no_weight_is_filled_by_name(name: str, value: float) -> None:
    for initializer in (init.Xavier(), init.Constant(5), init.Zero()):
        np.testing.assert_array_equal(filled(initializer, (3,), name), np.full(3, value))


def test_a_parameters_own_initializer_wins_over_its_name() -> None:
    bias = nd.zeros((3,))
    init.Xavier()(init.InitDesc("dense0_bias", {"__init__": init.Constant(4)}), bias)
    assert bias.asnumpy().tolist() == [4, 4, 4]
    init.Xavier()(init.InitDesc("dense0_bias", {"__init__": "ones"}), bias)
    assert bias.asnumpy().tolist() == [1, 1, 1]


def test_constants() -> None:
    np.testing.assert_array_equal(filled(init.Zero(), (2, 2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(filled(init.One(), (2, 2)), np.ones((2, 2)))
    np.testing.assert_array_equal(filled(init.Constant(np.eye(2)), (2, 2)), np.eye(2))
    np.testing.assert_array_equal(filled(init.Constant(nd.ones((2, 2))), (2, 2)), np.ones((2, 2)))


def test_by_name() -> None:
    assert type(init.create("zeros")) is init.Zero
    assert type(init.create("MSRAPrelu")) is init.MSRAPrelu
    assert init.create("normal", sigma=3).sigma == 3
    with pytest.raises(
        ValueError, match=r"unknown initializer 'orthogonl'\. Did you mean 'orthogonal'\? Known: constant"
    ):
        init.create("orthogonl")


def test_one_of_ones_own() -> None:
    @init.register
    class EverythingThree(init.Initializer):
        def _init_weight(self, desc: str, arr: nd.NDArray) -> None:
            arr[:] = 3

        _init_bias = _init_default = _init_weight

    made = init.create("everythingthree")
    for name in ("a_weight", "a_bias", "whatever"):
        assert filled(made, (2,), name).tolist() == [3, 3]


def test_mixed() -> None:
    mixed = init.Mixed([".*bias", "special", ".*"], [init.Zero(), init.One(), "normal"])
    assert filled(mixed, (2, 2), "special_weight").min() == 1
    assert 0 < np.abs(filled(mixed, (50, 50), "dense_weight")).max() < 0.1
    with pytest.raises(ParameterError, match=r"'b_weight' matches none of 'a'; add '\.\*'"):
        filled(init.Mixed(["a"], ["one"]), (1, 1), "b_weight")
    with pytest.raises(ValueError, match="2 patterns but 1 initializers"):
        init.Mixed(["a", "b"], ["one"])


def test_load(tmp_path: Path) -> None:
    arrays = {"arg:a_weight": nd.ones((2, 2)), "b_bias": nd.full((2,), 3)}
    load = init.Load(arrays, default_init="zeros")
    assert filled(load, (2, 2), "a_weight").min() == 1
    assert filled(load, (2,), "b_bias").tolist() == [3, 3]
    assert filled(load, (2, 2), "c_weight").max() == 0
    nd.save(str(tmp_path / "w.params"), arrays)
    save_tensors(tmp_path / "w.safetensors", {name: x.asnumpy() for name, x in arrays.items()})
    for saved in ("w.params", "w.safetensors"):
        assert filled(init.Load(tmp_path / saved), (2, 2), "a_weight").min() == 1
    nd.save(str(tmp_path / "nameless.params"), [nd.ones(1)])
    with pytest.raises(DataError, match=r"nameless\.params holds 1 arrays without names"):
        init.Load(tmp_path / "nameless.params")
    with pytest.raises(ShapeError, match=r"'a_weight' has shape \(3, 2\), but the loaded array \(2, 2\)"):
        filled(load, (3, 2), "a_weight")
    with pytest.raises(ParameterError, match=r"no array 'x_weight' .*there are only a_weight, b_bias"):
        filled(init.Load(arrays), (1,), "x_weight")


def test_errors_name_the_parameter() -> None:
    with pytest.raises(ShapeError, match=r"Xavier needs .* 2 axes, but 'v_weight' has shape \(3,\)"):
        filled(init.Xavier(), (3,), "v_weight")
    with pytest.raises(ParameterError, match="the initial values of 'prelu0_alpha' don't follow"):
        filled(init.Zero(), (3,), "prelu0_alpha")
    for make in (
        lambda: init.Xavier("normal"),
        lambda: init.Xavier(factor_type="x"),
        lambda: init.Orthogonal(1, "x"),
    ):
        with pytest.raises(ValueError, match="must be"):
            make()


def test_a_mixture_comes_back_from_its_text() -> None:
    mixed = init.Mixed(["bias", ".*"], [init.Zero(), init.Uniform(0.5)])
    again = init.create(mixed.dumps())
    assert repr(again) == repr(mixed)
    for name, largest in (("bias", 0.0), ("weight", 0.5)):
        x = nd.ones((100,))
        again(init.InitDesc(name), x)
        assert x.abs().max().asscalar() <= largest


def test_create_takes_arguments_by_place() -> None:
    assert init.create("constant", 3).value == 3


def test_any_function_fills_as_an_initializer_does() -> None:
    def fill(name: str, array: Any) -> None:
        array[:] = len(name)

    for chosen in (init.Mixed([".*"], [fill]), init.Load({}, default_init=fill)):
        array = nd.zeros(2)
        chosen(init.InitDesc("abc"), array)
        np.testing.assert_array_equal(array.asnumpy(), [3, 3])
    weight = gluon.Parameter("w", shape=(2,), init=init.Mixed([".*"], [fill]))
    weight.initialize()
    np.testing.assert_array_equal(weight.data().asnumpy(), [1, 1])


@pytest.mark.parametrize(
    "value", [np.array(0.5), np.float32(0.5), np.full(2, 0.5), nd.full((2,), 0.5)], ids=repr
)
def test_settings_that_are_arrays_are_dumped_as_lists(value: Any) -> None:
    expected = [0.5, 0.5] if np.shape(value) else 0.5
    assert json.loads(init.Constant(value).dumps()) == ["constant", {"value": expected}]
