"""The training: steps, rows of its own for each member, and a state from which it goes on."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

import lamina
from lamina import MLPRegressor, nd
from lamina.estimators._initialize import build_network
from lamina.estimators._losses import squared_error
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Data
from lamina.estimators.fitted import own_outputs
from lamina.estimators.network import Ensemble
from lamina.estimators.settings import Settings
from lamina.estimators.training import EnsembleTraining


@pytest.mark.parametrize("estimator, table", [("MLPClassifier", "iris"), ("MLPRegressor", "diabetes")])
def test_a_fit_compiles_no_single_operators(estimator, table):
    program = (
        "import sys\nfrom sklearn import datasets\nimport lamina\n"
        f"X, y = datasets.load_{table}(return_X_y=True)\n"
        f"lamina.{estimator}(preset='fast', max_iter=2, random_state=0).fit(X, y)\n"
        "assert 'lamina.compiler.cpu.eager' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_weight_decay_counts_the_factor_on_the_learning_rate_twice():
    """pytabkit 1.7: w ← w · (1 − lr · wd · factor²), and nothing for biases."""
    numeric = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    data = Data(numeric, None, np.zeros((8, 1), np.float32))
    parts = Architecture(numbers=2, inputs=2, cardinalities=(), outputs=1, hidden=(3,), dropout=0.0)
    network = build_network(parts, data, np.random.default_rng(0))
    before = network.state()
    plan = Settings(
        max_iter=1, batch_size=8, learning_rate_init=0.1, learning_rate="constant", weight_decay=0.02
    )
    nothing = lambda outputs, target: nd.sum(outputs * 0.0, axis=1)  # noqa: E731
    list(EnsembleTraining(Ensemble([network]), nothing, plan, np.random.default_rng(0), [data]).run())
    factors = {"scale": 6.0, "alpha0": 0.1, "weight0": 1.0, "frequency": 0.1, "bias0": 0.0}
    for name, factor in factors.items():
        shrunk = before[name] * (1 - 0.1 * 0.02 * factor**2)
        assert network[name].asnumpy() == pytest.approx(shrunk, rel=1e-6)


rng = np.random.default_rng(3)
ROWS = Data(
    rng.normal(size=(150, 3)).astype(np.float32),
    rng.integers(0, 5, (150, 1)).astype(np.int32),
    rng.normal(size=(150, 1)).astype(np.float32),
    rows=np.arange(0, 150, 2, dtype=np.int32),
)
HELD_OUT = dataclasses.replace(ROWS, rows=np.arange(1, 150, 2, dtype=np.int32))
PARTS = Architecture(numbers=2, inputs=3, cardinalities=(5,), outputs=1, hidden=(8, 8), pieces=2)


def _training(parts=PARTS, validation=(), **plan):
    """A training from the start, with randomness of all kinds."""
    source = np.random.default_rng(7)
    network = Ensemble([build_network(parts, ROWS, source) for _ in range(2)])
    lamina.random.seed(11)

    def loss(outputs, target):
        return nd.sum((outputs - target) ** 2, axis=1)

    settings = Settings(max_iter=6, batch_size=16, learning_rate_init=0.05, **plan)
    return EnsembleTraining(network, loss, settings, source, [ROWS] * 2, validation, _judge)


def _judge(outputs):
    return -float(np.mean((outputs - HELD_OUT.target[HELD_OUT.rows]) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "parts"),
    [
        ("adam", PARTS),
        ("sgd", dataclasses.replace(PARTS, normalization="batch", dropout=0.5)),
        ("muon", dataclasses.replace(PARTS, pieces=0)),
    ],
)
@pytest.mark.parametrize("done", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_restored_training_goes_on_to_the_same_bits(solver, parts, done):
    plan = {"solver": solver, "n_iter_no_change": 5, "drop_last": False, "validation": [HELD_OUT]}
    whole = _training(parts, **plan)
    epochs = list(whole.run())
    broken = _training(parts, **plan)
    for epoch in broken.run():
        if epoch.number == done:
            break
    arrays, position = broken.state()
    resumed = _training(parts, **plan)
    resumed.restore(arrays, json.loads(json.dumps(position)))
    assert len(resumed.past) == done
    list(resumed.run())
    assert [(e.number, e.loss, e.score, e.is_best) for e in resumed.past] == [
        (e.number, e.loss, e.score, e.is_best) for e in epochs
    ]
    seconds = [epoch.seconds for epoch in resumed.past]
    assert seconds == sorted(seconds)
    for training in (whole, resumed):
        training.restore_best()
    for name, array in whole.network.state().items():
        np.testing.assert_array_equal(resumed.network.state()[name], array, err_msg=name)


@pytest.mark.slow
def test_a_state_of_sgd_with_the_second_moment_that_it_once_had_is_restored():
    broken, resumed = _training(solver="sgd"), _training(solver="sgd")
    next(broken.run())
    arrays, position = broken.state()
    unread = {name.replace("moment0", "moment1"): 0 * x for name, x in arrays.items() if "moment0" in name}
    assert unread and not unread.keys() & arrays.keys()
    resumed.restore(arrays | unread, position)
    assert resumed.state()[0].keys() == arrays.keys()
    with pytest.raises(ValueError, match="another network"):
        _training(solver="adam").restore(arrays, position)


def test_a_restored_training_stops_where_the_whole_one_does():
    plan = {"n_iter_no_change": 1, "tol": 1e9, "validation": [HELD_OUT]}
    whole, resumed = _training(**plan), _training(**plan)
    epochs = list(whole.run())
    assert len(epochs) == 2  # the first is better than none, the second not by the tolerance
    resumed.restore(*whole.state())
    assert not list(resumed.run()) and len(resumed.past) == 2


def test_a_state_of_another_training_is_refused():
    training = _training()
    list(training.run())
    other = _training(dataclasses.replace(PARTS, hidden=(8, 9)))
    with pytest.raises(ValueError, match="another network"):
        other.restore(*training.state())
    arrays, position = training.state()
    with pytest.raises(KeyError):
        _training().restore(arrays, {name: value for name, value in position.items() if name != "past"})


def test_a_fingerprint_depends_on_all_parts_of_the_data():
    found = {ROWS.fingerprint(), HELD_OUT.fingerprint()}
    for name in ("numeric", "codes", "target"):
        changed = getattr(ROWS, name).copy()
        changed[-1, 0] += 1
        found.add(dataclasses.replace(ROWS, **{name: changed}).fingerprint())
    found.add(dataclasses.replace(ROWS, weights=np.ones(150, np.float32)).fingerprint())
    found.add(dataclasses.replace(ROWS, codes=np.zeros((150, 0), np.int32)).fingerprint())
    assert len(found) == 7
    assert dataclasses.replace(ROWS, target=ROWS.target.copy()).fingerprint() == ROWS.fingerprint()


def test_adam_goes_on_from_one_partial_fit_to_the_next():
    """With a gradient that stays the same, each step of Adam is the learning rate (Kingma and Ba, 2015)."""
    model = MLPRegressor((), preset="sklearn", learning_rate_init=0.01, loss=lambda outputs, _: outputs[:, 0])
    X, y = np.zeros((8, 1)), np.arange(8.0)
    found = [float(model.partial_fit(X, y).intercepts_[0][0]) for _ in range(4)]
    np.testing.assert_allclose(np.diff(found), -0.01, rtol=1e-4)


CODED = Architecture(numbers=2, inputs=2, cardinalities=(3,), outputs=1, hidden=(4,), dropout=0.0)


def _table(rows):
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(rows, 2)).astype(np.float32)
    codes = rng.integers(0, 3, (rows, 1)).astype(np.int32)
    return Data(numeric, codes, numeric[:, :1].copy(), np.ones(rows, np.float32))


def _ensemble(data, members=2):
    return Ensemble([build_network(CODED, data, np.random.default_rng(i)) for i in range(members)])


@pytest.mark.slow
@pytest.mark.parametrize("drop_last", [True, False])
def test_a_member_learns_from_its_own_rows_only(drop_last):
    data = _table(41)
    mine, others = np.arange(30, dtype=np.int32), np.arange(10, 41, dtype=np.int32)
    target = data.target.copy()
    target[30:] += 5  # not mine
    trained = []
    for table in (data, dataclasses.replace(data, target=target)):
        network = _ensemble(data)
        parts = [dataclasses.replace(table, rows=rows) for rows in (mine, others)]
        plan = Settings(max_iter=2, batch_size=8, drop_last=drop_last)
        training = EnsembleTraining(network, squared_error, plan, np.random.default_rng(0), parts)
        losses = [epoch.loss for epoch in training.run()]
        trained.append((network.state(), losses))
    (first, losses), (second, other_losses) = trained
    assert losses != other_losses
    for name in first:
        assert np.array_equal(first[name], second[name]) == name.startswith("0."), name


@pytest.mark.few(1)
@pytest.mark.parametrize("sizes", [(3, 5), (256, 257), (600, 599)])
def test_each_member_is_judged_on_its_own_rows(sizes):
    data = _table(700)
    network = _ensemble(data)
    rows = [np.random.default_rng(i).permutation(700)[:n].astype(np.int32) for i, n in enumerate(sizes)]
    found = own_outputs(network, [dataclasses.replace(data, rows=part) for part in rows])
    wanted = [
        member.forward(nd.array(data.numeric[part]), nd.array(data.codes[part], dtype=np.int32)).asnumpy()
        for member, part in zip(network.members, rows, strict=True)
    ]
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-4, atol=1e-5)
