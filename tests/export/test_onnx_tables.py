"""Whole predictions in ONNX Runtime: from columns to labels and probabilities, as lamina predicts."""

import datetime
import json
import warnings
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from c_library import TableLibrary, needs_linker
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_multilabel_classification
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import (
    CLASSIFIERS,
    QUICK,
    REGRESSORS,
    classifier,
    deciding,
    everything_at_once,
    mixture,
    new_table,
    regressor,
    rough_table,
    targets_of,
    training_table,
)

import lamina
from lamina import MLPClassifier, from_sklearn, nd
from lamina.datasets import mnist
from lamina.errors import LaminaError
from lamina.export import Classes, Prediction, Table, describe
from lamina.export._onnx_model import onnx_model
from lamina.nd.activation import ACTIVATIONS
from lamina.recipes.run import network_of_run
from lamina.runs.recipes import ChapterNetwork
from lamina.runs.run_folder import open_run
from lamina.table.encode import TableEncoder
from lamina.table.schema import Schema
from lamina.table.types.pixel import pixel_columns

pytestmark = [
    pytest.mark.filterwarnings("ignore:left out 1 column with the same value"),
    pytest.mark.filterwarnings("ignore:the optimizer reached max_iter"),
    pytest.mark.filterwarnings("ignore:.*values? that training did not have"),
]
FRAME, NEW = training_table(), new_table()
CLASSES, VALUES = targets_of(FRAME)


def session_of(model):
    proto = onnx_model(describe(model))
    onnx.checker.check_model(proto, full_check=True)
    return onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


def fed(session, table):
    """What a session takes of a table."""
    if not isinstance(table, pl.DataFrame):
        return {"X": table}
    feeds = {}
    for wanted in session.get_inputs():
        values = table[wanted.name]
        if wanted.type == "tensor(string)":
            array = np.array([value or "" for value in values.cast(pl.String).to_list()], object)[:, None]
        else:
            dtype = {"tensor(double)": pl.Float64, "tensor(float)": pl.Float32}[wanted.type]
            array = values.cast(dtype).fill_null(np.nan).to_numpy()[:, None]
        feeds[wanted.name] = array
    return feeds


def assert_same(model, table=NEW):
    session = session_of(model)
    names = [output.name for output in session.get_outputs()]
    results = dict(zip(names, session.run(None, fed(session, table)), strict=True))
    if hasattr(model, "classes_"):
        np.testing.assert_allclose(results["probabilities"], model.predict_proba(table), rtol=0, atol=1e-5)
        np.testing.assert_array_equal(results["label"], model.predict(table))
        return
    wanted = model.predict(table)
    scale = np.std(VALUES)
    np.testing.assert_allclose(
        results["variable"], wanted.reshape(len(wanted), -1), rtol=0, atol=1e-5 * scale
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [pytest.param(one, marks=() if i % 2 else pytest.mark.slow) for i, one in enumerate(CLASSIFIERS)],
    ids=str,
)
def test_classifiers(settings):
    assert_same(classifier(**settings))


@pytest.mark.parametrize(
    "settings",
    [pytest.param(one, marks=pytest.mark.slow if i % 2 else ()) for i, one in enumerate(REGRESSORS)],
    ids=str,
)
def test_regressors(settings):
    assert_same(regressor(**settings))


@pytest.mark.parametrize("train", [classifier, pytest.param(regressor, marks=pytest.mark.slow)])
def test_networks_of_different_architectures_with_shares_of_their_own(train):
    assert_same(mixture(train))


@pytest.mark.slow
def test_constrained_quantiles_of_different_networks():
    assert_same(everything_at_once())


def test_constrained_columns():
    options = QUICK | {"monotone": {"height": 1, "income": -1}}
    assert_same(lamina.MLPRegressor(**options).fit(FRAME, VALUES))
    assert_same(lamina.MLPClassifier(**options).fit(FRAME, np.median(VALUES) < VALUES))


@pytest.mark.slow
def test_a_rough_column():
    X, y = rough_table()
    model = lamina.MLPRegressor(**QUICK).fit(X, y)
    assert model.fitted_.network.members[0].architecture.exact == (1, 0)
    assert_same(model, X)
    assert_same(model, X + np.array([0.5, 0]))


@pytest.mark.slow
def test_a_pipeline_of_scikit_learn():
    numbers, texts = ["width", "height"], ["color", "side"]
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(90, 2)), columns=numbers).mask(rng.random((90, 2)) < 0.2)
    frame = frame.assign(
        color=rng.choice(["red", "green", "blue"], 90), side=rng.choice(["left", "right"], 90)
    )
    steps = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), texts),
    )
    y = np.where(frame["width"].fillna(0) + (frame["color"] == "red") > 0.5, "yes", "no")
    theirs = make_pipeline(steps, TheirClassifier((8,), solver="lbfgs", max_iter=20, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(frame, y)
    ours = from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict_proba(frame), theirs.predict_proba(frame), atol=1e-6)
    assert_same(ours, pl.from_pandas(frame))


def test_categories_alone_that_are_all_embedded():
    frame = FRAME.select("town", pl.col("town").alias("other")).fill_null("nowhere")
    model = lamina.MLPRegressor(**QUICK).fit(frame, VALUES)
    assert len(describe(model).inputs.encoder.code_names) == 2
    assert_same(model, frame)


@pytest.mark.slow
def test_an_activation_that_nothing_of_the_export_knows(monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "hard_swish", lambda x: x * nd.clip(x + 3, 0, 6) / 6)
    options = QUICK | {"activation": "hard_swish", "learned_activation": True}
    assert_same(lamina.MLPRegressor(**options).fit(FRAME, VALUES))
    assert_same(lamina.MLPClassifier(**options).fit(FRAME, CLASSES))


def test_an_activation_that_onnx_cannot_compute_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(ACTIVATIONS, "quantile", lambda x: nd.erfinv(nd.tanh(x) * 0.5))
    model = lamina.MLPRegressor(**QUICK | {"activation": "quantile"}).fit(FRAME, VALUES)
    with pytest.raises(LaminaError, match="the operator 'erfinv' cannot be exported, since ONNX lacks it"):
        lamina.export_onnx(model, tmp_path / "model.onnx")


def test_several_networks_share_what_they_can():
    """Numbers are scaled and embedded once, what is linear is one product, all lookups of a network are one.

    The mean of the networks is one product of all their last hidden units.
    """
    model = classifier(linear_path=False)
    members = len(model.fitted_.network.members)
    counts = Counter(node.op_type for node in onnx_model(describe(model)).graph.node)
    assert members > 1
    assert [counts[op] for op in ("IsNaN", "Cos", "MatMul", "Softmax")] == [1, 1, 2, 1]
    assert counts["Gemm"] == 2 * members + 1
    assert counts["Gather"] == members + 2  # a network's codes; the flag, the label
    assert counts["Split"] == 1  # the embedded numbers
    assert not {"Slice", "Shape", "Expand"} & counts.keys()


def test_activations_of_several_nodes_are_computed_for_all_networks_at_once():
    model = classifier(members=3, activation="mish", learned_activation=True, linear_path=False)
    counts = Counter(node.op_type for node in onnx_model(describe(model)).graph.node)
    layers = len(model.fitted_.layers) - 2
    assert [counts[op] for op in ("Softplus", "Tanh", "Split")] == [layers] * 3
    assert_same(model)


def test_learned_activations_with_a_factor_of_zero():
    """z + a · (f − z) is not divided by a = 0."""
    model = classifier(members=2, learned_activation=True)
    model.fitted_.network.members[1]["alpha0"][0] = 0.0
    assert_same(model)


def test_a_network_for_digits_is_products_and_relus():
    drawing = Table((), 784, False, TableEncoder(Schema(pixel_columns(), 0, False)))
    network = ChapterNetwork((784, 16, 16, 10))
    graph = onnx_model(Prediction(drawing, network, Classes(np.arange(10)), "0")).graph
    products = ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    assert [node.op_type for node in graph.node] == ["Cast", *products, "Softmax", "ArgMax"]


@pytest.mark.slow
def test_several_targets_and_several_labels():
    several = np.stack([VALUES, -VALUES], axis=1)
    assert_same(lamina.MLPRegressor(**QUICK).fit(FRAME, several))
    X, labels = make_multilabel_classification(200, 6, n_classes=4, random_state=0)
    assert_same(lamina.MLPClassifier(**QUICK).fit(X, labels), X)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow), "uint8"])
def test_an_array_is_one_input_of_its_type(dtype):
    X = np.random.default_rng(0).normal(40, 12, size=(300, 5)).clip(0, 255).astype(dtype)
    X[:, 2] = 7
    if dtype != "uint8":
        X[::9, 3] = np.nan
    model = lamina.MLPClassifier(**QUICK).fit(X, X[:, 0] > 40)
    assert [(x.name, x.shape) for x in session_of(model).get_inputs()] == [("X", ["rows", 5])]
    assert_same(model, X)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ([3, 7, 9], "tensor(int64)"),
        ([0, 1, 2], "tensor(int64)"),
        ([4.0, 1.0, 2.0], "tensor(int64)"),
        ([False, True, True], "tensor(int64)"),
        (["ja", "nein", "ça"], "tensor(string)"),
    ],
)
def test_labels_keep_their_types(labels, wanted):
    model = lamina.MLPClassifier(**QUICK).fit(FRAME, np.array(labels)[np.digitize(VALUES, [25, 30])])
    assert session_of(model).get_outputs()[0].type == wanted
    assert_same(model)


def test_left_out_columns_keep_their_places_in_an_array_of_categories():
    X = np.random.default_rng(0).integers(0, 4, (300, 4)).astype(float)
    kinds = {0: "drop", 2: "categorical"}
    model = lamina.MLPClassifier(**QUICK, column_kinds=kinds).fit(X, X[:, 2] + X[:, 1] > 3)
    new = np.vstack([X[:20], [[0, np.nan, np.nan, 1]], [[0, 1, 17, 1]]])
    assert_same(model, new)


@pytest.mark.slow
def test_categories_that_were_numbers_are_numbers():
    model = lamina.MLPClassifier(**QUICK, column_kinds={"children": "categorical"}).fit(FRAME, CLASSES)
    kinds = {one.name: one.type for one in session_of(model).get_inputs()}
    assert kinds["children"] == kinds["smokes"] == "tensor(double)"
    assert kinds["color"] == "tensor(string)"
    new = NEW.with_columns(pl.Series("children", [0, 17, None] * 20))
    assert_same(model, new)


def test_truth_values_that_are_texts_may_be_spelled_otherwise():
    texts = pl.Series("smokes", np.where(FRAME["smokes"].fill_null(False), "True", "False"))
    model = lamina.MLPClassifier(**QUICK).fit(FRAME.with_columns(texts), CLASSES)
    assert_same(model, NEW.with_columns(pl.Series("smokes", ["yes", "F", "TRUE", None, "0"] * 12)))


@pytest.mark.slow
def test_columns_that_are_called_like_outputs():
    frame = FRAME.rename({"sex": "label", "height": "variable"})
    classifier = lamina.MLPClassifier(**QUICK).fit(frame, CLASSES)
    assert [x.name for x in session_of(classifier).get_outputs()] == ["output_label", "probabilities"]
    regressor = lamina.MLPRegressor(**QUICK).fit(frame, VALUES)
    assert [x.name for x in session_of(regressor).get_outputs()] == ["output_variable"]


@pytest.mark.slow
def test_numbers_of_float32_are_such_inputs():
    frame = FRAME.with_columns(pl.col("height", "income").cast(pl.Float32))
    model = lamina.MLPClassifier(**QUICK).fit(frame, CLASSES)
    kinds = {one.name: one.type for one in session_of(model).get_inputs()}
    assert (kinds["height"], kinds["children"]) == ("tensor(float)", "tensor(double)")
    # in float32 lamina scales float32, and this float64, since one column is
    assert_same(model, FRAME.with_columns(pl.col("height", "income").cast(pl.Float32)))


def test_one_row_and_no_row():
    model = classifier()
    assert_same(model, NEW[:1])
    label, probabilities = (session := session_of(model)).run(None, fed(session, NEW[:0]))
    assert (label.shape, probabilities.shape) == ((0,), (0, 3))


@pytest.mark.slow
def test_what_is_known_of_a_run_is_in_the_file(run_on_a_table, tmp_path):
    lamina.export_onnx(run_on_a_table, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    known = session.get_modelmeta().custom_metadata_map
    assert known["lamina_version"] == lamina.__version__
    assert (known["task"], known["target"]) == ("classification", "level")
    assert json.loads(known["classes"]) == ["high", "low", "middle"]
    assert json.loads(known["metrics"])["accuracy"] > 0.2
    columns = {column["name"]: column for column in json.loads(known["columns"])}
    assert columns["color"] == {
        "name": "color",
        "kind": "category",
        "values": ["blue", "green", "naïve €", "red"],
    }
    assert columns["children"] == {"name": "children", "kind": "number", "low": 0.0, "high": 4.0}
    model, _ = open_run(run_on_a_table)
    got = session.run(["probabilities"], fed(session, NEW))[0]
    np.testing.assert_allclose(got, model.outputs(NEW), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_run_on_digits_takes_bytes(run_on_digits, tmp_path):
    lamina.export_onnx(run_on_digits, tmp_path / "digits.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx")
    images = mnist().test_images[:200].reshape(200, -1)
    label, probabilities = session.run(None, {"X": images})
    wanted = nd.softmax(network_of_run(run_on_digits)(nd.array(images, dtype="uint8"))).asnumpy()
    np.testing.assert_allclose(probabilities, wanted, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(label, wanted.argmax(axis=1))


def test_a_table_of_pixels_is_one_input(tmp_path):
    frame = pl.DataFrame({f"pixel_{i}": np.arange(60, dtype=np.uint8) * (i % 3 + 1) for i in range(6)})
    model = lamina.MLPClassifier(**QUICK).fit(frame, np.arange(60) > 30)
    (wanted,) = session_of(model).get_inputs()
    assert (wanted.name, wanted.type, wanted.shape) == ("X", "tensor(uint8)", ["rows", 6])
    (label, _) = session_of(model).run(None, {"X": frame.to_numpy()})
    np.testing.assert_array_equal(label, model.predict(frame))


def test_what_is_said_of_wrong_arguments(tmp_path):
    with pytest.raises(LaminaError, match="a dict cannot be exported; give a fitted MLPClassifier"):
        lamina.export_onnx({}, tmp_path / "model.onnx")
    model = classifier()
    with pytest.raises(LaminaError, match="only a Gluon block needs an example"):
        lamina.export_onnx(model, tmp_path / "model.onnx", inputs=np.ones((1, 3)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_dates_and_times_are_their_numbers():
    start = datetime.datetime(2011, 10, 2)
    days = [start + datetime.timedelta(hours=7 * i, seconds=i) for i in range(100)]
    frame = pl.DataFrame({"day": [str(day) for day in days], "at": [f"{i % 24}:30" for i in range(100)]})
    model = lamina.MLPRegressor(**QUICK).fit(frame, np.arange(100) / 30)
    numbers = pl.DataFrame(
        {
            "day": [(day - datetime.datetime(1970, 1, 1)) / datetime.timedelta(1) for day in days],
            "at": [i % 24 * 3600.0 + 1800 for i in range(100)],
        }
    )
    np.testing.assert_array_equal(model.predict(frame), model.predict(numbers))
    assert_same(model, numbers)
    assert [column.schema.type.unit for column in describe(model).inputs.columns] == [
        "days since 1970-01-01",
        "seconds since midnight",
    ]


@pytest.mark.few(1)
@needs_linker
@pytest.mark.parametrize(
    "others",
    [
        (),
        pytest.param(("<missing>",), marks=pytest.mark.slow),
        ("<missing>", "<<missing>>"),
    ],
    ids=len,
)
def test_missing_can_be_said_beside_the_empty_text(others, tmp_path):
    rng = np.random.default_rng(1)
    known = ["", "up", "down", *others]
    texts = [known[i] if i < len(known) else None for i in rng.integers(0, len(known) + 2, 400)]
    frame = pl.DataFrame({"text": texts, "plain": rng.choice(["a", "b"], 400), "x": rng.normal(size=400)})
    target = [{"": 0, None: 1}.get(text, 2) for text in texts]
    model = MLPClassifier(**QUICK | {"members": 2, "max_iter": 30, "learning_rate_init": 0.1}).fit(
        frame, target
    )
    session = session_of(model)
    columns = {
        column["name"]: column
        for column in json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    }
    spelled = columns["text"]["missing"]
    assert spelled not in known
    assert "missing" not in columns["plain"]
    new = pl.DataFrame({"text": [None, *known, "unknown"], "plain": "a", "x": 0.25})
    feeds = {
        "text": np.array([spelled if text is None else text for text in new["text"]], object)[:, None],
        "plain": np.array(new["plain"].to_list(), object)[:, None],
        "x": new["x"].to_numpy()[:, None],
    }
    label, probabilities = session.run(None, feeds)
    np.testing.assert_allclose(probabilities, model.predict_proba(new), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(label, model.predict(new))
    assert label[:2].tolist() == [1, 0]
    library = TableLibrary(model, tmp_path / "texts.so")
    np.testing.assert_allclose(library.predict(new)[0], probabilities, rtol=0, atol=1e-5)


def test_files_of_tables_without_an_empty_text_say_nothing_of_it():
    metadata = session_of(classifier()).get_modelmeta().custom_metadata_map
    assert all("missing" not in column for column in json.loads(metadata["columns"]))


@pytest.mark.few(1)
@pytest.mark.parametrize("position", [0, 1])
def test_a_threshold_decides(position):
    model = deciding(position, NEW)
    session = session_of(model)
    labels, probabilities = session.run(None, fed(session, NEW))
    near = np.abs(model.predict_proba(NEW)[:, position] - model.threshold_) < 1e-6
    np.testing.assert_array_equal(labels[~near], model.predict(NEW)[~near])
    reaches = probabilities[:, position] >= np.float32(model.threshold_)
    np.testing.assert_array_equal(labels == model.positive_class_, reaches)
    told = json.loads(session.get_modelmeta().custom_metadata_map["threshold"])
    assert told == {"class": model.positive_class_, "probability": model.threshold_}
