"""What scikit-learn offers around estimators works with lamina's, on frames of numbers and texts with gaps."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import DecisionBoundaryDisplay, PartialDependenceDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    TunedThresholdClassifierCV,
    cross_validate,
)
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr, get_tags

from lamina import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
ROWS = 160
FRAME = pd.DataFrame(
    {
        "size": np.where(np.arange(ROWS) % 9, RNG.normal(size=ROWS), np.nan),
        "age": RNG.integers(1, 80, ROWS).astype(float),
        "color": RNG.choice(["red", "green", "blue"], ROWS),
    }
)
NUMBER = FRAME["size"].fillna(0).to_numpy() + 2 * (FRAME["color"] == "red").to_numpy()
CLASS = np.where(NUMBER > 0.7, "yes", "no")
WEIGHT = RNG.uniform(0.5, 2, ROWS)
SMALL = {
    "preset": "fast",
    "members": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 4,
    "random_state": 0,
    "number_embedding": False,
}


@pytest.fixture(scope="module")
def classifier():
    return MLPClassifier(**{**SMALL, "max_iter": 60}).fit(FRAME, CLASS)


@pytest.fixture(scope="module")
def regressor():
    return MLPRegressor(**{**SMALL, "max_iter": 60}).fit(FRAME, NUMBER)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_tags_say_which_tables_are_taken_and_they_are(estimator):
    tags, model = get_tags(estimator()).input_tags, estimator(**SMALL)
    y = CLASS if estimator is MLPClassifier else NUMBER
    assert tags.two_d_array and tags.allow_nan and model.fit(FRAME[["size", "age"]].to_numpy(), y)
    assert tags.sparse and model.fit(sparse.csr_array(FRAME[["age"]].to_numpy()), y)
    assert tags.categorical and model.fit(FRAME.astype({"color": "category"}), y)
    assert tags.string and model.fit(pl.from_pandas(FRAME), y)
    assert not (tags.one_d_array or tags.three_d_array or tags.dict or tags.positive_only or tags.pairwise)


def test_tags_say_which_targets_are_taken_and_they_are():
    tags = get_tags(MLPRegressor())
    assert tags.estimator_type == "regressor" and tags.target_tags.required
    assert tags.target_tags.single_output and tags.target_tags.multi_output
    assert MLPRegressor(**SMALL).fit(FRAME, np.c_[NUMBER, -NUMBER]).predict(FRAME).shape == (ROWS, 2)

    tags = get_tags(MLPClassifier())
    assert tags.estimator_type == "classifier" and not tags.target_tags.multi_output
    assert tags.classifier_tags.multi_class and tags.classifier_tags.multi_label
    labels = np.c_[NUMBER > 0, NUMBER > 1].astype(int)
    assert MLPClassifier(**SMALL).fit(FRAME, labels).predict(FRAME).shape == (ROWS, 2)
    with pytest.raises(ValueError, match="1d array"):
        MLPClassifier(**SMALL).fit(FRAME, np.c_[NUMBER.round(), NUMBER.round() + 1])


# --- metadata --------------------------------------------------------------------------------------------------------


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("routing")
def test_weights_and_validation_rows_reach_the_estimator_in_a_pipeline():
    numbers = FRAME[["age"]]
    scaled = StandardScaler().set_output(transform="pandas").fit_transform(numbers)
    model = MLPRegressor(**SMALL).set_fit_request(sample_weight=True, eval_set=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False).set_output(transform="pandas")
    eval_set = (scaled[:40], NUMBER[:40])
    pipeline = make_pipeline(scaler, model).fit(numbers, NUMBER, sample_weight=WEIGHT, eval_set=eval_set)
    alone = MLPRegressor(**SMALL).fit(scaled, NUMBER, sample_weight=WEIGHT, eval_set=eval_set)
    np.testing.assert_array_equal(pipeline.predict(numbers), alone.predict(scaled))
    assert pipeline[-1].validation_scores_ == alone.validation_scores_
    other = MLPRegressor(**SMALL).fit(scaled, NUMBER, eval_set=eval_set)
    assert not np.array_equal(pipeline.predict(numbers), other.predict(scaled))


@pytest.mark.slow
@pytest.mark.usefixtures("routing")
def test_a_search_routes_weights_groups_and_validation_rows():
    seen = []

    class Watched(MLPClassifier):
        def fit(self, X, y, sample_weight=None, eval_set=None, *, groups=None):
            seen.append((len(X), sample_weight, eval_set, groups))
            return super().fit(X, y, sample_weight, eval_set, groups=groups)

    model = Watched(**SMALL).set_fit_request(sample_weight=True, eval_set=True, groups=True)
    model.set_score_request(sample_weight=True)
    rows = (FRAME[:30], CLASS[:30])
    groups = np.arange(ROWS) % 4
    search = GridSearchCV(model, {"dropout": [0.0, 0.2]}, cv=GroupKFold(2))
    search.fit(FRAME, CLASS, sample_weight=WEIGHT, groups=groups, eval_set=rows)
    assert [count for count, *_ in seen] == [ROWS // 2] * 4 + [ROWS]
    assert all(len(weights) == count and one is rows for count, weights, one, _ in seen)
    assert [len(set(groups)) for *_, groups in seen] == [2] * 4 + [4]
    score = search.score(FRAME, CLASS, sample_weight=WEIGHT)
    assert score == search.best_estimator_.score(FRAME, CLASS, sample_weight=WEIGHT)


@pytest.mark.usefixtures("routing")
def test_metadata_that_was_not_requested_is_refused():
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="eval_set"):
        cross_validate(MLPClassifier(**SMALL), FRAME, CLASS, params={"eval_set": (FRAME, CLASS)})


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_what_transforms_gives_named_frames(regressor, kind):
    model = Pipeline([("network", regressor)]).set_output(transform=kind)
    hidden = model.transform(FRAME)
    assert type(hidden).__module__.startswith(kind)
    assert list(hidden.columns) == list(regressor.get_feature_names_out())
    plain = model.set_output(transform="default").transform(FRAME)
    np.testing.assert_array_equal(np.asarray(hidden), plain)


def test_html_shows_settings_and_what_was_learned(classifier):
    html = estimator_html_repr(make_pipeline(classifier))
    assert "MLPClassifier" in html and "hidden_layer_sizes" in html
    html = classifier._repr_html_()
    assert "Learning curves" in html and "color" in html


# --- searches --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_halving_by_rows_and_by_epochs():
    search = HalvingGridSearchCV(
        MLPClassifier(**SMALL), {"dropout": [0.0, 0.1, 0.2]}, cv=2, min_resources=40, random_state=0
    )
    assert search.fit(FRAME, CLASS).best_params_["dropout"] in (0.0, 0.1, 0.2)
    search = HalvingRandomSearchCV(
        MLPRegressor(**SMALL), {"alpha": [0.0, 0.1, 0.2]}, cv=2, n_candidates=3,
        resource="max_iter", min_resources=1, max_resources=3, random_state=0,
    )  # fmt: skip
    assert search.fit(FRAME, NUMBER).best_estimator_.n_iter_ <= 3
    assert search.n_resources_ == [1, 3]


# --- what is built on a classifier -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_of_a_fitted_classifier(classifier, method):
    found = CalibratedClassifierCV(FrozenEstimator(classifier), method=method).fit(FRAME, CLASS)
    np.testing.assert_allclose(found.predict_proba(FRAME).sum(axis=1), 1)
    assert found.score(FRAME, CLASS) > 0.8


@pytest.mark.slow
def test_thresholds(classifier):
    tuned = TunedThresholdClassifierCV(classifier, cv="prefit", refit=False, scoring="balanced_accuracy")
    tuned.fit(FRAME, CLASS)
    expected = classifier.predict_proba(FRAME)[:, 1] >= tuned.best_threshold_
    np.testing.assert_array_equal(tuned.predict(FRAME) == "yes", expected)
    fixed = FixedThresholdClassifier(FrozenEstimator(classifier), threshold=0.9).fit(FRAME, CLASS)
    np.testing.assert_array_equal(fixed.predict(FRAME) == "yes", classifier.predict_proba(FRAME)[:, 1] >= 0.9)
    inner = TunedThresholdClassifierCV(MLPClassifier(**SMALL), cv=2).fit(FRAME, CLASS)
    assert 0 <= inner.best_threshold_ <= 1


@pytest.mark.slow
def test_stacking_and_voting():
    networks = [("a", MLPClassifier(**SMALL)), ("b", MLPClassifier(**{**SMALL, "dropout": 0.3}))]
    stacked = StackingClassifier(networks, LogisticRegression(), cv=2).fit(FRAME, CLASS)
    assert stacked.transform(FRAME).shape == (ROWS, 2)
    assert set(stacked.predict(FRAME)) <= {"yes", "no"}
    voted = VotingClassifier(networks, voting="soft").fit(FRAME, CLASS)
    mean = np.mean([one.predict_proba(FRAME) for one in voted.estimators_], axis=0)
    np.testing.assert_allclose(voted.predict_proba(FRAME), mean)
    numbers = [("a", MLPRegressor(**SMALL))]
    assert StackingRegressor(numbers, Ridge(), cv=2).fit(FRAME, NUMBER).predict(FRAME).shape == (ROWS,)


# --- several outputs -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_chains_and_one_model_an_output():
    numbers, labels = np.c_[NUMBER, -NUMBER], np.c_[NUMBER > 0, NUMBER > 1].astype(int)
    table = FRAME[["size", "age"]].fillna(0).to_numpy()  # chains themselves take no gaps
    chain = RegressorChain(MLPRegressor(**SMALL)).fit(table, numbers)
    assert chain.predict(table).shape == (ROWS, 2)
    chain = ClassifierChain(MLPClassifier(**SMALL)).fit(table, labels)
    assert chain.predict_proba(table).shape == (ROWS, 2)
    apart = MultiOutputRegressor(MLPRegressor(**SMALL)).fit(FRAME, numbers)
    alone = MLPRegressor(**SMALL).fit(FRAME, NUMBER)
    np.testing.assert_array_equal(apart.predict(FRAME)[:, 0], alone.predict(FRAME))
    classes = np.c_[CLASS, FRAME["color"]]
    found = MultiOutputClassifier(MLPClassifier(**SMALL)).fit(FRAME, classes)
    assert [set(one) for one in found.classes_] == [{"yes", "no"}, {"red", "green", "blue"}]
    assert found.predict(FRAME).shape == (ROWS, 2)


# --- inspection ------------------------------------------------------------------------------------------------------


def test_permutation_importance_finds_the_columns_that_count(classifier):
    found = permutation_importance(
        classifier, FRAME, CLASS, n_repeats=5, random_state=0, scoring="neg_log_loss"
    )
    size, age, color = found.importances_mean
    assert min(size, color) > max(age, 0.02)


@pytest.mark.slow
@pytest.mark.pictures
def test_partial_dependence_of_numbers_categories_and_pairs(regressor):
    display = PartialDependenceDisplay.from_estimator(
        regressor, FRAME.assign(size=FRAME["size"].fillna(0)), ["age", "color", ("age", "size")],
        categorical_features=["color"], grid_resolution=5,
    )  # fmt: skip
    _, color, pair = display.pd_results
    by_color = dict(zip(color["grid_values"][0], color["average"][0], strict=True))
    assert by_color["red"] > max(by_color["green"], by_color["blue"]) + 0.5
    assert pair["average"].shape == (1, 5, 5)


@pytest.mark.slow
@pytest.mark.pictures
def test_boundaries_and_selected_columns(classifier):
    numbers = FRAME[["size", "age"]].fillna(0)
    model = MLPClassifier(**SMALL).fit(numbers, CLASS)
    display = DecisionBoundaryDisplay.from_estimator(
        model, numbers, response_method="predict_proba", grid_resolution=5
    )
    assert display.response.shape == (5, 5)
    selector = SequentialFeatureSelector(MLPRegressor(**SMALL), n_features_to_select=1, cv=2)
    assert list(selector.fit(numbers, NUMBER).get_feature_names_out()) in (["size"], ["age"])
