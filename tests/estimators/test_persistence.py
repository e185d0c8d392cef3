"""Saved estimators predict as before; damaged files are refused with a clear message."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file
from sklearn.pipeline import make_pipeline

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError, LaminaError
from lamina.estimators.persistence import FORMAT
from lamina.files.tensors import load_tensors, save_tensors

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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "normalization"), [("realmlp", None), ("fast", "batch"), ("sklearn", "layer")]
)
def test_a_loaded_regressor_predicts_the_same(tmp_path, preset, normalization):
    X = rng.normal(size=(500, 3)).astype(np.float32)
    early = None if preset == "realmlp" else True
    settings = {**SMALL, "normalization": normalization, "preset": preset, "early_stopping": early}
    model = MLPRegressor(**settings).fit(X, X[:, :2] * 3 + 1)
    assert model.fitted_.network.architecture.has_pieces == (preset != "sklearn")
    lamina.save(model, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "m.safetensors").predict(X), model.predict(X))


@pytest.mark.slow
def test_functions_are_left_out_and_predictions_stay(tmp_path):
    X = rng.normal(size=(40, 2))
    model = MLPClassifier(**SMALL, callbacks=lambda *_: False, scoring=lambda *_: 0.0)
    model.fit(X, X[:, 0] > 0)
    lamina.save(model, tmp_path / "m.safetensors")
    loaded = lamina.load(tmp_path / "m.safetensors")
    assert loaded.callbacks is None
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.slow
def test_a_pipeline_is_no_estimator_that_is_saved(tmp_path):
    model = make_pipeline(MLPRegressor(preset="fast", max_iter=2)).fit(np.eye(20), np.arange(20.0))
    with pytest.raises(TypeError, match=r"writes an MLPClassifier, .* not a Pipeline"):
        lamina.save(model, tmp_path / "m.safetensors")


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


def _huge_classes(content, arrays):
    content["target"] = {"dtype": "<U999999", "values": ["a"] * 10_000, "multilabel": False}


def _infinite(content, arrays):
    arrays["network.0.weight0"][0] = np.nan


def _wide(content, arrays):
    arrays["network.0.bias0"] = arrays["network.0.bias0"].astype(np.float64)


def _broadcast(content, arrays):
    arrays["encoder.center"] = arrays["encoder.center"][:1]


def _extra(content, arrays):
    arrays["more"] = np.zeros(1)


DAMAGES = {
    "classes as wide as a file": _huge_classes,
    "values that are not finite": _infinite,
    "an array of another type": _wide,
    "an array that broadcasts": _broadcast,
    "an array too many": _extra,
    "very many layers": _set("members", 0, "architecture", "hidden", to=[1] * 1_000_000),
    "very many categories of one column": _set("encoder", "max_one_hot", to=10**9),
    "a number for a list": _set("members", 0, "architecture", "hidden", to=8),
    "null for an object": _set("encoder", to=None),
    "a list for a mapping": _set("parameters", to=[]),
    "text for a number": _set("learned", "n_iter_", to="2"),
    "a nested setting": _set("parameters", "alpha", to=[[[]]]),
    "an unknown kind of column": _set("encoder", "schema", "columns", 0, "kind", to="evil"),
    "a field that nothing reads": _set("members", 0, "architecture", "ntq", to=True),
    "the same class twice": _set("target", "values", to=[1, 1]),
    "classes of another type": _set("target", "values", to=["0", "1"]),
    "classes too large for their type": _set(
        "target", to={"dtype": "|i1", "values": [1, 300], "multilabel": False}
    ),
    "classes of an evil type": _set("target", "dtype", to="V8"),
    "another class": _set("class", to="os.system"),
    "an unknown parameter": _set("parameters", "evil", to=1),
    "an unknown attribute": _set("learned", "predict", to=1),
    "a huge architecture": _set("members", 0, "architecture", "hidden", to=[10**12, 10**12]),
    "other classes": _set("target", "values", to=["a"]),
    "nested classes": _set("target", "values", to=[["a"], ["b"]]),
    "another encoder": _set("encoder", "version", to=99),
    "an unknown activation": _set("members", 0, "architecture", "activation", to="__import__"),
    "a number of networks": _set("members", to=10**12),
    "no networks": _set("members", to=[]),
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


def test_every_flipped_bit_is_noticed(tmp_path, saved):
    content = saved.read_bytes()
    header = int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    # Evenly over the file, of which most is header, and 100 more in the arrays.
    bits = [
        *rng.integers(8 * len(content), size=300),
        *rng.integers(8 * (8 + header), 8 * len(content), size=100),
    ]
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        (tmp_path / "flipped").write_bytes(changed)
        with pytest.raises(DataError, match=r"flipped (is|has) "):
            lamina.load(tmp_path / "flipped")


def test_a_file_of_today_without_its_digest_is_damaged(tmp_path, saved):
    arrays, metadata = load_tensors(saved)
    save_file(arrays, tmp_path / "m.safetensors", metadata)
    with pytest.raises(DataError, match="damaged: it has lost its digest"):
        lamina.load(tmp_path / "m.safetensors")


def test_a_file_of_a_newer_lamina_says_so(tmp_path, saved):
    arrays, metadata = load_tensors(saved)
    save_tensors(tmp_path / "m", arrays, {**metadata, "format": "lamina estimator 99"})
    with pytest.raises(DataError, match="it was written by a newer lamina"):
        lamina.load(tmp_path / "m")


def test_a_file_from_before_smooth_numbers_is_read_and_is_another_version(tmp_path, saved):
    """So that a lamina which knows none says that a newer one wrote the file, not that it is damaged."""
    arrays, metadata = load_tensors(saved)
    content = json.loads(metadata["estimator"])
    assert metadata["format"] == FORMAT != "lamina estimator 4"
    for member in content["members"]:
        del member["architecture"]["smooth"]
    save_tensors(tmp_path / "m", arrays, {"format": "lamina estimator 4", "estimator": json.dumps(content)})
    before, now = (lamina.load(path).predict(FRAME) for path in (tmp_path / "m", saved))
    np.testing.assert_array_equal(before, now)


def test_a_file_from_before_exact_values_predicts_the_same_bits(tmp_path):
    """Its rough columns are interpolated between values, as they were."""
    rng = np.random.default_rng(0)
    X = rng.permutation(4000)[:, None].astype(float)
    y = rng.normal(size=100)[X[:, 0].astype(int) // 40] + 0.3 * rng.normal(size=4000)
    model = MLPRegressor(preset="fast", members=1, max_iter=2, random_state=0).fit(X, y)
    lamina.save(model, tmp_path / "m")
    arrays, metadata = load_tensors(tmp_path / "m")
    content = json.loads(metadata["estimator"])
    for member in content["members"]:
        assert member["architecture"]["rough"] == [1]
        del member["architecture"]["exact"]
    old = {"format": "lamina estimator 8", "estimator": json.dumps(content)}
    save_tensors(tmp_path / "old", arrays, old)
    between = X + 0.5
    np.testing.assert_array_equal(lamina.load(tmp_path / "old").predict(between), model.predict(between))


def test_a_file_from_before_effects_of_categories_predicts_the_same_bits(tmp_path, saved):
    arrays, metadata = load_tensors(saved)
    content = json.loads(metadata["estimator"])
    arrays = {name: array for name, array in arrays.items() if ".effect" not in name}
    for member in content["members"]:
        assert member["architecture"].pop("effects") in (True, False)
    old = {"format": "lamina estimator 9", "estimator": json.dumps(content)}
    save_tensors(tmp_path / "old", arrays, old)
    model = lamina.load(saved)
    for member in model.fitted_.network.members:
        for name in member.last_names:
            member[name][:] = member[name] * (not name.startswith("effect"))
    np.testing.assert_array_equal(lamina.load(tmp_path / "old").predict(FRAME), model.predict(FRAME))


def test_a_file_from_before_numbers_apart_predicts_the_same_bits(tmp_path, saved):
    """The new fields need a new format, so that an older version says that it is older."""
    arrays, metadata = load_tensors(saved)
    content = json.loads(metadata["estimator"])
    for member in content["members"]:
        parts = member["architecture"]
        assert (parts.pop("wide"), parts.pop("narrow")) == ([], 0)
    assert metadata["format"] == "lamina estimator 11"
    save_tensors(
        tmp_path / "old", arrays, {"format": "lamina estimator 10", "estimator": json.dumps(content)}
    )
    np.testing.assert_array_equal(
        lamina.load(tmp_path / "old").predict(FRAME), lamina.load(saved).predict(FRAME)
    )


@pytest.mark.parametrize("name", ["wide", "monotone", "rough", "smooth", "rare"])
def test_properties_of_fewer_inputs_than_there_are_damage_a_file(tmp_path, name):
    X = np.random.default_rng(0).normal(size=(300, 3))
    texts = {place: [f"{place}{i % 12}" for i in range(300)] for place in ("from", "to")}
    model = MLPRegressor(preset="fast", members=1, max_iter=1, random_state=0)
    lamina.save(
        model.fit(pl.DataFrame(X, schema=[*"abc"]).hstack(pl.DataFrame(texts)), X[:, 0]), tmp_path / "m"
    )
    arrays, metadata = load_tensors(tmp_path / "m")
    content = json.loads(metadata["estimator"])
    content["members"][0]["architecture"][name] = [1]
    save_tensors(tmp_path / "m", arrays, {**metadata, "estimator": json.dumps(content)})
    with pytest.raises(DataError, match="m is damaged"):
        lamina.load(tmp_path / "m")


@pytest.mark.few(1)
@pytest.mark.parametrize("unit", ["D", "s", "ns"])
def test_dates_are_classes_that_can_be_saved(tmp_path, unit):
    y = np.array(["2020-02-03", "2021-05-06"], f"M8[{unit}]")[np.arange(60) % 2]
    model = MLPClassifier(**SMALL).fit(FRAME, y)
    lamina.save(model, tmp_path / "m.safetensors")
    loaded = lamina.load(tmp_path / "m.safetensors")
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))


def test_classes_that_no_file_can_hold_are_named(tmp_path):
    model = MLPClassifier(**SMALL).fit(FRAME, np.array([1, 2], np.longdouble)[np.arange(60) % 2])
    with pytest.raises(LaminaError, match=r"classes of the type \w+ can't be saved"):
        lamina.save(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_what_is_not_finite_is_not_saved(tmp_path):
    model = MLPRegressor(**SMALL).fit(FRAME, np.arange(60.0))
    model.fitted_.network.members[0]["bias0"][:] = np.inf
    with pytest.raises(LaminaError, match="bias0 has values that are not finite"):
        lamina.save(model, tmp_path / "m.safetensors")


def test_settings_that_are_infinite_and_texts_that_utf_8_cannot_hold_come_back(tmp_path):
    y = np.array(["plain", "half \ud800"], object)[np.arange(60) % 2]
    settings = {"n_iter_no_change": np.inf, "preset": "sklearn", "early_stopping": True, "preprocess": True}
    model = MLPClassifier(**SMALL, **settings).fit(FRAME, y)
    lamina.save(model, tmp_path / "m.safetensors")
    loaded = lamina.load(tmp_path / "m.safetensors")
    assert loaded.n_iter_no_change == np.inf
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "", "NaN", '"\\ud800', '{"class": NaN'])
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
    with pytest.raises(DataError, match="not a file of an estimator saved by lamina"):
        lamina.load(path)
    with pytest.raises(FileNotFoundError):
        lamina.load(tmp_path / "absent")


def test_settings_may_be_numpys_numbers_as_searches_draw_them(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = lamina.MLPRegressor(
        np.array([np.int64(3), 4]), preset="fast", max_iter=np.int64(2), dropout=np.float32(0.1), ntk=np.bool_(True),
        random_state=0,
    ).fit(X, X[:, 0])  # fmt: skip
    lamina.save(model, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(lamina.load(tmp_path / "a.safetensors").predict(X), model.predict(X))


def test_an_array_for_a_number_is_refused_by_name():
    with pytest.raises(ValueError, match="momentum"):
        lamina.MLPRegressor(momentum=np.array([0.1, 0.2])).fit(np.ones((9, 1)), np.ones(9))
