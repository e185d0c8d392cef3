"""A description says all that a prediction needs: evaluated in plain NumPy, it predicts as the model does."""

import numpy as np
import pytest
from evaluated import evaluated
from sklearn.datasets import make_multilabel_classification
from tables import (
    CLASSIFIERS,
    QUICK,
    REGRESSORS,
    classifier,
    mixture,
    new_table,
    regressor,
    targets_of,
    training_table,
)

import lamina
from lamina.datasets import mnist
from lamina.errors import DataError, LaminaError
from lamina.export import describe

FRAME, NEW = training_table(), new_table()
CLASSES, VALUES = targets_of(FRAME)
pytestmark = [
    pytest.mark.filterwarnings("ignore:left out 1 column with the same value"),
    pytest.mark.filterwarnings("ignore:the optimizer reached max_iter"),
    pytest.mark.filterwarnings("ignore:.*values? that training did not have"),
]


def assert_says_all(model, frame=NEW, rows=None):
    rows = frame.to_dict(as_series=False) if rows is None else rows
    wanted = model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)
    spread = np.ptp(wanted) or 1.0
    np.testing.assert_allclose(evaluated(describe(model), rows), wanted, rtol=0, atol=2e-6 * max(spread, 1))


@pytest.mark.few(1)
@pytest.mark.parametrize("settings", CLASSIFIERS)
def test_classifiers(settings):
    assert_says_all(classifier(**settings))


@pytest.mark.slow
@pytest.mark.parametrize("settings", REGRESSORS)
def test_regressors(settings):
    assert_says_all(regressor(**settings))


@pytest.mark.few(1)
@pytest.mark.parametrize("train", [classifier, regressor])
def test_networks_of_different_architectures_with_shares_of_their_own(train):
    assert_says_all(mixture(train))


@pytest.mark.slow
def test_several_targets_and_several_labels():
    several = np.stack([VALUES, -VALUES], axis=1)
    assert_says_all(lamina.MLPRegressor(**QUICK).fit(FRAME, several))
    X, labels = make_multilabel_classification(200, 6, n_classes=4, random_state=0)
    assert_says_all(lamina.MLPClassifier(**QUICK).fit(X, labels), X, {f"x{i}": X[:, i] for i in range(6)})


@pytest.mark.slow
def test_arrays_are_known_by_position():
    X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    X[:, 2] = 7
    X[::9, 3] = np.nan
    table = describe(lamina.MLPClassifier(**QUICK).fit(X, X[:, 0] > 0)).inputs
    assert not table.named
    assert [column.position for column in table.columns] == [0, 1, 2, 3]
    assert [*table.encoder.flags] == ["x3"]


def test_columns_that_the_network_does_not_see_keep_their_places():
    table = describe(lamina.MLPClassifier(**QUICK).fit(FRAME[:, ::-1], CLASSES)).inputs
    assert [column.name for column in table.columns] == [
        name for name in FRAME.columns[::-1] if name != "constant"
    ]
    assert [column.position for column in table.columns] == list(range(1, 8))
    assert table.width == 8


def test_a_column_says_what_it_was_in_training():
    table = describe(classifier()).inputs
    columns = {column.name: column for column in table.columns}
    assert columns["children"].schema.low == 0
    assert columns["children"].schema.high == 4
    assert columns["smokes"].is_boolean
    assert columns["smokes"].values == (0.0, 1.0)
    assert columns["smokes"].spellings["Yes"] == 2
    assert columns["color"].schema.categories == ("blue", "green", "naïve €", "red")
    assert columns["color"].values is None
    assert table.encoder.code_names == ("town",)
    assert sum(columns["town"].schema.counts) + columns["town"].schema.missing == len(FRAME)


@pytest.mark.slow
def test_categories_that_are_numbers_know_their_values():
    model = lamina.MLPClassifier(**QUICK, column_kinds={"children": "categorical"}).fit(FRAME, CLASSES)
    columns = {column.name: column for column in describe(model).inputs.columns}
    assert columns["children"].values == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert_says_all(model)


def test_a_saved_estimator_is_described_like_itself(tmp_path):
    model = classifier()
    lamina.save(model, tmp_path / "model.safetensors")
    rows = NEW.to_dict(as_series=False)
    again = evaluated(describe(tmp_path / "model.safetensors"), rows)
    np.testing.assert_array_equal(again, evaluated(describe(model), rows))


def test_a_run_on_a_table(run_on_a_table):
    from lamina.runs.run_folder import open_run

    prediction = describe(run_on_a_table)
    model, details = open_run(run_on_a_table)
    frame = NEW.drop("constant")
    assert_says_all(model.estimator, model.inputs(frame), frame.to_dict(as_series=False))
    assert prediction.target == "level"
    assert prediction.output.labels == ("high", "low", "middle")
    assert prediction.metrics["accuracy"] == details["results"]["metrics"]["lamina"]["accuracy"]
    assert set(prediction.importance) == {column.name for column in prediction.inputs.columns}
    assert describe(run_on_a_table / "model.safetensors").target == "level"


@pytest.mark.slow
def test_a_run_on_digits(run_on_digits):
    from lamina import nd
    from lamina.recipes.run import network_of_run

    prediction = describe(run_on_digits)
    images = mnist().test_images[:50].reshape(50, -1)
    wanted = nd.softmax(network_of_run(run_on_digits)(nd.array(images, dtype="uint8"))).asnumpy()
    np.testing.assert_allclose(evaluated(prediction, images), wanted, atol=1e-6)
    assert prediction.inputs.rows == [(28 * 28, np.uint8)] and not prediction.inputs.columns
    assert prediction.output.labels == tuple(range(10))
    assert prediction.metrics["test_accuracy"] > 0.5


def test_what_cannot_be_described(tmp_path):
    with pytest.raises(LaminaError, match="MLPClassifier is not fitted yet"):
        describe(lamina.MLPClassifier())
    with pytest.raises(LaminaError, match="a dict cannot be exported; give a fitted"):
        describe({})
    with pytest.raises(DataError, match="contains no run"):
        describe(tmp_path)
    with pytest.raises(DataError, match="there is no run"):
        describe(tmp_path / "absent")
