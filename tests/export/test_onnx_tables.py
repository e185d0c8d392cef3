"""Whole predictions in ONNX Runtime: from columns to labels and probabilities, as lamina predicts."""

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from tables import new_table, targets_of, training_table

import lamina
from lamina.export import describe
from lamina.export._onnx_model import onnx_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:left out 1 column with the same value"),
    pytest.mark.filterwarnings("ignore:the optimizer reached max_iter"),
    pytest.mark.filterwarnings("ignore:column .* has .* that training did not have"),
]
FRAME, NEW = training_table(), new_table()
CLASSES, VALUES = targets_of(FRAME)
QUICK = {"preset": "fast", "hidden_layer_sizes": (12, 8), "random_state": 0, "max_iter": 3}


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
            array = np.array([[value or ""] for value in values.cast(pl.String).to_list()], object)
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


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"preset": "default"},
        {"preset": "sklearn"},
        {"members": 3, "normalization": "layer", "ntk": False},
        {"normalization": "batch", "learned_activation": True, "activation": ("gelu", "mish")},
        {"number_embedding": False, "hidden_layer_sizes": ()},
        {"number_pieces": 0, "input_scale": False, "preprocess": False},
        {"members": 1},
    ],
)
def test_classifiers(settings):
    assert_same(lamina.MLPClassifier(**QUICK | settings).fit(FRAME, CLASSES))


@pytest.mark.parametrize("settings", [{}, {"preset": "default"}, {"loss": "poisson"}, {"preset": "sklearn"}])
def test_regressors(settings):
    assert_same(lamina.MLPRegressor(**QUICK | settings).fit(FRAME, VALUES))
