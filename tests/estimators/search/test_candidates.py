"""Candidates beside networks: trees equal their libraries', and blends are kept and exported as ensembles."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

import lamina
from lamina import nd
from lamina.compiler.deferral import eager
from lamina.errors import LaminaError, MissingPackageError
from lamina.estimators.architecture import Architecture
from lamina.estimators.network import Network
from lamina.estimators.search.boosting import LIBRARIES, Rows, arrays_of

rng = np.random.default_rng(0)
SHOPS = {name: rng.normal() for name in "abcdefghijklmn"}
TABLE = pd.DataFrame(
    {
        "amount": rng.normal(size=400),
        "steps": rng.integers(0, 9, 400),
        "shop": rng.choice(list(SHOPS), 400),
        "paid": rng.choice(["card", "cash"], 400),
    }
)
PRICE = TABLE.steps * 7 % 5 * (TABLE.amount > 0.3) + TABLE.shop.map(SHOPS) + 0.3 * rng.normal(size=400)
SETTINGS = {"candidates": ("linear", "neighbours", "boosting"), "trials": 4, "random_state": 0}


@cache
def blend() -> lamina.MLPRegressor:
    return lamina.MLPRegressor(**SETTINGS).fit(TABLE, PRICE)


def own_outputs(classes: int, x: np.ndarray, y: np.ndarray, rounds: int = 12) -> tuple[np.ndarray, object]:
    """What our trees say of rows, and the library's model."""
    model = LIBRARIES["boosting"](Rows(bool(classes), x, y, None, 0))
    trees = [tree for of_round in model.more(rounds) for tree in of_round]
    nodes, depth, each = (
        sum(len(one.said) for one in trees),
        max(one.depth for one in trees),
        len(trees) // rounds,
    )
    parts = Architecture(
        x.shape[1], x.shape[1], (), each, (), number_embedding=False, input_scale=False, learned_activation=False,
        ntk=False, trees=(rounds, each), nodes=nodes, depth=depth,
    )  # fmt: skip
    arrays = {**arrays_of(trees, nodes), "weight0": np.eye(each), "bias0": model.begin}
    network = Network.from_state(parts, {name: np.asarray(a, np.float32) for name, a in arrays.items()})
    with eager():
        return network.forward(nd.array(x), None).asnumpy(), model._model


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_trees_say_what_the_library_says(classes: int) -> None:
    x = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
    y = x[:, 0] * x[:, 1]
    y = (
        np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.float32)
        if classes
        else y
    )
    ours, model = own_outputs(classes, x, y)
    theirs = model.decision_function(x) if classes else model.predict(x)
    np.testing.assert_allclose(ours, theirs.reshape(len(x), -1), rtol=1e-5, atol=1e-5)


def test_rows_between_two_values_go_the_libraries_way() -> None:
    """Bounds are float64 in the library: rounded up to float32, a value could fall on the other side."""
    low = np.float32(1)
    x = np.where(np.arange(60) % 2, low, np.nextafter(low, np.float32(2)))[:, None].astype(np.float32)
    ours, model = own_outputs(0, x, (x[:, 0] > low).astype(float))
    np.testing.assert_allclose(ours[:, 0], model.predict(x), atol=1e-6)


@pytest.mark.slow
def test_a_blend_is_kept_in_files_and_pickles(tmp_path) -> None:
    model = blend()
    lamina.save(model, tmp_path / "blend.safetensors")
    assert (lamina.load(tmp_path / "blend.safetensors").predict(TABLE) == model.predict(TABLE)).all()


@pytest.mark.slow
def test_a_blend_is_better_than_its_members_on_held_out_rows() -> None:
    model = blend()
    assert model.best_validation_score_ >= max(one["score"] for one in model.trials_)
    assert sum(one["share"] for one in model.trials_ if "candidate" in one["settings"]) > 0


@pytest.mark.slow
def test_the_leaderboard_has_scores_times_and_shares() -> None:
    whole, *others = blend().leaderboard()
    assert (whole["what"], whole["share"]) == ("ensemble", 1.0)
    assert {one["what"] for one in others} == {"network (fast)", "linear", "neighbours", "boosting"}
    assert sum(one["share"] for one in others) == pytest.approx(1)
    assert [one["score"] for one in others] == sorted((one["score"] for one in others), reverse=True)
    assert all(one["seconds"] > 0 and one["predicting"] > 0 for one in others)


def test_without_a_search_there_is_no_leaderboard_and_no_candidate() -> None:
    settings = {"preset": "fast", "max_iter": 1, "hidden_layer_sizes": 4, "random_state": 0}
    with pytest.raises(LaminaError, match="there is no leaderboard"):
        lamina.MLPRegressor(**settings).fit(TABLE, PRICE).leaderboard()
    with pytest.raises(ValueError, match="need a search"):
        lamina.MLPRegressor(**settings, candidates="linear").fit(TABLE, PRICE)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"candidates": "forest"}, "candidates must be"),
        ({"loss": "huber"}, "loss='huber'"),
        ({"monotone": {"steps": 1}}, "monotone"),
    ],
)
def test_settings_that_candidates_do_not_have(other, words) -> None:
    with pytest.raises(ValueError, match=words):
        lamina.MLPRegressor(**{**SETTINGS, **other}).fit(TABLE, PRICE)


def test_a_library_that_is_absent_is_named() -> None:
    absent = next(name for name in ("xgboost", "lightgbm") if find_spec(name) is None)
    with pytest.raises(MissingPackageError, match=f"which is not installed: pip install {absent}"):
        lamina.MLPRegressor(trials=2, candidates=absent).fit(TABLE, PRICE)


@pytest.mark.slow
def test_weights_and_classes_of_which_a_member_has_no_row() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 3))
    y = np.where(x[:, 0] > 0, "up", "down").astype(object)
    y[0] = "once"
    model = lamina.MLPClassifier(trials=2, candidates="boosting", random_state=0)
    model.fit(x, y, sample_weight=np.where(x[:, 1] > 0, 2.0, 1.0))
    assert model.predict_proba(x).shape == (60, 3)


@pytest.mark.slow
def test_a_blend_is_not_trained_further() -> None:
    model = blend()
    assert any(one["share"] for one in model.trials_ if one["settings"].get("candidate") == "boosting")
    again = lamina.MLPRegressor(preset="fast", warm_start=True, max_iter=1)
    again.fitted_ = model.fitted_
    with pytest.raises(ValueError, match="boosted trees can't be trained further"):
        again.fit(TABLE, PRICE)


@pytest.mark.slow
def test_a_blend_leaves_as_onnx_and_page(tmp_path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = blend()
    lamina.export_onnx(model, tmp_path / "blend.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "blend.onnx")
    given = {}
    for one in session.get_inputs():
        column = TABLE[one.name].to_numpy()
        given[one.name] = column.reshape(-1, 1).astype(
            np.float64 if "double" in one.type else np.float32 if "float" in one.type else object
        )
    found = session.run(None, given)[0]
    np.testing.assert_allclose(np.ravel(found), model.predict(TABLE), rtol=1e-4, atol=1e-4)
