"""Where the pieces of numbers are: how many a column has, and between which values."""

from __future__ import annotations

import dataclasses
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tables import rough_table

import lamina
from lamina import MLPClassifier, MLPRegressor, load, nd, save
from lamina.estimators import _pieces
from lamina.estimators._pieces import (
    Pieces,
    chosen_pieces,
    interaction,
    knots,
    lack_of_fit,
    neighbours,
    repeated_values,
    roughness,
)
from lamina.estimators.data import Data

RNG = np.random.default_rng(0)
ROWS = 9_000
VALUES = np.sort(RNG.integers(0, 10**5, 200))
AT = RNG.integers(0, len(VALUES), ROWS)
"""Of 200 values, each row's."""
NOISE = RNG.normal(size=ROWS)
OF_EACH_VALUE = RNG.normal(size=len(VALUES))
CONTINUOUS = RNG.normal(size=ROWS)
FEW = RNG.integers(0, 40, ROWS)


def data(target: np.ndarray, *columns: np.ndarray) -> Data:
    return Data(np.stack(columns, axis=1).astype(np.float32), None, target.astype(np.float32))


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-3, 3)), st.integers(1, 20))
def test_knots_are_ascending_values_and_no_more_than_asked_for(values, pieces):
    found = knots(values, pieces)
    assert 1 <= len(found) <= pieces + 1
    assert np.all(np.diff(found) > 0)
    assert np.isin(found, values).all()
    if pieces > 1:
        assert (found[0], found[-1]) == (values.min(), values.max())
    if len(distinct := np.unique(values)) > pieces + 1:
        levels = np.linspace(0, 1, pieces // 2 + 1)
        quantiles = [np.quantile(x, levels, method="nearest") for x in (values, distinct)]
        np.testing.assert_array_equal(found, np.unique(quantiles))


@given(arrays(np.float64, st.integers(0, 60), elements=st.integers(-9, 9)), st.integers(1, 7))
def test_neighbours_are_groups_of_ranks(values, rows):
    ranks = np.array([np.count_nonzero(values < value) for value in values], int)
    expected = np.unique(ranks // rows, return_inverse=True)[1]
    np.testing.assert_array_equal(neighbours(values, rows), expected)


def test_what_is_known_of_rows_is_kept_with_them() -> None:
    some, other, calls = data(NOISE, FEW), data(NOISE, CONTINUOUS), list[object]()

    def compute() -> object:
        calls.append(object())
        return calls[-1]

    first = some.once("a", [other], compute)
    assert some.once("a", [other], compute) is first
    assert some.once("b", [other], compute) is not first
    assert some.once("a", [data(NOISE, FEW)], compute) is not first
    assert dataclasses.replace(some).once("a", [other], compute) is not first
    assert pickle.loads(pickle.dumps(some)).once("a", [other], compute) is not first
    assert len(calls) == 5


def test_few_distinct_values_all_become_knots():
    np.testing.assert_array_equal(knots(np.array([2.0, 0.0, 0.0, 5.0, 2.0]), 8), [0, 2, 5])


def test_the_values_beside_many_zeros_have_knots_too():
    values = np.concatenate([np.zeros(980), np.arange(1, 21)])
    assert np.sum(knots(values, 12) > 0) >= 6


def test_a_rough_column_of_few_values_learns_each() -> None:
    target = (OF_EACH_VALUE[AT] + NOISE)[:, None]
    table = data(target, CONTINUOUS, VALUES[AT], FEW)
    assert chosen_pieces([table], None, (), 3) == Pieces(64, {}, frozenset({0, 2}), {1: 200})
    assert chosen_pieces([table], None, (0, 1, 0), 3) == Pieces(64, {}, frozenset({0, 2})), (
        "a constrained column has the usual ones"
    )
    few = data((OF_EACH_VALUE[FEW] + NOISE)[:, None], CONTINUOUS, VALUES[AT], FEW)
    assert chosen_pieces([few], None, (), 3).exact[2] == 40


@pytest.mark.parametrize("weight", [None, 0.3])
def test_effects_of_other_inputs_are_not_noise_along_a_column(weight: float | None) -> None:
    """Maps with other meridians: the points of a coast are rough, whatever is added for a map."""
    maps = RNG.integers(0, 12, ROWS)
    target = (OF_EACH_VALUE[FEW] + 20 * OF_EACH_VALUE[maps] + NOISE + 5 * CONTINUOUS)[:, None]
    table = dataclasses.replace(data(target, FEW, CONTINUOUS), codes=maps[:, None].astype(np.int32))
    table = table if weight is None else weighted(table, np.where(RNG.random(ROWS) < 0.5, weight, 1.0))
    assert chosen_pieces([table], None, (), 2).exact == {0: 40}


def test_a_smooth_column_is_told() -> None:
    target = (np.sin(VALUES[AT] / 2e4) + NOISE)[:, None]
    assert chosen_pieces([data(target, VALUES[AT])], None, (), 1) == Pieces(64, {}, frozenset({0}))


def stepped(outputs: int) -> np.ndarray:
    """A target that `CONTINUOUS` steps up: numbers (rows, 1), or so many classes."""
    steps = np.floor(2 * CONTINUOUS)
    return (steps + NOISE)[:, None] if outputs == 1 else (steps + (NOISE > 0.7)) % outputs


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_a_column_with_steps_is_not_smooth(outputs: int) -> None:
    table = data(stepped(outputs), CONTINUOUS, FEW)
    assert chosen_pieces([table], None, (), 2) == Pieces(64, {}, frozenset({1}))
    assert chosen_pieces([table], 64, (), 2) == Pieces(64, {}), "as is said"


NUMBERS = RNG.permutation(4_000)
"""Of rows, as a table has them whose rows are in some order."""
IN_BLOCKS = RNG.normal(size=100)[NUMBERS // 40] + 0.3 * RNG.normal(size=4_000)


def test_a_column_of_many_values_is_rough_if_groups_of_them_differ() -> None:
    table = data(IN_BLOCKS[:, None], NUMBERS, CONTINUOUS[:4_000])
    found = chosen_pieces([table], None, (), 2)
    assert found.rough == {0: 512}
    assert len(knots(table.numeric[:, 0].astype(np.float64), 512)) == 257, (
        "for sixteen rows, of which none is like another"
    )
    assert chosen_pieces([table], None, (1, 0), 2).rough == {}, "a constrained column has the usual ones"


@pytest.mark.slow
def test_blocks_of_rows_are_learned() -> None:
    """The number of a row says which block it is in, and this all there is to know."""
    X, y = NUMBERS[:, None].astype(float), IN_BLOCKS
    settings: dict[str, Any] = {"preset": "medium", "members": 1, "random_state": 0}
    usual, fine = (MLPRegressor(**settings, number_pieces=n).fit(X[:3_200], y[:3_200]) for n in (64, None))
    assert usual.score(X[3_200:], y[3_200:]) < 0.6
    assert fine.score(X[3_200:], y[3_200:]) > 0.8


@pytest.mark.parametrize("noise", [1.0, 0.1, 1e-3])
def test_a_slope_is_not_rough(noise: float) -> None:
    table = data((CONTINUOUS + noise * NOISE)[:, None], CONTINUOUS)
    assert chosen_pieces([table], None, (), 1).rough == {}


@given(st.integers(0, 2**32 - 1), st.sampled_from([250, 3_000]), st.sampled_from([1, 2, 6]), st.booleans())
def test_groups_are_not_rough_by_chance(seed: int, rows: int, outputs: int, is_classes: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_exponential(rows)
    target = rng.integers(0, outputs + 1, rows) if is_classes else rng.normal(size=(rows, outputs))
    assert roughness(values, target, rows=10) < 3.5
    assert roughness(values, target, rows=10, bends=True) < 3


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 6]), st.booleans())
def test_chance_alone_is_smooth(seed: int, outputs: int, is_classes: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_exponential(3_000)
    target = rng.integers(0, outputs + 1, 3_000) if is_classes else rng.normal(size=(3_000, outputs))
    assert -4 < lack_of_fit(values, target, knots(values, 30)) < 6


def test_few_pieces_do_not_tell_what_is_smooth() -> None:
    assert lack_of_fit(CONTINUOUS[:500], NOISE[:500, None], knots(CONTINUOUS[:500], 5)) == np.inf
    assert lack_of_fit(FEW % 4, NOISE[:, None], np.arange(4)) == np.inf, "few values"
    assert lack_of_fit(CONTINUOUS, np.zeros((ROWS, 1)), knots(CONTINUOUS, 64)) == np.inf, "a constant target"
    few = data(NOISE[:500, None], CONTINUOUS[:500])
    assert chosen_pieces([few], None, (), 1) == Pieces(5, {})


@pytest.mark.slow
def test_pieces_of_smooth_columns_decay_fast() -> None:
    """Beside those of a column with steps they are smaller than where all decay alike; of shards too."""
    X, y = np.stack([CONTINUOUS, FEW], axis=1)[:2000], stepped(1)[:2000, 0]
    settings: dict[str, Any] = {
        "preset": "medium",
        "members": 1,
        "max_iter": 16,
        "weight_decay": 0.2,
        "random_state": 0,
    }
    sizes = [
        np.abs(model.fitted_.network.members[0]["pieces"].asnumpy()).mean(axis=(1, 2))
        for model in (
            MLPRegressor(**settings).fit(X, y),
            MLPRegressor(**settings, number_pieces=20).fit(X, y),
            MLPRegressor(**settings, shards=2).fit(X, y),
        )
    ]
    fast, usual, of_shards = (size[1] / size[0] for size in sizes)
    assert fast < 0.5 * usual
    assert of_shards < 0.5 * usual


@pytest.mark.slow
def test_fast_decay_takes_no_more_than_all_of_a_weight() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    y = np.sin(X[:, 0]) + X[:, 1] + rng.normal(size=4000)
    model = MLPRegressor(preset="fast", weight_decay=6.0, input_scale=False, max_iter=6, random_state=0)
    network = model.fit(
        X, y
    ).fitted_.network  # a hundred times the decay of the others, whose weights shrink, diverged
    assert network.members[0].architecture.smooth == (1, 1)
    pieces = [w.array.asnumpy() for w in network.weights.values() if w.decays is not None]
    assert pieces
    assert max(float(np.abs(values).max()) for values in pieces) < 0.1


def test_numbers_that_are_not_embedded_have_no_pieces() -> None:
    X = RNG.normal(size=(2000, 3))
    model = MLPRegressor(number_embedding=False, members=1, max_iter=1, hidden_layer_sizes=2).fit(X, X[:, 0])
    parts = model.fitted_.network.architecture
    assert (parts.pieces, parts.rough, parts.smooth) == (0, (), ())


@pytest.mark.slow
def test_settings_of_pieces_hold_for_smooth_columns_too() -> None:
    X, y = np.stack([CONTINUOUS, FEW], axis=1)[:2000], stepped(1)[:2000, 0]
    settings: dict[str, Any] = {"preset": "fast", "members": 1, "max_iter": 1, "random_state": 0}
    smooth = MLPRegressor(**settings).fit(X, y).fitted_.network.members[0].architecture
    assert (smooth.pieces, smooth.smooth) == (18, (0, 1))
    asked = MLPRegressor(**settings, number_pieces=12).fit(X, y).fitted_.network.members[0].architecture
    assert (asked.pieces, asked.smooth) == (12, ())


@pytest.mark.parametrize("classes", [2, 4])
def test_classes_tell_that_a_column_is_rough(classes: int) -> None:
    of_each = RNG.integers(0, classes, len(VALUES))
    target = np.where(NOISE > 0, of_each[AT], RNG.integers(0, classes, ROWS))
    assert chosen_pieces([data(target, VALUES[AT])], None, (), 1).exact == {0: 200}
    assert chosen_pieces([data(RNG.permutation(target), VALUES[AT])], None, (), 1).exact == {}


def test_each_member_learns_all_of_its_own_repeated_values() -> None:
    """Members hold out different rows, and may have a value more than the first."""
    table = data((OF_EACH_VALUE[AT] + NOISE)[:, None], VALUES[AT])
    lacks = [
        dataclasses.replace(table, rows=np.flatnonzero(~np.isin(AT, gone))) for gone in ([3, 4], [5], [])
    ]
    assert chosen_pieces(lacks, None, (), 1).exact == {0: 200}


@pytest.mark.slow
def test_many_classes_take_no_more_memory_than_values_have_classes() -> None:
    values, classes = np.arange(50_000) % 100, np.arange(50_000) % 1999
    tracemalloc.start()
    try:
        found = roughness(values, classes)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    rows = (classes[:5_000, None] == np.arange(1999)).astype(float)
    few = roughness(values[:5_000], classes[:5_000])
    assert few == pytest.approx(roughness(values[:5_000], rows)), "as of a row of ones and zeros"
    assert found < 2


def test_what_is_said_and_the_size_of_the_table_bound_it() -> None:
    target = (OF_EACH_VALUE[AT] + NOISE)[:, None]
    table = data(target, VALUES[AT])
    assert chosen_pieces([table], 32, (), 1) == Pieces(32, {})
    assert chosen_pieces([table], 0, (1,), 1) == Pieces(16, {}), "constrained numbers enter by nothing else"
    few = data(target[:1000], VALUES[AT][:1000])
    assert chosen_pieces([few], None, (), 1).rough == {0: 200}, "of five rows a value, two for ten rows"
    assert chosen_pieces([data(target, *[VALUES[AT]] * 20)], None, (), 20) == Pieces(
        64, {}, exact=dict.fromkeys(range(20), 200)
    )
    assert chosen_pieces([data(target, *[VALUES[AT]] * 40)], None, (), 40) == Pieces(
        64, dict.fromkeys(range(40), 102)
    ), "4,096 of all numbers"


@pytest.mark.parametrize(
    ("rows", "numbers", "pieces"), [(99, 3, 0), (1000, 3, 10), (10**4, 3, 64), (10**4, 784, 5)]
)
def test_small_and_wide_tables_have_fewer_pieces(rows: int, numbers: int, pieces: int) -> None:
    table = Data(np.broadcast_to(np.float32(0), (rows, numbers)), None, np.zeros((rows, 1), np.float32))
    assert chosen_pieces([table], None, (), numbers) == Pieces(pieces, {})


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]), st.booleans())
def test_chance_alone_is_not_rough(seed: int, outputs: int, is_classes: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 100, 3_000)
    target = rng.integers(0, outputs + 1, 3_000) if is_classes else rng.standard_exponential((3_000, outputs))
    assert roughness(values, target) < 3


def test_what_cannot_be_told_is_not_rough() -> None:
    assert roughness(np.arange(100), RNG.normal(size=(100, 1))) == 0, "every value once"
    assert roughness(np.repeat([1, 2], 50), RNG.normal(size=(100, 1))) == 0, "one pair"
    assert roughness(np.repeat(np.arange(5), 20), np.zeros((100, 1))) == 0, "a constant target"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_a_network_learns_what_each_value_says(task: str) -> None:
    """Neighbouring values of one column say the opposite; a smooth function of it explains nothing."""
    X = VALUES[AT].reshape(-1, 1).astype(np.float64)
    says = (AT % 2 == 0).astype(int)
    kind: Any = MLPClassifier if task == "classes" else MLPRegressor
    settings = {"preset": "medium", "members": 1, "max_iter": 12, "random_state": 0}
    assert kind(**settings).fit(X, says).score(X, says) > 0.95
    assert kind(number_pieces=64, **settings).fit(X, says).score(X, says) < 0.9


@pytest.mark.slow
def test_sparse_numbers_have_the_usual_pieces() -> None:
    X = scipy.sparse.random(7_000, 3, 0.5, format="csr", random_state=0)
    y = (np.asarray(X.sum(axis=1)).ravel() > 0.7).astype(int)
    model = MLPClassifier(preset="fast", max_iter=1, random_state=0).fit(X, y)
    assert model.fitted_.network.members[0].architecture.pieces <= 64


@pytest.mark.slow
def test_a_file_keeps_what_is_smooth(tmp_path: Path) -> None:
    X = np.stack([CONTINUOUS, FEW], axis=1)[:2000]
    model = MLPClassifier(preset="fast", max_iter=1, random_state=0).fit(X, stepped(3)[:2000].astype(int))
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.fitted_.network.members[0].architecture.smooth == (0, 1)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@given(arrays(np.float32, st.integers(1, 60), elements=st.floats(-3, 3, width=32)), st.integers(0, 9))
def test_tolerances_tell_values_apart(values, repeated):
    values = np.concatenate([values, values[:repeated]])
    found, near, rows = repeated_values(values)
    distinct, counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(found, distinct[counts > 1])
    np.testing.assert_array_equal(rows, counts[counts > 1])
    assert np.isfinite((3 / near).astype(np.float32)).all()
    for value, reach in zip(found, near, strict=True):
        others = distinct[distinct != value]
        assert np.all(np.abs(others - value) >= reach) or reach == 2.0**-40


def learned_by_value(**settings: Any) -> tuple[Any, np.ndarray]:
    """A model whose first column is rough, and its training rows."""
    X, y = rough_table()
    X[:, 0] = 0.1 * X[:, 0] + 2000.3  # the floats of neither size are these numbers
    options: dict[str, Any] = {"preset": "fast", "members": 2, "max_iter": 4, "random_state": 0}
    model = MLPRegressor(**options | settings).fit(X, y)
    assert {member.architecture.exact for member in model.fitted_.network.members} == {(1, 0)}
    return model, X


def test_a_value_that_training_did_not_have_takes_the_smooth_part() -> None:
    model, X = learned_by_value()
    near = X[:, :1] + np.array([-0.5, -0.01, 0.01, 0.5])
    new = np.stack([near.ravel(), np.repeat(X[:, 1], 4)], axis=1)
    of_new, of_known = model.predict(new), model.predict(X)
    for member in model.fitted_.network.members:
        is_value = nd.transpose(member.running["is_value"], axes=(0, 2, 1))
        member["pieces"][:] = member["pieces"] * (1 - is_value)
    np.testing.assert_array_equal(model.predict(new), of_new)
    assert np.mean(model.predict(X) != of_known) > 0.99


@pytest.mark.parametrize("labels", ["exact", "rough"])
def test_numbers_with_many_pieces_are_computed_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: str
) -> None:
    X, y = rough_table()
    if labels == "rough":
        X[:, 0] = CONTINUOUS[: len(X)].argsort().argsort()
        y = y + 5 * (X[:, 0] // 40 % 2)
    more = np.random.default_rng(0).normal(size=(len(X), 4))
    X = np.concatenate([more[:, :2], X, more[:, 2:]], axis=1)
    found = []
    for share in (_pieces._WORTH_APART, 0):
        monkeypatch.setattr(_pieces, "_WORTH_APART", share)
        model = MLPRegressor(preset="fast", members=2, max_iter=2, random_state=0).fit(X, y)
        parts = model.fitted_.network.architecture
        assert (parts.exact if labels == "exact" else parts.rough) == (0, 0, 1, 0, 0, 0)
        assert parts.wide == ((0, 0, 1, 0, 0, 0) if share else ())
        save(model, tmp_path / "model")
        again = load(tmp_path / "model")
        found.append(np.concatenate([model.predict(X), model.predict(X[:1]), again.predict(X)]))
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)  # narrow products add up in another order


def test_tables_of_float32_have_the_same_values() -> None:
    model, X = learned_by_value()
    np.testing.assert_allclose(model.predict(X.astype(np.float32)), model.predict(X), atol=1e-3)
    of_float32 = MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(
        X.astype(np.float32), X[:, 1] + X[:, 0] % 2
    )
    np.testing.assert_allclose(of_float32.predict(X), of_float32.predict(X.astype(np.float32)), atol=1e-3)


def test_values_of_few_rows_decay_faster() -> None:
    model, X = learned_by_value()
    member = model.fitted_.network.members[0]
    decays, is_value = (member.running[name].asnumpy()[0].ravel() for name in ("decay", "is_value"))
    assert member.weights["pieces"].decays is member.running["decay"]
    counts = np.unique(X[:, 0], return_counts=True)[1]
    of_values = decays[is_value > 0]
    assert len(of_values) == len(counts) == 30
    assert of_values.max() > 1 + (10 / counts.max()) ** 2 >= of_values.min() / 2 > 0.5
    assert set(decays[is_value == 0][:8]) == {100.0}, "the line is smooth"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"shards": 2}, {"solver": "sgd", "learning_rate_init": 0.005}, {"monotone": {1: 1}}, {"members": 1}],
)
def test_values_are_learned_with_other_settings(settings: dict[str, Any]) -> None:
    model, X = learned_by_value(**settings)
    moved = [np.abs(member["pieces"].asnumpy()[0]).sum() for member in model.fitted_.network.members]
    assert np.isfinite(model.predict(X)).all() and min(moved) > 0


@pytest.mark.slow
def test_a_file_keeps_what_is_rough(tmp_path: Path) -> None:
    X, y = rough_table()
    model = MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, y)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.fitted_.network.members[0].architecture.exact == (1, 0)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


# --- weights -----------------------------------------------------------------------------------------------------


def weighted(table: Data, weights: np.ndarray) -> Data:
    return dataclasses.replace(table, weights=weights.astype(np.float32))


def test_rows_of_no_weight_do_not_count() -> None:
    target = (np.floor(2 * CONTINUOUS) + NOISE)[:, None]
    true = data(target, CONTINUOUS, VALUES[AT])
    misleading = data(RNG.normal(size=(ROWS, 1)) + (AT % 2)[:, None], CONTINUOUS, VALUES[AT])
    parts = [
        np.stack([a, b], axis=1).reshape(2 * ROWS, -1)
        for a, b in ((true.numeric, misleading.numeric), (true.target, misleading.target))
    ]
    both = weighted(Data(parts[0], None, parts[1]), np.tile([2.0, 0.0], ROWS))
    assert (
        chosen_pieces([both], None, (), 2)
        == chosen_pieces([true], None, (), 2)
        == Pieces(64, {}, frozenset({1}))
    )
    few = weighted(data(target[:1_000], CONTINUOUS[:1_000]), np.tile([1.0, 0.0], 500))
    assert chosen_pieces([few], None, (), 1) == Pieces(5, {})


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 5])
def test_equal_weights_are_none(outputs: int) -> None:
    table = data(stepped(outputs), CONTINUOUS, VALUES[AT])
    plain = chosen_pieces([table], None, (), 2)
    assert chosen_pieces([weighted(table, np.full(ROWS, 0.3))], None, (), 2) == plain
    X, y = table.numeric[:600], CONTINUOUS[:600]
    settings = {"preset": "fast", "members": 1, "max_iter": 2, "random_state": 0}
    model, other = (MLPRegressor(**settings).fit(X, y, sample_weight=w) for w in (None, np.full(600, 2.0)))
    parts, same = (one.fitted_.network.members[0].architecture for one in (model, other))
    assert parts == same


@pytest.mark.parametrize("outputs", [1, 4])
def test_the_scale_of_weights_does_not_matter(outputs: int) -> None:
    target = stepped(outputs)
    weights = np.where(CONTINUOUS > 0, 3.0, 1.0)

    def lack(values: np.ndarray, *others: np.ndarray) -> float:
        return lack_of_fit(values, others[0], knots(values, 30), *others[1:])

    for judge, values in ((roughness, FEW), (lack, CONTINUOUS)):
        assert judge(values, target, np.ones(ROWS)) == pytest.approx(judge(values, target), rel=1e-9)
        assert judge(values, target, 7 * weights) == pytest.approx(judge(values, target, weights), rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]), st.booleans())
def test_weights_alone_are_no_lack_of_fit(seed: int, outputs: int, is_classes: bool) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.standard_exponential(3_000), rng.standard_exponential(3_000) + 0.01
    target = rng.integers(0, outputs + 1, 3_000) if is_classes else rng.normal(size=(3_000, outputs))
    assert -4 < lack_of_fit(values, target, knots(values, 30), weights) < 7
    assert roughness(np.floor(20 * values), target, weights) < 4


def test_what_weighty_rows_say_counts() -> None:
    """The column has steps in a tenth of the rows, and says nothing in the others."""
    heavy = np.arange(ROWS) % 10 == 0
    target = np.where(heavy, 4.0 * (OF_EACH_VALUE[AT] > 0), 0.0) + NOISE
    table = data(target[:, None], VALUES[AT])
    light, weighty = (
        chosen_pieces([weighted(table, np.where(heavy, w, 1.0))], None, (), 1) for w in (1e-3, 1e3)
    )
    assert light.exact == {} and weighty.exact != {}


@pytest.mark.parametrize("heavy", [1e9, 1e30])
def test_a_row_of_huge_weight_makes_no_column_rough(heavy: float) -> None:
    table = data(NOISE[:, None], CONTINUOUS, FEW)
    weights = np.where(np.arange(ROWS) == 0, heavy, 1.0)
    assert chosen_pieces([weighted(table, weights)], None, (), 2).rough == {}


# --- copies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_copies_of_rows_are_not_rough(task: str) -> None:
    """As where the rows of a rare class were repeated: those of one value always agree."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 2))
    is_rare = X[:, 0] + rng.logistic(scale=0.5, size=4_000) > 3
    target = (
        is_rare.astype(np.float32) if task == "classes" else is_rare[:, None] + rng.normal(size=(4_000, 1))
    )
    once = data(target, *X.T)
    rows = rng.permutation(np.repeat(np.arange(4_000), np.where(is_rare, 20, 1)))
    copied = Data(once.numeric[rows], None, once.target[rows])
    assert chosen_pieces([once], None, (), 2).rough == {}
    assert chosen_pieces([copied], None, (), 2).rough == {}


def test_predictions_follow_rough_numbers_that_are_trained_further():
    X = np.random.default_rng(0).normal(size=(300, 30))
    y = X[:, 0] > 0
    model = MLPClassifier(preset="fast", random_state=0).partial_fit(X, y)
    assert any(model.fitted_.network.architecture.rough)
    seen = [model.predict_proba(X[:3])]
    for _ in range(2):
        model.partial_fit(X, y)
        seen.append(model.predict_proba(X[:3]))
        np.testing.assert_array_equal(seen[-1], pickle.loads(pickle.dumps(model)).predict_proba(X[:3]))
        assert not np.array_equal(seen[-1], seen[-2])


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_interact_and_slopes_do_not(classes, weighted):
    rng = np.random.default_rng(0)
    values, others = rng.integers(0, 40, 3000).astype(float), rng.normal(size=(3000, 3))
    weights = rng.uniform(0.5, 2, 3000) if weighted else None
    signs = rng.choice([-1.0, 1.0], 40)

    def found(signal):
        target = signal + 0.5 * rng.normal(size=3000)
        return interaction(
            values, (target > 0).astype(float) if classes else target[:, None], others, weights
        )

    assert found(signs[values.astype(int)] * others[:, 1]) > 15
    for signal in (values / 20 * others[:, 1], np.sin(values / 8) * others[:, 1], values / 20 + others[:, 2]):
        assert found(signal) < 4
    copies = np.stack([values, 2 - values], axis=1)
    assert (
        interaction(values, signs[values.astype(int)][:, None], (copies - copies.mean(0)) / copies.std(0))
        == 0
    )


def test_schools_that_tell_what_experience_means_are_learned_by_value():
    rng = np.random.default_rng(0)
    school, years = rng.integers(0, 60, 4000), rng.integers(0, 2, 4000)
    wanted = rng.permutation(60)[school] % 2 ^ years
    X, y = np.column_stack([school, years]).astype(float), np.where(wanted, "small", "large")
    model = lamina.MLPClassifier(preset="fast", random_state=0).fit(X[:3000], y[:3000])
    assert model.score(X[3000:], y[3000:]) > 0.95
