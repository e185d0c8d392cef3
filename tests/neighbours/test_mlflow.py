"""MLflow keeps estimators, by its own flavour of scikit-learn and by lamina's, and logs their trainings."""

import datetime
import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import lamina
from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError, LaminaError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mlflow = pytest.importorskip("mlflow", reason="NOT TESTED: mlflow (make neighbours)")
    import mlflow.sklearn  # noqa: F811

import lamina.mlflow

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow says of its own parts

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": np.where(np.arange(120) % 9, RNG.normal(size=120), np.nan),
        "age": RNG.integers(1, 80, 120),
        "color": RNG.choice(["red", "green", "blue"], 120),
        "member": RNG.choice([True, False], 120),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, 120), "D"),
    }
)
NUMBER = FRAME["size"].fillna(0).to_numpy() + (FRAME["color"] == "red")
CLASS = np.where(NUMBER > 0.5, "yes", "no")
SMALL = {
    "preset": "fast", "members": 1, "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0,
    "number_embedding": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """A tracking store of the test's own."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    yield mlflow
    mlflow.sklearn.autolog(disable=True)
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture(scope="module")
def classifier():
    return MLPClassifier(**SMALL).fit(FRAME, CLASS)


# --- MLflow's own flavour --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["skops", "cloudpickle"])
def test_mlflows_own_flavour_keeps_estimators(classifier, form):
    trusted = (
        {"skops_trusted_types": ["lamina.estimators.classifier.MLPClassifier"]} if form == "skops" else {}
    )
    logged = mlflow.sklearn.log_model(
        classifier,
        name="model",
        input_example=FRAME[:3],
        serialization_format=form,
        pip_requirements=[],
        **trusted,
    )
    copy = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(copy.predict_proba(FRAME), classifier.predict_proba(FRAME))
    assert copy.max_iter == classifier.max_iter and copy.loss_curve_ == classifier.loss_curve_
    function = mlflow.pyfunc.load_model(logged.model_uri)
    np.testing.assert_array_equal(function.predict(FRAME), classifier.predict(FRAME))


def test_autolog_notes_pipelines_and_searches():
    mlflow.sklearn.autolog(log_models=False, log_input_examples=True)
    model = make_pipeline(FunctionTransformer(), MLPRegressor(**SMALL))
    with mlflow.start_run() as run:
        model.fit(FRAME, NUMBER)
    found = mlflow.get_run(run.info.run_id).data
    assert found.params["mlpregressor__max_iter"] == "3" and "training_r2_score" in found.metrics
    with mlflow.start_run() as run:
        GridSearchCV(MLPClassifier(**SMALL), {"dropout": [0.0, 0.1]}, cv=2).fit(FRAME, CLASS)
    found = mlflow.get_run(run.info.run_id).data
    assert "best_cv_score" in found.metrics and "best_dropout" in found.params


# --- lamina's flavour ------------------------------------------------------------------------------------------------


def test_a_model_is_kept_without_a_pickle(classifier):
    logged = lamina.mlflow.log_model(classifier)
    copy = lamina.mlflow.load_model(logged.model_uri)
    np.testing.assert_array_equal(copy.predict_proba(FRAME), classifier.predict_proba(FRAME))
    assert copy.max_iter == classifier.max_iter and copy.loss_curve_ == classifier.loss_curve_
    function = mlflow.pyfunc.load_model(logged.model_uri)
    np.testing.assert_array_equal(function.predict(FRAME), classifier.predict(FRAME))


def test_signature_and_example_are_those_of_the_table(classifier):
    logged = lamina.mlflow.log_model(classifier)
    assert {one.name: str(one.type) for one in logged.signature.inputs} == {
        "size": "DataType.double",
        "age": "DataType.long",
        "color": "DataType.string",
        "member": "DataType.boolean",
        "since": "DataType.datetime",
    }
    function = mlflow.pyfunc.load_model(logged.model_uri)
    assert list(function.predict(function.input_example)) == list(classifier.predict(function.input_example))
    gaps = FRAME[:9].assign(color=None, size=np.nan)
    np.testing.assert_array_equal(function.predict(gaps), classifier.predict(gaps))
    with pytest.raises(mlflow.MlflowException, match="color"):
        function.predict(FRAME.drop(columns="color"))


def test_another_method_and_the_users_signature(classifier, tmp_path):
    lamina.mlflow.save_model(
        classifier, tmp_path / "m", pyfunc_predict_fn="predict_proba", input_example=FRAME[:2],
        signature=mlflow.models.infer_signature(FRAME), metadata={"by": "me"},
    )  # fmt: skip
    function = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    np.testing.assert_array_equal(function.predict(FRAME), classifier.predict_proba(FRAME))
    assert function.metadata.metadata == {"by": "me"} and len(function.input_example) == 2
    held = [path.name for path in (tmp_path / "m").rglob("*") if path.is_file()]
    assert "model.safetensors" in held and not [name for name in held if name.endswith((".pkl", ".pickle"))]
    assert lamina.load(tmp_path / "m/data/model.safetensors").predict(FRAME).tolist()


def test_models_of_arrays_and_of_polars(tmp_path):
    array = FRAME[["size", "age"]].to_numpy(np.float32)
    model = MLPRegressor(**SMALL).fit(array, np.c_[NUMBER, -NUMBER])
    lamina.mlflow.save_model(model, tmp_path / "array")
    function = mlflow.pyfunc.load_model(str(tmp_path / "array"))
    np.testing.assert_array_equal(function.predict(array), model.predict(array))

    frame = pl.from_pandas(FRAME).with_columns(
        pl.col("since").cast(pl.Date),
        at=pl.lit(datetime.time(8)),
        name=pl.Series([f"n{i}" for i in range(120)]),
    )
    model = MLPClassifier(**SMALL).fit(frame, CLASS)
    lamina.mlflow.save_model(model, tmp_path / "frame")
    function = mlflow.pyfunc.load_model(str(tmp_path / "frame"))
    pandas = frame.to_pandas().assign(since=FRAME["since"])
    np.testing.assert_array_equal(function.predict(pandas), model.predict(frame))


def test_a_served_request_is_a_frame(classifier, tmp_path):
    from mlflow.pyfunc.scoring_server import infer_and_parse_data  # as mlflow models serve reads it

    lamina.mlflow.save_model(classifier, tmp_path / "m")
    function = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    request = {"dataframe_split": json.loads(FRAME[:5].to_json(orient="split", date_format="iso"))}
    rows = infer_and_parse_data(request, function.metadata.get_input_schema())
    np.testing.assert_array_equal(function.predict(rows), classifier.predict(FRAME[:5]))


def test_what_cannot_be_kept(classifier, tmp_path):
    with pytest.raises(LaminaError, match="not fitted"):
        lamina.mlflow.save_model(MLPClassifier(), tmp_path / "a")
    with pytest.raises(TypeError, match="not a Pipeline"):
        lamina.mlflow.save_model(make_pipeline(classifier), tmp_path / "b")
    mlflow.sklearn.save_model(
        classifier, tmp_path / "c", serialization_format="cloudpickle", pip_requirements=[]
    )
    with pytest.raises(DataError, match="flavors python_function, sklearn, but not 'lamina'"):
        lamina.mlflow.load_model(str(tmp_path / "c"))
