"""A threshold decides between two classes: against scikit-learn's estimators and metrics."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

import lamina
from lamina.estimators.meaning import best_threshold

METRICS = {"f1": f1_score, "balanced": balanced_accuracy_score}
QUICK = {
    "preset": "fast",
    "members": 2,
    "number_embedding": False,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def rare():
    """Rows of which one in twenty is of the class 1; some to train on, others to validate on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] + rng.normal(size=len(X)) > 2.9).astype(int)
    assert 0.03 < y.mean() < 0.07
    return (X[:1000], y[:1000]), (X[1000:], y[1000:])


def texts(y):
    """Classes whose rare one is the first by alphabet."""
    return np.where(y == 1, "fraud", "legitimate")


rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20), st.sampled_from([0.5, 1.0, 3.0])), min_size=2, max_size=40
).filter(lambda rows: len({is_positive for is_positive, _, _ in rows}) == 2)


@given(rows=rows, criterion=st.sampled_from(sorted(METRICS)), weighted=st.booleans())
def test_no_other_threshold_is_better(rows, criterion, weighted):
    is_positive, probability, weights = map(np.array, zip(*rows, strict=True))
    probability, weights = probability / 20, weights if weighted else None
    found = best_threshold(criterion, is_positive, probability, weights)
    if not probability.any():
        assert found is None
        return
    threshold, score = found

    def scored(cut):
        return METRICS[criterion](is_positive, probability >= cut, sample_weight=weights)

    assert 0 < threshold < 1
    assert score == pytest.approx(scored(threshold))
    cuts = np.unique(
        probability[probability > 0]
    )  # all that decide differently; above, no row would be positive
    assert score >= max(map(scored, cuts)) - 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("criterion", METRICS)
def test_chosen_as_scikit_learn_chooses(rare, criterion):
    train, (X, y) = rare
    model = lamina.MLPClassifier(**QUICK, threshold=criterion).fit(*train, eval_set=(X, y))
    plain = lamina.MLPClassifier(**QUICK).fit(*train, eval_set=(X, y))
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    tuned = TunedThresholdClassifierCV(
        FrozenEstimator(plain),
        scoring=make_scorer(METRICS[criterion]),
        thresholds=np.unique(plain.predict_proba(X)[:, 1]),
        response_method="predict_proba",
        cv="prefit",
        refit=False,
    ).fit(X, y)
    assert METRICS[criterion](y, model.predict(X)) == pytest.approx(tuned.best_score_)
    assert METRICS[criterion](y, model.predict(X)) > METRICS[criterion](y, plain.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize("is_text", [False, True])
def test_decides_as_a_fixed_threshold_of_scikit_learn(rare, is_text):
    (X, y), (new, _) = rare
    y, positive = (texts(y), "fraud") if is_text else (y, 1)
    model = lamina.MLPClassifier(**QUICK, threshold=0.07).fit(X, y)
    assert (model.threshold_, model.positive_class_) == (0.07, positive)
    plain = lamina.MLPClassifier(**QUICK).fit(X, y)
    assert (plain.threshold_, plain.positive_class_) == (None, positive)
    fixed = FixedThresholdClassifier(
        FrozenEstimator(plain), threshold=0.07, pos_label=positive, response_method="predict_proba"
    ).fit(X, y)
    found = model.predict(new)
    np.testing.assert_array_equal(found, fixed.predict(new))
    assert np.any(found != plain.predict(new))


def test_kept_by_files_and_pickles(rare, tmp_path):
    (X, y), (new, _) = rare
    model = lamina.MLPClassifier(**QUICK, threshold="f1").fit(X, texts(y))
    lamina.save(model, tmp_path / "model.safetensors")
    for again in (lamina.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert (again.threshold, again.threshold_) == ("f1", model.threshold_)
        assert again.positive_class_ == "fraud"
        np.testing.assert_array_equal(again.predict(new), model.predict(new))


@pytest.mark.slow
def test_a_search_chooses_one_too(rare):
    (X, y), _ = rare
    model = lamina.MLPClassifier(
        trials=2, members=2, hidden_layer_sizes=8, batch_size=64, random_state=0, threshold="f1"
    )
    model.fit(X, y)
    assert model.threshold_ is not None
    assert f1_score(y, model.predict(X)) > f1_score(y, model.predict_proba(X)[:, 1] > 0.5)


def test_streamed_rows_have_the_same_threshold(rare):
    import pyarrow as pa
    import pyarrow.dataset as ds

    (X, y), (new, truth) = rare
    frame = pa.table({f"x{i}": X[:, i] for i in range(4)} | {"y": texts(y)})
    later = pa.table({f"x{i}": new[:, i] for i in range(4)})
    model = lamina.MLPClassifier(**QUICK, threshold="f1")
    model.fit(ds.dataset(frame), "y", eval_set=(later, texts(truth)))
    found = best_threshold("f1", truth == 1, model.predict_proba(later)[:, 0])
    assert (model.positive_class_, model.threshold_) == ("fraud", pytest.approx(found[0]))


def test_partial_fit_has_a_number(rare):
    (X, y), _ = rare
    model = lamina.MLPClassifier(**QUICK, threshold=0.2).partial_fit(X, y, classes=[0, 1])
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X)[:, 1] >= 0.2)
    with pytest.raises(ValueError, match="threshold='f1' is chosen on validation rows, but there are none"):
        lamina.MLPClassifier(**QUICK, threshold="f1").partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize(
    "settings, target, message",
    [
        ({"threshold": "f2"}, 2, "threshold must be 'f1' or 'balanced', .* not 'f2'"),
        ({"threshold": 1.0}, 2, "a number between 0 and 1, not 1.0"),
        ({"threshold": True}, 2, "a number between 0 and 1, not True"),
        ({"threshold": 0.3}, 3, "threshold=0.3 decides between two classes, but the target has 3 classes"),
        ({"threshold": "f1"}, "labels", "between two classes, but the target has several labels a row"),
        (
            {"threshold": "f1", "early_stopping": False},
            2,
            "is chosen on validation rows, but there are none",
        ),
    ],
)
def test_what_cannot_be(rare, settings, target, message):
    (X, _), _ = rare
    y = (X[:, :2] > 0).astype(int) if target == "labels" else np.arange(len(X)) % target
    with pytest.raises(ValueError, match=message):
        lamina.MLPClassifier(**QUICK | settings).fit(X, y)


def test_rows_of_one_class_choose_none(rare):
    train, (X, y) = rare
    with pytest.warns(UserWarning, match="the validation rows are all of one class"):
        model = lamina.MLPClassifier(**QUICK, threshold="f1").fit(*train, eval_set=(X[y == 0], y[y == 0]))
    assert model.threshold_ is None


# --- class weights and scores ----------------------------------------------------------------------------------------


def test_class_weights_are_those_of_validation_too(rare):
    """Or a network that is to call rare rows out would be judged, and calibrated, as if it were not."""
    train, (X, y) = rare
    weights = {0: 1.0, 1: 20.0}
    model = lamina.MLPClassifier(**QUICK, class_weight=weights).fit(*train, eval_set=(X, y))
    by_row = np.where(y == 1, 20.0, 1.0)
    expected = -log_loss(y, model.predict_proba(X), sample_weight=by_row)
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-5)


def test_sets_promise_what_they_hold_of_rows_as_they_are(rare):
    train, (X, y) = rare
    model = lamina.MLPClassifier(**QUICK, class_weight="balanced").fit(*train, eval_set=(X, y))
    sets = model.predict_set(X, coverage=0.9)
    assert np.mean(sets[np.arange(len(y)), y]) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("threshold", [None, 0.3, "f1"])
def test_a_score_counts_rows_as_they_are_and_as_they_are_predicted(rare, threshold):
    train, (X, y) = rare
    model = lamina.MLPClassifier(**QUICK, class_weight="balanced", scoring="f1", threshold=threshold)
    model.fit(*train, eval_set=(X, y))
    assert model.best_validation_score_ == pytest.approx(f1_score(y, model.predict(X)))


def test_a_score_of_texts_is_of_the_positive_class(rare):
    (X, y), (new, truth) = rare
    model = lamina.MLPClassifier(**QUICK, scoring="f1", threshold=0.2)
    model.fit(X, texts(y), eval_set=(new, texts(truth)))
    expected = f1_score(texts(truth), model.predict(new), pos_label="fraud")
    assert model.best_validation_score_ == pytest.approx(expected)


def test_a_score_that_does_not_fit_says_so(rare):
    (X, _), _ = rare
    model = lamina.MLPClassifier(**QUICK, scoring="f1")
    with pytest.raises(ValueError, match="scoring 'f1' does not fit this target: Target is multiclass"):
        model.fit(X, np.arange(len(X)) % 3)
