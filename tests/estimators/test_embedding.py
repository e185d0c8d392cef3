"""`transform`: what the last hidden layers make of a row."""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lamina import MLPClassifier, MLPRegressor

SMALL = {
    "preset": "fast",
    "members": 2,
    "number_pieces": 0,
    "hidden_layer_sizes": (12, 6),
    "max_iter": 3,
    "random_state": 0,
}
rng = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {"x": rng.normal(size=300), "gap": [None if i % 7 == 0 else float(i) for i in range(300)],
     "city": [f"city {i % 12}" for i in range(300)]}
)  # fmt: skip
Y = FRAME["x"].to_numpy() + np.arange(300) % 12


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {"members": 3, "normalization": "batch"},
        {"preset": "realmlp", "number_pieces": None},
        pytest.param({"hidden_layer_sizes": ()}, marks=pytest.mark.slow),
        pytest.param({}, marks=pytest.mark.slow),
    ],
)
def test_the_last_layer_makes_outputs_of_it(asked):
    model = MLPRegressor(**SMALL | asked, linear_path=False).fit(FRAME, Y)
    found = model.transform(FRAME)
    members = model.fitted_.network.members
    width = model.fitted_.layers[-2]
    assert found.dtype == np.float32 and found.shape == (300, width * len(members))
    last = len(members[0].architecture.hidden)
    parts = zip(np.split(found, len(members), axis=1), members, strict=True)
    outputs = [part @ one.multiplier(last) + one[f"bias{last}"].asnumpy() for part, one in parts]
    np.testing.assert_allclose(
        np.mean(outputs, axis=0), model.fitted_.outputs(model.fitted_.encode(FRAME)), rtol=1e-4, atol=1e-4
    )
    assert len(model.get_feature_names_out()) == found.shape[1]


@pytest.mark.slow
def test_it_is_a_step_of_a_pipeline_and_gives_frames():
    steps = make_pipeline(MLPClassifier(**SMALL), LogisticRegression())
    steps.fit(FRAME, Y > 6)
    assert steps.score(FRAME, Y > 6) > 0.6
    frame = steps[0].set_output(transform="polars").transform(FRAME)
    assert frame.columns[:2] == ["mlpclassifier0", "mlpclassifier1"]


@pytest.mark.slow
def test_rows_in_any_number_and_a_source_give_the_same_bits():
    model = MLPClassifier(**SMALL).fit(FRAME, Y > 6)
    whole = model.transform(FRAME)
    np.testing.assert_array_equal(model.transform(FRAME[10:30]), whole[10:30])
    np.testing.assert_array_equal(model.transform(FRAME.lazy()), whole)
    assert model.transform(FRAME[:0]).shape == (0, whole.shape[1])


@pytest.mark.slow
def test_classes_weights_and_several_outputs():
    labels = np.stack([Y > 4, Y > 8], axis=1).astype(int)
    model = MLPClassifier(**SMALL).fit(FRAME, labels, sample_weight=np.linspace(1, 2, 300))
    assert model.transform(FRAME).shape == (300, 12)
    balanced = MLPClassifier(**SMALL, class_weight="balanced").fit(FRAME, Y > 10)
    assert balanced.transform(FRAME).shape == (300, 12)
    assert balanced.predict_set(FRAME).any(axis=1).all()
    assert balanced.predict_proba(FRAME, return_std=True)[1].shape == (300, 2)
