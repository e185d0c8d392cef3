"""skops writes and reads estimators with one type to trust: the estimator."""

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from lamina import MLPClassifier, MLPRegressor
from lamina.errors import DataError

skops = pytest.importorskip("skops.io", reason="NOT TESTED: files of skops (make neighbours)")

ROWS = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": np.where(np.arange(120) % 9, ROWS.normal(size=120), np.nan),
        "color": ROWS.choice(["red", "green", "blue"], 120),
        "town": ROWS.choice([f"town {i}" for i in range(20)], 120),  # embedded
    }
)
NUMBER = FRAME["size"].fillna(0).to_numpy() + (FRAME["color"] == "red")
SMALL = {"preset": "fast", "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}


def through_skops(model):
    """The copy, for which only the estimator was trusted."""
    content = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=content)
    assert unknown == [f"{type(model).__module__}.{type(model).__qualname__}"]
    return skops.loads(content, trusted=unknown)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (MLPClassifier(**SMALL, members=2, normalization="batch"), np.where(NUMBER > 0.5, "yes", "no")),
        (MLPClassifier(**SMALL, members=1, threshold="f1", class_weight="balanced"), NUMBER > 0.5),
        (MLPClassifier(**SMALL, members=1), np.stack([NUMBER > 0, NUMBER > 1], axis=1).astype(int)),
        (MLPRegressor(**SMALL, members=2, monotone={"size": 1}), NUMBER),
        (MLPRegressor(**SMALL, members=1, loss="quantile", quantile=[0.1, 0.9]), NUMBER),
        (MLPRegressor(**SMALL, members=1), np.stack([NUMBER, -NUMBER], axis=1)),
    ],
    ids=["classes", "threshold", "labels", "numbers", "quantiles", "targets"],
)
def test_a_copy_is_the_same_to_the_bit(model, y):
    model.fit(FRAME, y)
    copy = through_skops(model)
    for method in ("predict", "predict_proba", "predict_interval", "predict_set"):
        if hasattr(model, method) and not (method == "predict_set" and y.ndim == 2):
            np.testing.assert_array_equal(getattr(copy, method)(FRAME), getattr(model, method)(FRAME))
    assert copy.get_params() == model.get_params()
    assert copy.loss_curve_ == model.loss_curve_
    assert copy.fitted_.encoder.schema == model.fitted_.encoder.schema


def test_training_goes_on():
    model = MLPRegressor(**SMALL, members=1).partial_fit(FRAME, NUMBER)
    copy = through_skops(model)
    for one in (model, copy):
        one.partial_fit(FRAME, NUMBER)
    np.testing.assert_array_equal(copy.predict(FRAME), model.predict(FRAME))


@pytest.mark.slow
def test_a_search_keeps_its_trials():
    model = MLPRegressor(trials=2, random_state=0).fit(FRAME, NUMBER)
    assert through_skops(model).trials_ == model.trials_


def test_an_estimator_in_a_pipeline():
    numbers = FRAME[["size"]]
    model = make_pipeline(SimpleImputer(), MLPRegressor(**SMALL)).fit(numbers, NUMBER)
    content = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=content)
    # The other is scikit-learn's: `SimpleImputer` remembers the type of its input.
    assert unknown == ["lamina.estimators.regressor.MLPRegressor", "numpy.dtype"]
    copy = skops.loads(content, trusted=unknown)
    np.testing.assert_array_equal(copy.predict(numbers), model.predict(numbers))


@pytest.mark.parametrize("part", ["encoder", "architectures", "network", "shares", "target"])
def test_a_file_that_lacks_a_part_is_refused(part):
    state = MLPRegressor(**SMALL, members=1).fit(FRAME, NUMBER).__getstate__()
    del state["fitted_"][part]
    with pytest.raises(DataError, match=f"can't be read: .*KeyError.*{part}"):
        MLPRegressor().__setstate__(state)
