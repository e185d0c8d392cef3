"""Saved estimators predict as before; damaged files are refused with a clear message."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError, LaminaError
from lamina.io.tensors import load_tensors, save_tensors

rng = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "x": rng.normal(size=60),
        "gap": [None if i % 7 == 0 else float(i) for i in range(60)],
        "color": [("red", "green", "blue")[i % 3] for i in range(60)],
        "city": [f"city {i % 12}" for i in range(60)],
    }
)
SMALL = {"hidden_layer_sizes": (8, 4), "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize(
    "classes",
    [np.array(["no", "yes"]), np.array(["a", "b"], object), np.array([3, 7]), np.array([False, True])],
)
def test_a_loaded_classifier_predicts_the_same(tmp_path, classes):
    y = classes[np.arange(60) % 2]
    model = MLPClassifier(**SMALL).fit(FRAME, y)
    lamina.save(model, tmp_path / "m.safetensors")
    loaded = lamina.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.get_params() == {**model.get_params(), "hidden_layer_sizes": [8, 4]}
    assert loaded.loss_curve_ == model.loss_curve_
    assert list(loaded.feature_names_in_) == FRAME.columns


@pytest.mark.parametrize(
    ("preset", "normalization"), [("default", None), ("fast", "batch"), ("sklearn", "layer")]
)
def test_a_loaded_regressor_predicts_the_same(tmp_path, preset, normalization):
    X = rng.normal(size=(500, 3)).astype(np.float32)
    early = None if preset == "default" else True
    settings = {**SMALL, "normalization": normalization, "preset": preset, "early_stopping": early}
    model = MLPRegressor(**settings).fit(X, X[:, :2] * 3 + 1)
    assert model.fitted_.network.architecture.has_pieces == (preset != "sklearn")
    lamina.save(model, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "m.safetensors").predict(X), model.predict(X))


def test_functions_are_left_out_and_predictions_stay(tmp_path):
    X = rng.normal(size=(40, 2))
    model = MLPClassifier(**SMALL, callbacks=lambda *_: False, scoring=lambda *_: 0.0)
    model.fit(X, X[:, 0] > 0)
    lamina.save(model, tmp_path / "m.safetensors")
    loaded = lamina.load(tmp_path / "m.safetensors")
    assert loaded.callbacks is None
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_an_estimator_that_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(LaminaError, match="not fitted"):
        lamina.save(MLPClassifier(), tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def _set(*keys, to):
    """Replace what is under these keys of the JSON."""

    def damage(content, arrays):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return damage


def _remove_weight(content, arrays):
    del arrays["network.0.weight0"]


def _cut_weight(content, arrays):
    arrays["network.0.weight0"] = arrays["network.0.weight0"][:-1]


DAMAGES = {
    "another class": _set("class", to="os.system"),
    "an unknown parameter": _set("parameters", "evil", to=1),
    "an unknown attribute": _set("learned", "predict", to=1),
    "a huge architecture": _set("architecture", "hidden", to=[10**12, 10**12]),
    "other classes": _set("target", "values", to=["a"]),
    "nested classes": _set("target", "values", to=[["a"], ["b"]]),
    "another encoder": _set("encoder", "version", to=99),
    "an unknown activation": _set("architecture", "activation", to="__import__"),
    "more networks than arrays": _set("members", to=10**12),
    "no networks": _set("members", to=0),
    "a missing array": _remove_weight,
    "an array of another shape": _cut_weight,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "m.safetensors"
    lamina.save(MLPClassifier(**SMALL).fit(FRAME, np.arange(60) % 2), path)
    return path


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_files_are_refused(tmp_path, saved, how):
    arrays, metadata = load_tensors(saved)
    content = json.loads(metadata["estimator"])
    DAMAGES[how](content, arrays)
    save_tensors(tmp_path / "damaged", arrays, {**metadata, "estimator": json.dumps(content)})
    with pytest.raises(DataError, match="damaged"):
        lamina.load(tmp_path / "damaged")


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, ""])
def test_damaged_json_is_refused(tmp_path, saved, text):
    arrays, metadata = load_tensors(saved)
    save_tensors(tmp_path / "damaged", arrays, {**metadata, "estimator": text})
    with pytest.raises(DataError, match="damaged"):
        lamina.load(tmp_path / "damaged")


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(DataError, match="not a readable safetensors"):
        lamina.load(path)
    save_file({"w": np.zeros(2)}, path)
    with pytest.raises(DataError, match="not an estimator that lamina saved"):
        lamina.load(path)
    with pytest.raises(FileNotFoundError):
        lamina.load(tmp_path / "absent")
