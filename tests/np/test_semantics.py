"""The points in which arrays of `np` differ from those of `nd`, one test each."""

import copy
import pickle

import numpy as onp
import pytest

import lamina
from lamina import autograd, nd, np, npx
from lamina.errors import AutogradError, DTypeError, ShapeError


def test_a_number_has_no_axes() -> None:
    x = np.array([[1, 2], [3, 4]])
    for one in (np.array(3), x.sum(), x.mean(), x.max(), x[0, 1], x[0][0], np.dot(x[0], x[0]), np.zeros(())):
        assert one.shape == ()
    assert (x.sum() * 2).shape == (x.sum() + x.max()).shape == np.exp(x.sum()).shape == ()
    assert x.sum().item() == 10
    assert f"{x.sum():.2f} {x.sum()}" == "10.00 10.0"


def test_arrays_print_as_numpys_do_without_the_usual_type() -> None:
    assert repr(np.array([[1, 2.5], [3, 4]])) == "array([[1. , 2.5],\n       [3. , 4. ]])"
    assert repr(np.array(3)) == "array(3.)"
    assert repr(np.array([1, 2], dtype="int64")) == "array([1, 2], dtype=int64)"
    assert repr(np.array([1], dtype="float64")) == "array([1.], dtype=float64)"
    assert repr(np.zeros((2, 0))) == "array([], shape=(2, 0))"
    assert repr(np.array([1, 2]) > 1) == "array([False,  True])"
    assert str(np.arange(3)) == "[0. 1. 2.]"


def test_comparisons_give_bools_and_bools_choose() -> None:
    x = np.array([1, 5, 3])
    assert (x > 2).dtype == bool
    assert x[x > 2].tolist() == [5, 3]
    assert (x > 2).sum().item() == 2
    assert (x > 2).sum().dtype == onp.int64
    x[x > 2] = 0
    assert x.tolist() == [1, 0, 0]
    assert (~(x > 0) | (x == 1)).all()
    for name in ("any", "all"):
        with pytest.raises(ShapeError, match=f"^{name}: axis 5"):
            getattr(np, name)(x, axis=5)
    assert (x == None) is False  # noqa: E711


def test_types_mix() -> None:
    i, u, f, d, b = (np.array([1, 2], dtype=t) for t in ("int32", "uint8", "float32", "float64", "bool"))
    assert (i + f).dtype == (b * f).dtype == (i / i).dtype == (i / 2).dtype == onp.float32
    assert (f + d).dtype == onp.float64
    assert (i + u).dtype == (i + b).dtype == onp.int32
    assert (b + 1).dtype == onp.int64
    assert (i / i).tolist() == [1, 1]
    assert np.array(onp.arange(3)).dtype == onp.int64
    with pytest.raises(DTypeError, match="not an integer"):
        i + 1.5
    with pytest.raises(DTypeError, match="does not hold"):
        i += f
    assert (i > 1.5).tolist() == [False, True]


def test_the_array_behind_shares_its_memory() -> None:
    x = np.zeros(3)
    x.as_nd_ndarray()[:] = 5
    assert x.tolist() == [5, 5, 5]
    assert isinstance(x.as_nd_ndarray(), nd.NDArray)
    y = nd.ones(2)
    y.as_np_ndarray()[0] = 7
    assert y.asnumpy().tolist() == [7, 1]


def test_functions_of_nd_do_not_take_them() -> None:
    for call in (lambda: nd.exp(np.ones(2)), lambda: nd.concat(np.ones(2), np.ones(2), dim=0)):
        with pytest.raises(TypeError, match="as_nd_ndarray"):
            call()


def test_numpys_functions_give_them_back() -> None:
    x = np.array([1, 4])
    for got in (onp.mean(x), onp.sqrt(x), onp.concatenate([x, x]), onp.float32(2) * x, onp.median(x)):
        assert isinstance(got, np.ndarray)
    assert onp.sqrt(x).tolist() == [1, 2]
    assert onp.linalg.norm(x).item() == pytest.approx(17**0.5)
    assert onp.asarray(x).dtype == onp.float32


def test_gradients_flow_through_parts_masks_and_types() -> None:
    x = np.array([1, 2, 3])
    x.attach_grad()
    with autograd.record():
        y = (x[x > 1] * x[0]).sum() + x[2].astype("float64").astype("float32") + x[[0, 2]].sum()
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6, 1, 3]


def test_what_numpy_computes_has_no_gradient() -> None:
    x = np.array([1, 2])
    x.attach_grad()
    with autograd.record(), pytest.raises(AutogradError, match="has no gradient"):
        np.unique(x * 2)
    with autograd.record():
        assert np.unique(x.detach()).tolist() == [1, 2]


def test_gradients_of_either_kind() -> None:
    x = np.ones(2)
    x.attach_grad()
    with autograd.record():
        y = x * 3
    autograd.backward([y], [np.array([1, 2])])
    assert x.grad is not None
    assert x.grad.tolist() == [3, 6]
    with autograd.record():
        y = x * 3
    (slope,) = autograd.grad(y, [x])
    assert isinstance(slope, np.ndarray)


def test_a_function_of_ones_own_gets_them() -> None:
    class Square(autograd.Function):
        def forward(self, x):
            assert isinstance(x, np.ndarray)
            self.save_for_backward(x)
            return x * x

        def backward(self, dy):
            (x,) = self.saved_tensors
            return 2 * np.abs(x) * dy

    x = np.array([3])
    x.attach_grad()
    with autograd.record():
        y = Square()(x)
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 6


def test_copies_pickles_and_files(tmp_path) -> None:
    x = np.array(2.5)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.copy()):
        assert isinstance(twin, np.ndarray)
        assert twin.shape == ()
        assert twin.item() == 2.5
    npx.save(tmp_path / "x", {"a": x, "b": np.zeros((0, 2))})
    found = npx.load(tmp_path / "x")
    assert found["a"].shape == ()
    assert found["b"].shape == (0, 2)
    npx.save(tmp_path / "y", [x])
    assert npx.load(tmp_path / "y")[0].item() == 2.5


def test_compiled_functions_take_and_give_them() -> None:
    weight = np.array([1, 2])
    weight.attach_grad()

    @lamina.compile
    def step(x):
        with autograd.record():
            loss = (np.dot(x, weight) ** 2).mean()
        loss.backward()
        weight[:] = weight - 0.1 * weight.grad
        return loss, {"positive": (x > 0).sum()}

    x = np.ones((3, 2))
    for wanted in (9.0, 3.24):
        loss, found = step(x)
        assert isinstance(loss, np.ndarray)
        assert loss.item() == pytest.approx(wanted, rel=1e-5)
        assert found["positive"].item() == 6
    double = lamina.compile(lambda x: x * 2)
    x.attach_grad()
    with autograd.record():
        y = double(x)
    y.backward()
    assert x.grad is not None
    assert (x.grad == 2).all()


def test_steps_over_batches_give_them_back_for_all_steps() -> None:
    step = lamina.compile(lambda x: (x.sum(), {"mean": x.mean()}))
    rows, x = onp.array([[0, 1], [1, 2], [2, 2], [0, 0]]), np.arange(6).reshape(3, 2)
    total, named = step.run_batches(rows, x)
    assert isinstance(total, np.ndarray)
    assert total.tolist() == [6, 14, 18, 2]
    assert named["mean"].tolist() == [1.5, 3.5, 4.5, 0.5]


def test_parts_and_at_least_so_many_axes_are_copies() -> None:
    x = np.ones((2, 2))
    parts = [*np.split(x, 2), *np.vsplit(x, 2), *np.array_split(x, 3)]
    for made in [*parts, np.atleast_1d(x), np.atleast_2d(x)]:
        made += 1
    assert x.tolist() == [[1, 1], [1, 1]]
    assert [part.shape for part in np.split(np.arange(5), [2, 2, 9])] == [(2,), (0,), (3,), (0,)]


def test_powers_in_place_are_new_arrays_and_recorded() -> None:
    x = y = np.array([1, 2])
    x.attach_grad()
    with autograd.record():
        y **= 3
        total = y.sum()
    total.backward()
    assert x.tolist() == [1, 2]
    assert x.grad.tolist() == [3, 12]


def test_pythons_round_and_division_downwards() -> None:
    assert round(np.array([2.567, -1.23]), 1).tolist() == pytest.approx([2.6, -1.2])
    assert round(np.array(2.567)).shape == ()
    assert (np.array([5, -5]) // 2).tolist() == [2, -3]
    assert (7 // np.array([2, 3], dtype="int64")).tolist() == [3, 2]


@pytest.mark.parametrize("name", ["lognormal", "weibull", "pareto", "power", "gumbel", "logistic"])
def test_random_numbers_have_gradients_to_their_parameters(name: str) -> None:
    def drawn(parameter: np.ndarray) -> np.ndarray:
        np.random.seed(1)
        return getattr(np.random, name)(parameter, size=(40, 3))

    parameter, step = np.array([0.5, 1.5, 3.0]), 1 / 128
    parameter.attach_grad()
    with autograd.record():
        total = drawn(parameter).sum()
    total.backward()
    expected = (drawn(parameter + step) - drawn(parameter - step)).sum(axis=0) / (2 * step)
    onp.testing.assert_allclose(parameter.grad.asnumpy(), expected.asnumpy(), rtol=0.02)
