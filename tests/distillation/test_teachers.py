"""What teachers say, checked: fitted models, predictions from elsewhere, files of ONNX."""

import copy

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
from onnx import TensorProto, helper
from sklearn.cluster import DBSCAN
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier

import lamina
from lamina.errors import DataError
from lamina.interchange.distillation.teachers import OnnxModel, Teacher, Told, _as_type

X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
Y = np.where(X[:, 0] > 0, "up", "down")


def test_a_classifier_without_probabilities_teaches_its_classes():
    model = RidgeClassifier().fit(X, Y)
    teacher = Teacher(model)
    assert np.array_equal(teacher.classes[teacher.says(X).argmax(axis=1)], model.predict(X))
    assert set(np.unique(teacher.says(X))) == {0, 1}


def test_several_numbers_a_row():
    teacher = Teacher(LinearRegression().fit(X, X[:, ::-1]))
    assert teacher.classes is None
    np.testing.assert_allclose(teacher.says(X), X[:, ::-1], atol=1e-5)


def test_models_that_cannot_teach():
    with pytest.raises(TypeError, match="DBSCAN, has no predict"):
        lamina.distill(DBSCAN(), X)
    with pytest.raises(TypeError, match="predict_proba but no classes_: is it fitted"):
        lamina.distill(LogisticRegression(), X)
    several = RandomForestClassifier(n_estimators=2).fit(X, (X > 0).astype(int))
    with pytest.raises(DataError, match="several labels a row"):
        lamina.distill(several, X)
    with pytest.raises(DataError, match="several labels a row"):
        lamina.distill(RidgeClassifier().fit(X, (X > 0).astype(int)), X)
    exported = Teacher(LinearRegression().fit(X, X[:, 0]))
    exported._model = object()
    with pytest.raises(TypeError, match="can't be cloned, which folds need"):
        exported.refit(X, X[:, 0])


@pytest.mark.parametrize("classes", [(1, "up"), np.array(["up", None]), (None,)])
def test_classes_that_have_no_order(classes):
    model = LogisticRegression().fit(X, Y)
    model.classes_ = classes
    with pytest.raises(DataError, match="LogisticRegression: its classes have no order"):
        Teacher(model)


class OfColumns(LogisticRegression):
    """Its constructor alters what it is given, as CatBoost's does, which sklearn's clone refuses."""

    def __init__(self, columns=(), C=1.0):
        super().__init__(C=C)
        self.columns = [*columns]

    def copy(self):
        return copy.deepcopy(self)

    def fit(self, X, y):
        if len(self.columns) > 1:
            raise RuntimeError("columns of texts")
        return super().fit(X, y)


def test_a_model_that_only_copies_itself_is_refit():
    model = OfColumns([0]).fit(X, Y)
    refit = Teacher(model).refit(X, np.where(Y == "up", "down", "up"))
    assert np.array_equal(refit.says(X).argmax(axis=1), Teacher(model).says(X).argmin(axis=1))
    model.columns = [0, 1]
    with pytest.raises(
        DataError, match=r"OfColumns, failed in fit.*RuntimeError: columns of texts.* folds=0"
    ):
        Teacher(model).refit(X, Y)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (np.zeros(39), r"shape \(39,\), but 40 rows need"),
        (np.where(np.arange(40) == 3, np.nan, 0), "row 3 is nan, which is not finite"),
        (np.array(["up"] * 40), "a regressor must predict numbers"),
        (pd.DataFrame({"up": np.ones(40)}).assign(down=0.5), "row 0 are not probabilities.*sum 1.5"),
        (pd.DataFrame({"up": np.full(40, 1.5)}).assign(down=-0.5), "not probabilities"),
        (pd.DataFrame({"up": np.ones(10)}).assign(down=0.0), r"shape \(10, 2\), not \(40, 2\)"),
        (pd.DataFrame({"up": np.full(40, np.inf)}).assign(down=0.0), "which is not finite"),
        (np.ma.masked_less(np.arange(40.0), 3), "masked or complex"),
        (np.full(40, 1j), "masked or complex"),
        (np.zeros((40, 0)), r"values of shape \(40, 0\)"),
        (pd.DataFrame({"up": ["likely"] * 40}).assign(down="no"), "likely.*numeric probabilities"),
        (
            pd.DataFrame({"up": np.ones(40)}).assign(down=0.0).rename(columns={"up": 1}),
            "have no order",
        ),
        (pd.DataFrame({"up": np.ones(40)}).assign(down=1.0), "or several labels a row are not learned"),
    ],
)
def test_predictions_that_cannot_be_learned(said, message):
    with pytest.raises(DataError, match=message):
        lamina.distill(said, X)


def test_probabilities_in_few_digits_are_brought_to_the_sum_1():
    frame = pl.DataFrame({"a": [0.333, 1.0], "b": [0.333, 0.0], "c": [0.3335, 0.0]})
    assert Told(frame).says(np.zeros((2, 1))).sum(axis=1).tolist() == pytest.approx([1, 1], abs=1e-15)


# --- files of ONNX


def linear(path, zipmap, labels=("up", "down"), intercept=0.0):
    """A linear classifier of two columns, as skl2onnx and CatBoost write them."""
    is_text = isinstance(labels[0], str)
    texts = {"classlabels_strings" if is_text else "classlabels_ints": labels}
    node = helper.make_node(
        "LinearClassifier", ["features"], ["label", "shares"], domain="ai.onnx.ml", post_transform="SOFTMAX",
        coefficients=[2.0, 0.0, -2.0, 0.0], intercepts=[intercept, 0.0], **texts,
    )  # fmt: skip
    last = [helper.make_node("Identity", ["shares"], ["probabilities"])]
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, [None, 2])
    if zipmap:
        last = [helper.make_node("ZipMap", ["shares"], ["probabilities"], domain="ai.onnx.ml", **texts)]
        value = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        kind = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, value))
    graph = helper.make_graph(
        [node, *last], "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("label", TensorProto.STRING if is_text else TensorProto.INT64, [None]),
         helper.make_value_info("probabilities", kind)],
    )  # fmt: skip
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    return path


@pytest.mark.parametrize("zipmap", [False, True])
def test_a_classifier_in_onnx(tmp_path, zipmap):
    model = OnnxModel(linear(tmp_path / "linear.onnx", zipmap), X)
    assert sorted(model.classes_.tolist()) == ["down", "up"]
    teacher = Teacher(model)
    assert teacher.classes.tolist() == ["down", "up"]
    np.testing.assert_allclose(teacher.says(X)[:, 1], 1 / (1 + np.exp(-4 * X[:, 0])), atol=1e-6)
    assert model.predict(X).tolist() == Y.tolist()
    with pytest.raises(TypeError, match="pass folds=0"):
        lamina.distill(model, X, Y)


@pytest.mark.parametrize("labels", [(0, 1), (1, 0), (-1, 1), (1, 2)])
def test_classes_of_whole_numbers_are_those_that_the_rows_have(tmp_path, labels):
    assert OnnxModel(linear(tmp_path / "linear.onnx", False, labels), X).classes_.tolist() == [*labels]
    with pytest.raises(DataError, match="does not name its 2 classes, and the rows identify only 1"):
        OnnxModel(linear(tmp_path / "linear.onnx", False, labels, 1e6), X)


@pytest.mark.few(1)
@pytest.mark.parametrize("labels", [(-1, 1), (False, True), ("a", "b")])
def test_lamina_names_the_classes_in_its_files(tmp_path, labels):
    model = lamina.MLPClassifier(preset="fast", number_embedding=False, max_iter=1, random_state=0)
    model.fit(X, np.array(labels)[(X[:, 0] > 0).astype(int)])
    lamina.export_onnx(model, tmp_path / "model.onnx")
    assert OnnxModel(tmp_path / "model.onnx", X[:1]).classes_.tolist() == [*labels]


def test_files_of_onnx_that_cannot_teach(tmp_path):
    file = linear(tmp_path / "linear.onnx", False)
    with pytest.raises(DataError, match=r"takes features .* the table has 3 columns"):
        OnnxModel(file, np.zeros((4, 3)))
    with pytest.raises(DataError, match="does not name its 2 classes, and the rows identify only 1"):
        OnnxModel(file, np.ones((4, 2)))
    with pytest.raises(DataError, match="can't convert the table's values"):
        OnnxModel(file, pl.DataFrame({"a": ["x"], "b": ["y"]}))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(DataError, match="ONNX Runtime can't read the model"):
        OnnxModel(tmp_path / "broken.onnx", X)


def test_missing_strings_of_any_library_are_empty():
    cells = np.array([["a", None, np.float32("nan"), pd.NA, pd.NaT, 3]], object)
    assert _as_type(cells, "tensor(string)", "a file").tolist() == [["a", "", "", "", "", "3"]]
