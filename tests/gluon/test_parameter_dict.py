"""Dictionaries of parameters: making, sharing, saving and loading."""

import numpy as np
import pytest

from lamina import gluon, nd
from lamina.errors import DataError, ParameterError


def filled(prefix="net_", **shapes):
    params = gluon.ParameterDict(prefix)
    for k, (name, shape) in enumerate(shapes.items()):
        params.get(name, shape=shape).initialize(init="zeros")
        params[prefix + name].data()[:] = k + 1
    return params


def test_it_prints_as_in_mxnet():
    params = gluon.ParameterDict("net_")
    params.get("weight", shape=(2, 3), dtype="float32")
    assert repr(params) == "net_ (\n  Parameter net_weight (shape=(2, 3), dtype=float32)\n)"


def test_get_makes_a_parameter_once():
    params = gluon.ParameterDict("net_")
    w = params.get("w", shape=(2, 0), allow_deferred_init=True)
    assert params.get("w", shape=(0, 3), dtype="float32") is w
    assert w.shape == (2, 3)
    assert list(params.keys()) == ["net_w"]
    assert "net_w" in params
    assert len(params) == 1


@pytest.mark.parametrize(
    "other", [{"shape": (2, 4)}, {"shape": (2, 3, 1)}, {"dtype": "float64"}, {"lr_mult": 2.0}]
)
def test_get_with_other_attributes_is_an_error(other):
    params = gluon.ParameterDict("net_")
    params.get("w", shape=(2, 3))
    with pytest.raises(ParameterError, match=f"'net_w' exists with {next(iter(other))}="):
        params.get("w", **other)


def test_shared_parameters_come_from_the_other_dictionary():
    first = gluon.ParameterDict("net_")
    w = first.get("w", shape=(2,))
    second = gluon.ParameterDict("net_", shared=first)
    assert second.get("w") is w
    assert second.get("v", shape=(1,)).name == "net_v"
    assert "net_v" not in first


def test_constants():
    params = gluon.ParameterDict("net_")
    assert params.get_constant("third", np.array([1 / 3])).value.dtype == np.float32  # MXNet's, too
    assert params.get_constant("third", np.array([1 / 3])) is params["net_third"]
    c = params.get_constant("c", [1, 2])
    assert params.get_constant("c") is c
    assert params.get_constant("c", [1, 2]) is c
    with pytest.raises(ParameterError, match="'net_c' exists with another value"):
        params.get_constant("c", [1, 3])
    with pytest.raises(KeyError, match="no constant 'net_d'"):
        params.get_constant("d")
    params.get("w", shape=(2,))
    with pytest.raises(ParameterError, match="'net_w' is a parameter, not a constant"):
        params.get_constant("w", [1, 2])


def test_update_refuses_two_parameters_of_one_name():
    a, b = filled(w=(2,)), filled(w=(2,))
    a.update(dict(a.items()))
    with pytest.raises(ParameterError, match="two different parameters are called 'net_w'"):
        a.update(b)


def test_setattr_zero_grad_and_reset():
    params = filled(w=(2,), b=(1,))
    params.setattr("lr_mult", 0.5)
    assert [p.lr_mult for p in params.values()] == [0.5, 0.5]
    params["net_w"].grad()[:] = 7
    params.zero_grad()
    assert not params["net_w"].grad().asnumpy().any()
    with pytest.raises(KeyError, match="no parameter 'w'; there are 'net_w', 'net_b'"):
        params["w"]


@pytest.mark.parametrize("suffix", ["params", "safetensors"])
def test_saved_values_load(tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    filled(w=(2, 3), b=(3,)).save(path, strip_prefix="net_")
    other = gluon.ParameterDict("other_")
    other.get("w", shape=(2, 0), allow_deferred_init=True)
    other.get("b", shape=(3,))
    other.load(path, restore_prefix="other_")
    assert np.array_equal(other["other_w"].data().asnumpy(), np.full((2, 3), 1))
    assert np.array_equal(other["other_b"].data().asnumpy(), np.full(3, 2))
    assert other["other_w"].data().grad is other["other_w"].grad()


def test_a_prefix_that_is_not_there_cannot_be_stripped(tmp_path):
    with pytest.raises(ParameterError, match="Parameter 'net_w' does not start with it"):
        filled(w=(2,)).save(tmp_path / "x.params", strip_prefix="other_")


def test_a_file_that_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "net.params"
    filled(w=(2,), b=(3,)).save(path)
    target = filled(b=(3,), w=(4,))
    before = {name: p.data().asnumpy() for name, p in target.items()}
    with pytest.raises(ParameterError, match=r"'net_w'.*has shape \(2,\), but \(4,\) is expected"):
        target.load(path)
    for name, values in before.items():
        assert np.array_equal(target[name].data().asnumpy(), values)


def test_missing_and_extra_names(tmp_path):
    path = tmp_path / "net.params"
    filled(w=(2,), v=(1,)).save(path)
    target = filled(w=(2,), u=(3,))
    with pytest.raises(
        ParameterError, match=r"'net_u' is missing in '.*net.params', which has 'net_w', 'net_v'"
    ):
        target.load(path)
    with pytest.raises(ParameterError, match=r"'net_v' in '.*' is not among the network's: 'net_w', 'net_u'"):
        target.load(path, allow_missing=True)
    target["net_w"].data()[:] = 9
    target.load(path, allow_missing=True, ignore_extra=True)
    assert np.array_equal(target["net_w"].data().asnumpy(), [1, 1])
    assert np.array_equal(target["net_u"].data().asnumpy(), [2, 2, 2])


def test_another_dtype_needs_cast_dtype(tmp_path):
    path = tmp_path / "net.params"
    filled(w=(2,)).save(path)
    target = gluon.ParameterDict("net_")
    w = target.get("w", shape=(2,), dtype="float64")
    with pytest.raises(ParameterError, match="has dtype float32, but float64 is expected"):
        target.load(path)
    target.load(path, cast_dtype=True)
    assert w.data().dtype == np.float64
    target.load(path, cast_dtype=True, dtype_source="saved")
    assert w.data().dtype == np.float32


def test_nameless_arrays_are_refused(tmp_path):
    path = tmp_path / "list.params"
    nd.save(path, [nd.ones(2)])
    with pytest.raises(DataError, match="1 arrays without names"):
        filled(w=(2,)).load(path)


def test_marks_of_mxnets_module_are_taken_off(tmp_path):
    path = tmp_path / "module.params"
    nd.save(path, {"arg:net_w": nd.array([5, 6]), "aux:net_m": nd.array([7])})
    target = filled(w=(2,), m=(1,))
    target.load(path)
    assert np.array_equal(target["net_w"].data().asnumpy(), [5, 6])
    assert np.array_equal(target["net_m"].data().asnumpy(), [7])
