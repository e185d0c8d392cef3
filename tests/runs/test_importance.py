"""Permutation importance against scikit-learn's, and what its intervals hold."""

import numpy as np
import pytest
from sklearn.inspection import permutation_importance as oracle

from lamina.runs.evaluation import measure, permutation_importance


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "scoring"), [("number", "neg_root_mean_squared_error"), ("name", "neg_log_loss")]
)
def test_as_scikit_learn_finds_it(trained_on, target, scoring):
    _, prepared, trained = trained_on(target)
    part = prepared.test
    found = permutation_importance(trained.model, part)
    assert [one.column for one in found][:2] == ["strong", "weak"]
    wanted = part.target if target == "number" else trained.model.estimator.classes_[part.target]
    inputs = trained.model.inputs(part.frame).to_pandas()
    expected = oracle(trained.model.estimator, inputs, wanted, scoring=scoring, n_repeats=30, random_state=1)
    means = dict(zip(inputs.columns, expected.importances_mean, strict=True))
    for one in found:
        mean = means.pop(one.column)
        assert one.low <= mean <= one.high
        # With all rows drawn, only the shuffles differ, and the interval is over rows too.
        assert abs(one.mean - mean) < (one.high - one.low) / 2
    assert set(means.values()) == {0}  # the column that was left out


@pytest.mark.slow
def test_intervals_tell_what_matters(trained_on):
    _, prepared, trained = trained_on("number")
    found = {one.column: one for one in permutation_importance(trained.model, prepared.test)}
    assert found["strong"].low > 0 and found["weak"].low > 0
    assert found["noise"].low < 0.05 * found["strong"].mean


@pytest.mark.slow
def test_the_interval_is_as_wide_as_the_estimate_varies(trained_on):
    """Over many samples of rows, the mean varies as the interval of one sample says."""
    _, prepared, trained = trained_on("name")
    rng = np.random.default_rng(0)
    part = prepared.train
    means, errors = [], []
    for seed in range(60):
        rows = rng.choice(len(part), 150)
        sample = type(part)(part.frame[rows], part.target[rows], part.places, part.numbers[rows])
        one = next(i for i in permutation_importance(trained.model, sample, seed) if i.column == "strong")
        means.append(one.mean)
        errors.append((one.high - one.low) / (2 * 1.96))
    assert np.std(means) == pytest.approx(np.mean(errors), rel=0.25)


def test_no_rows_no_importance(trained_on):
    _, prepared, trained = trained_on("name")
    part = prepared.test
    empty = type(part)(part.frame[:0], part.target[:0], part.places, part.numbers[:0])
    assert permutation_importance(trained.model, empty) == []


@pytest.mark.pictures
def test_it_is_that_of_the_estimator(trained_on):
    _, prepared, trained = trained_on("number")
    part = measure(trained.model, prepared).rows
    inputs = trained.model.inputs(part.frame)
    found = trained.model.estimator.plot_importance(inputs, part.target).importances
    assert found == permutation_importance(trained.model, part)
