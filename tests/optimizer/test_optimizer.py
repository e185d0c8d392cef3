"""What all optimizers share: rates, factors, counting, and creation by name."""

from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nd, optimizer
from lamina.errors import ParameterError, TraceError
from lamina.lr_scheduler import FactorScheduler
from lamina.optimizer.optimizer import optimizers


def moved(made: optimizer.Optimizer, index: int = 0) -> float:
    """How far a weight of 1 goes down for a gradient of 1."""
    weight = nd.ones(1)
    made.update(index, weight, nd.ones(1), made.create_state(index, weight))
    return 1 - float(weight.asscalar())


def test_factors_by_parameter_index_and_name() -> None:
    parameter = SimpleNamespace(lr_mult=0.5, wd_mult=0.0)
    made = optimizer.SGD(
        learning_rate=0.5, wd=0.25, param_dict={1: parameter}, param_idx2name={2: "b", 3: "x_weight"}
    )
    made.set_lr_mult({"b": 0.125, 4: 2.0})
    assert moved(made, 0) == 0.5 * 1.25
    assert moved(made, 1) == 0.25  # its own factors
    assert moved(made, 2) == 0.5 * 0.125  # no weight ending: no decay
    assert moved(made, 3) == 0.5 * 1.25
    assert moved(made, 4) == 1.25
    made.set_wd_mult({"b": 2.0})
    assert moved(made, 2) == 0.5 * 0.125 * 1.5


def test_updates_are_counted_by_parameter() -> None:
    made = optimizer.SGD(begin_num_update=10)
    for index in (0, 0, 1):
        moved(made, index)
    assert made._index_update_count == {0: 12, 1: 11}
    assert made.num_update == 12


def test_learning_rate_comes_from_argument_scheduler_or_default() -> None:
    assert optimizer.create("sgd").learning_rate == 0.01
    assert optimizer.create("adam").learning_rate == 0.001
    assert optimizer.create("sgd", lr_scheduler=FactorScheduler(1, base_lr=0.7)).learning_rate == 0.7
    schedule = FactorScheduler(10, base_lr=0.7)
    with pytest.warns(UserWarning, match="has been overwritten by ``learning_rate``"):
        assert optimizer.create("adam", learning_rate=0.2, lr_scheduler=schedule).learning_rate == 0.2
    assert schedule.base_lr == 0.2
    optimizer.create("adam", learning_rate=0.2, lr_scheduler=schedule)


def test_setting_the_rate() -> None:
    made = optimizer.SGD()
    made.set_learning_rate(0.5)
    assert (made.learning_rate, moved(made)) == (0.5, 0.5)
    with pytest.raises(ParameterError, match="follows a FactorScheduler"):
        optimizer.SGD(lr_scheduler=FactorScheduler(1)).set_learning_rate(1.0)
    with pytest.raises(UserWarning, match="follows a FactorScheduler"):  # as in MXNet
        optimizer.SGD(lr_scheduler=FactorScheduler(1)).set_learning_rate(1.0)


def test_create() -> None:
    assert type(optimizer.create("SGD")) is optimizer.SGD
    made = optimizer.create("nadam", schedule_decay=0.01)
    assert optimizer.create(made) is made
    with pytest.raises(ValueError, match=r"Did you mean 'rmsprop'\? Known: adadelta, adagrad, "):
        optimizer.create("rmsprob")
    with pytest.raises(ValueError, match=r"^unknown optimizer 'qqqq'\. Known: "):
        optimizer.create("qqqq")
    with pytest.raises(ValueError, match="not with an instance"):
        optimizer.create(made, learning_rate=1)
    with pytest.raises(TypeError, match="expected a name or an instance, not 3"):
        optimizer.create(3)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="momentumm"):
        optimizer.create("sgd", momentumm=0.9)


def test_an_optimizer_of_ones_own() -> None:
    @optimizer.register
    class Halving(optimizer.Optimizer):
        def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: None) -> None:
            weight[:] = weight / 2

    assert moved(optimizer.create("halving")) == 0.5
    with pytest.raises(TypeError, match="Optimizer must override update"):
        optimizer.Optimizer().update(0, nd.ones(1), nd.ones(1), None)


class _AsInMXNet(optimizer.Optimizer):
    """Written as people wrote optimizers for MXNet 1.x."""

    def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: None) -> None:
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        grad = grad * self.rescale_grad
        if self.clip_gradient is not None:
            grad = nd.clip(grad, -self.clip_gradient, self.clip_gradient)
        weight[:] += -lr * (grad + wd * weight)


@pytest.mark.parametrize("compiled", [False, True])
def test_an_optimizer_written_for_mxnet(compiled: bool) -> None:
    settings = {"learning_rate": 0.5, "wd": 0.1, "clip_gradient": 0.25}
    made, known = (
        kind(lr_scheduler=FactorScheduler(2, 0.5, base_lr=0.5), **settings)
        for kind in (_AsInMXNet, optimizer.SGD)
    )
    found, expected = nd.ones(2), nd.ones(2)
    step = lamina.compile(lambda grad: made.update(0, found, grad, None))
    for n in range(5):
        grad = nd.array([n, -0.1])
        step(grad) if compiled else made.update(0, found, grad, None)
        known.update(0, expected, grad, None)
        np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-6)
    assert made._index_update_count == {0: 5}
    assert made.num_update == 5


@pytest.mark.compiles
def test_a_count_of_updates_is_no_constant_of_a_compiled_step() -> None:
    class Slower(optimizer.Optimizer):
        def update(self, index: int, weight: nd.NDArray, grad: nd.NDArray, state: None) -> None:
            self._update_count(index)
            weight[:] = weight - self._get_lr(index) / self._index_update_count[index] * grad

    made, weight = Slower(learning_rate=1.0), nd.ones(1)
    for _ in range(2):
        made.update(0, weight, nd.ones(1), None)
    assert weight.asscalar() == -0.5
    with pytest.raises(TraceError, match=r"Slower: the number of updates changes .* use self\._step_size"):
        lamina.compile(lambda grad: made.update(0, weight, grad, None))(nd.ones(1))


def test_positional_arguments_as_in_mxnet() -> None:
    assert optimizer.SGD(0.9).momentum == optimizer.NAG(0.9).momentum == 0.9
    assert optimizer.AdaGrad(1e-3).float_stable_eps == 1e-3
    assert optimizer.Signum(0.1, 0.8).momentum == 0.8
    assert (optimizer.NAG().momentum, optimizer.NAG().learning_rate) == (0.0, 0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("name", ["sgd", "adam", "lamb", "rmsprop", "ftrl", "nadam", "muon"])
def test_dtypes_are_kept(name: str, dtype: type) -> None:
    made = optimizer.create(name, wd=0.1)
    weight = nd.ones((2, 2), dtype=dtype)
    state = made.create_state(0, weight)
    made.update(0, weight, nd.ones((2, 2), dtype=dtype), state)
    assert weight.dtype == dtype
    assert all(s.dtype == dtype for s in state or ())
    assert np.isfinite(weight.asnumpy()).all()


@pytest.mark.parametrize(
    "setting", ["learning_rate", "wd", "rescale_grad", "clip_gradient", "momentum", "begin_num_update"]
)
def test_settings_that_are_no_numbers_are_told_at_once(setting: str) -> None:
    with pytest.raises(ParameterError, match=f"{setting} must be a number, not 'a'"):
        optimizer.create("sgd", **{setting: "a"})


def test_every_optimizers_own_settings_are_told_at_once() -> None:
    """Each number in the signature of each of lamina's optimizers: a wrong one is an error before the first step."""
    every = [type(optimizer.create(name)) for name in optimizers.names()]
    ours = [made for made in every if made.__module__.startswith("lamina.")]  # other tests register theirs
    assert len(ours) >= 15
    for made in ours:
        for setting, parameter in signature(made).parameters.items():
            if type(parameter.default) in (int, float):
                with pytest.raises(ParameterError, match=f"{setting} must be a (whole )?number.*, not '0.1'"):
                    made(**{setting: "0.1"})
            if setting in ("beta1", "beta2"):
                least = 2.0 if made is optimizer.Adamax and setting == "beta2" else 1.0
                with pytest.raises(ParameterError, match=f"{setting} must be .* and below 1, not {least}"):
                    made(**{setting: least})


@pytest.mark.parametrize(
    "name, settings",
    [
        ("adam", {"beta1": -0.5}),  # which games with two sides are trained with
        ("adamax", {"beta2": 1.0}),  # the largest gradient of all
        ("sgd", {"momentum": np.array(0.9), "learning_rate": np.array(0.1)}),
        ("adam", {"beta1": np.array(0.9), "beta2": np.float32(0.999), "epsilon": 0}),
        ("rmsprop", {"gamma1": np.array(0.9), "epsilon": np.array(1e-8)}),
    ],
)
def test_settings_that_mxnet_takes_train(name: str, settings: dict[str, Any]) -> None:
    plain = {key: float(value) for key, value in settings.items()}
    results = []
    for given in (settings, plain):
        weight = nd.array([1.0, -2.0])
        update = optimizer.get_updater(optimizer.create(name, **given))
        for _ in range(3):
            update(0, 2 * weight, weight)
        results.append(weight.asnumpy())
    assert np.isfinite(results[0]).all() and (np.abs(results[0]) < [1, 2]).all()
    np.testing.assert_allclose(*results, rtol=1e-6)


def test_rates_that_are_no_numbers_are_told_at_once() -> None:
    sgd = optimizer.SGD(learning_rate=np.float32(0.5))
    with pytest.raises(ParameterError, match="learning_rate must be a number, not 'a'"):
        sgd.set_learning_rate("a")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"lr_scheduler must be .*, not 0\.1"):
        optimizer.SGD(lr_scheduler=0.1)  # type: ignore[arg-type]
    assert sgd.learning_rate == 0.5


def stepped(name: str, **settings: Any) -> np.ndarray:
    weight = nd.array([1.0, -2.0])
    update = optimizer.get_updater(optimizer.create(name, learning_rate=0.1, **settings))
    for _ in range(3):
        update(0, 3 * weight, weight)
    return weight.asnumpy()


@pytest.mark.parametrize("bound", [0, -1, -0.5, float("nan")])
@pytest.mark.parametrize("name", ["sgd", "nag", "adam", "adagrad", "rmsprop", "ftrl", "lamb", "lars"])
def test_what_is_not_above_zero_is_no_bound(name: str, bound: float) -> None:
    np.testing.assert_array_equal(stepped(name, clip_gradient=bound), stepped(name))
    np.testing.assert_array_equal(stepped(name, clip_gradient=bound, wd=0.1), stepped(name, wd=0.1))


@pytest.mark.parametrize("bound", [0, -1, float("nan")])
def test_weights_and_lengths_have_no_such_bounds_either(bound: float) -> None:
    np.testing.assert_array_equal(stepped("rmsprop", clip_weights=bound), stepped("rmsprop"))
    for name in ("lower_bound", "upper_bound"):
        np.testing.assert_array_equal(stepped("lamb", **{name: bound}), stepped("lamb"))


@pytest.mark.parametrize("setting", ["beta1", "beta2", "wd", "learning_rate"])
def test_nothing_is_computed_in_the_precision_of_a_setting(setting: str) -> None:
    half = np.float16(0.3)
    made = [optimizer.create("adam", **{setting: value}) for value in (half, float(half))]
    weights = [nd.array([1.0, -2.0]) for _ in made]
    for one, weight in zip(made, weights, strict=True):
        optimizer.get_updater(one)(0, 3 * weight, weight)
    np.testing.assert_array_equal(*(weight.asnumpy() for weight in weights))
    assert type(made[0].lr) is float


def test_a_schedule_may_be_any_function() -> None:
    made = optimizer.create("sgd", lr_scheduler=lambda update: 0.5 / (1 + update))
    assert made.learning_rate == 0.5


def test_factors_may_be_given_in_pairs() -> None:
    made = optimizer.create("sgd", learning_rate=1.0, wd=1.0)
    made.set_lr_mult([(0, 0.5)])
    made.set_wd_mult([])
    assert (made._get_lr(0), made._get_wd(0)) == (0.5, 1.0)


def test_settings_of_ones_own_optimizer_may_be_texts() -> None:
    @optimizer.register
    class Moody(optimizer.Optimizer):
        def __init__(self, mood: str = "calm", **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.mood = mood

    assert optimizer.create("moody", mood="wild").mood == "wild"


def test_what_is_no_number_is_told_in_one_line() -> None:
    with pytest.raises(ParameterError, match=r"^wd must be a number, not .*NDArray 2x2.*$") as told:
        optimizer.create("sgd", wd=nd.ones((2, 2)))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "own"),
    [("adam", 0.001), ("rmsprop", 0.001), ("adamax", 0.002), ("nadam", 0.001), ("signum", 0.01)],
)
@pytest.mark.filterwarnings("ignore:learning rate from ``lr_scheduler``:UserWarning")
def test_a_rate_of_its_own_counts_more_than_the_schedule_s(name: str, own: float) -> None:
    schedule = FactorScheduler(3, 0.5, base_lr=0.1)
    assert optimizer.create(name, lr_scheduler=schedule).learning_rate == own


OF_MXNET = {
    "nadam": (
        {"wd": 0.1}, [1.86572, 0.27514, 1.01081, 2.33071, 1.63741, -0.91704], [0.90261, -0.26816, -0.06864, 0.44741],
    ),
    "nag": (
        {"wd": 0.1, "momentum": 0.9}, [3.0774, -0.34257, 1.25157, 2.79831, 0.58492, -0.26186],
        [0.2799, -0.83201, 0.14162, 0.36522],
    ),
}  # fmt: skip
"""Two parameters after six updates in MXNet 1.9.1, from the numbers of the test below."""


@pytest.mark.parametrize("name", OF_MXNET)
def test_numbers_of_mxnet(name: str) -> None:
    settings, *expected = OF_MXNET[name]
    random = np.random.RandomState(0)
    weights = [nd.array(random.randn(*shape)) for shape in ((3, 2), (4,))]
    update = optimizer.get_updater(optimizer.create(name, learning_rate=0.1, **settings))
    for _ in range(6):
        for i, weight in enumerate(weights):
            update(i, nd.array(random.randn(*weight.shape)), weight)
    for weight, values in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight.asnumpy().ravel(), values, atol=2e-5)


def test_states_have_update_counts_only_with_the_optimizer() -> None:
    def updated(states: bytes | None, steps: int, **settings: int) -> np.ndarray:
        update, weight = optimizer.get_updater(optimizer.create("adam", **settings)), nd.ones(3)
        if states is not None:
            update.set_states(states)
        for _ in range(steps):
            update(0, nd.array([1.0, 2.0, 3.0]), weight)
        return weight.asnumpy()

    update, weight = optimizer.get_updater(optimizer.create("adam")), nd.ones(3)
    for _ in range(2):
        update(0, nd.array([3.0, 2.0, 1.0]), weight)
    alone, whole = update.get_states(), update.get_states(dump_optimizer=True)
    assert np.array_equal(updated(whole, 2), updated(alone, 2, begin_num_update=2))
    assert not np.allclose(updated(whole, 2), updated(alone, 2), rtol=1e-5)


def test_nadam_begins_at_a_late_update_with_numbers_of_mxnet():
    updater = optimizer.get_updater(optimizer.Nadam(begin_num_update=7000))
    random = np.random.RandomState(0)
    weights = [nd.array(random.randn(3)) for _ in range(3)]
    for _ in range(5):
        for index, weight in enumerate(weights):
            updater(index, nd.array(random.randn(3)), weight)
    of_mxnet = [
        [1.706881, 0.364251, 0.947224],
        [2.21098, 1.832311, -0.964457],
        [0.930315, -0.165914, -0.072454],
    ]
    np.testing.assert_allclose([w.asnumpy() for w in weights], of_mxnet, atol=2e-6)


def test_nadam_does_not_look_at_all_parameters_for_each_of_them() -> None:
    seen: list[int] = []

    class Counts(dict[int, int]):
        def values(self) -> Any:
            return (seen.append(count) or count for count in super().values())

    made = optimizer.Nadam()
    made._counts = Counts((i, 100) for i in range(1000))
    made._share_of_gradient(100)
    assert len(seen) < 5


@pytest.mark.parametrize("kind", ["SGD", "Adam", "Adamax", "RMSProp"])
def test_an_overridden_rate_is_that_of_the_steps(kind):
    """As in MXNet; Keras for MXNet keeps its rate in an array, and decays it in `_get_lr`."""

    class Own(getattr(optimizer, kind)):
        def _get_lr(self, index):
            return 0.25

    steps = []
    for made in (Own(learning_rate=7.0), getattr(optimizer, kind)(learning_rate=0.25)):
        w = nd.array([1.0, 2.0])
        made.update(0, w, nd.array([0.5, -1.0]), made.create_state(0, w))
        steps.append(w.asnumpy().tolist())
    assert steps[0] == steps[1] != [1.0, 2.0]
