"""Values of metrics against scikit-learn and SciPy, in one batch and in uneven ones, as any kind of array."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

import lamina as mx
from lamina import metric, nd

RNG = np.random.default_rng(3)
CLASSES = RNG.integers(0, 5, 97)
SCORES = RNG.normal(size=(97, 5)).astype(np.float32)
SCORES[np.arange(60), CLASSES[:60]] += 2
PROBABILITIES = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)
DECISIONS = RNG.integers(0, 2, 97)
TWO = np.stack([RNG.random(97), RNG.random(97) + 0.5 * DECISIONS], 1)
TRUTH = RNG.normal(5, 2, 97).astype(np.float32)
GUESS = (TRUTH + RNG.normal(size=97)).astype(np.float32)

Oracle = Callable[[np.ndarray, np.ndarray], float]

CASES: dict[str, tuple[metric.EvalMetric, np.ndarray, np.ndarray, Oracle]] = {
    "accuracy": (metric.Accuracy(), CLASSES, SCORES, lambda y, p: sk.accuracy_score(y, p.argmax(1))),
    "accuracy of classes": (metric.Accuracy(), CLASSES, SCORES.argmax(1), sk.accuracy_score),
    "top 1": (
        metric.TopKAccuracy(1),
        CLASSES,
        SCORES,
        lambda y, p: sk.top_k_accuracy_score(y, p, k=1, labels=range(5)),
    ),
    "top 3": (
        metric.TopKAccuracy(top_k=3),
        CLASSES,
        SCORES,
        lambda y, p: sk.top_k_accuracy_score(y, p, k=3, labels=range(5)),
    ),
    "f1": (metric.F1(average="micro"), DECISIONS, TWO, lambda y, p: sk.f1_score(y, p.argmax(1))),
    "mcc": (metric.MCC(average="micro"), DECISIONS, TWO, lambda y, p: sk.matthews_corrcoef(y, p.argmax(1))),
    "cross-entropy": (
        metric.CrossEntropy(),
        CLASSES,
        PROBABILITIES,
        lambda y, p: sk.log_loss(y, p.astype(np.float64) / p.astype(np.float64).sum(1, keepdims=True)),
    ),
    "nll": (metric.NegativeLogLikelihood(), CLASSES, PROBABILITIES, sk.log_loss),
    "perplexity": (metric.Perplexity(), CLASSES, PROBABILITIES, lambda y, p: np.exp(sk.log_loss(y, p))),
    "mae": (metric.MAE(), TRUTH, GUESS, sk.mean_absolute_error),
    "mse": (metric.MSE(), TRUTH, GUESS, sk.mean_squared_error),
    "rmse": (metric.RMSE(), TRUTH, GUESS, sk.root_mean_squared_error),
    "pearson": (
        metric.PearsonCorrelation(average="micro"),
        TRUTH,
        GUESS,
        lambda y, p: stats.pearsonr(y, p).statistic,
    ),
}


@pytest.mark.filterwarnings("ignore:The y_pred values do not sum to one")
@pytest.mark.parametrize("kind", [np.asarray, nd.array, list])
@pytest.mark.parametrize("batch", [97, 10])
@pytest.mark.parametrize("case", CASES)
def test_against_an_oracle(case: str, batch: int, kind: Callable[[Any], Any]) -> None:
    measured, labels, predictions, oracle = CASES[case]
    measured.reset()
    for i in range(0, 97, batch):
        label, pred = labels[i : i + batch], predictions[i : i + batch]
        if kind is list:
            measured.update([nd.array(label)], [nd.array(pred)])
        else:
            measured.update(kind(label), kind(pred))
    name, value = measured.get()
    assert isinstance(name, str)
    parts = [slice(0, 97)]
    if case in ("mae", "mse", "rmse"):  # the mean of the batches' values, as in MXNet
        parts = [slice(i, i + batch) for i in range(0, 97, batch)]
    wanted = np.mean([oracle(labels[part], predictions[part]) for part in parts])
    assert value == measured.get_global()[1] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("macro", "oracle"),
    [
        (metric.F1(), lambda y, p: sk.f1_score(y, p.argmax(1))),
        (metric.MCC(), lambda y, p: sk.matthews_corrcoef(y, p.argmax(1))),
    ],
)
def test_macro_is_the_mean_of_the_batches(macro: metric.EvalMetric, oracle: Oracle) -> None:
    batches = [slice(0, 30), slice(30, 97)]
    for part in batches:
        macro.update(DECISIONS[part], TWO[part])
    assert macro.get()[1] == pytest.approx(np.mean([oracle(DECISIONS[part], TWO[part]) for part in batches]))


def test_pearson_macro() -> None:
    measured = metric.PearsonCorrelation()
    batches = [slice(0, 30), slice(30, 97)]
    for part in batches:
        measured.update(TRUTH[part], GUESS[part])
    wanted = np.mean([stats.pearsonr(TRUTH[part], GUESS[part]).statistic for part in batches])
    assert measured.get()[1] == pytest.approx(wanted)


def test_pearson_goes_on_from_a_pickle_that_calls_its_summaries_moments() -> None:
    judge = metric.PearsonCorrelation(average="micro")
    judge.update([np.arange(4.0)], [np.array([0.0, 1.0, 3.0, 2.0])])
    earlier = object.__new__(metric.PearsonCorrelation)
    earlier.__setstate__({name.replace("counts", "moments"): x for name, x in vars(judge).items()})
    for each in (judge, earlier):
        each.update([np.arange(3.0)], [np.array([0.0, 2.0, 1.0])])
    assert earlier.get() == judge.get() != ("pearsonr", 0.0)


def test_pearson_is_stable_for_numbers_far_from_zero() -> None:
    x = 1e8 + np.arange(50.0)
    measured = metric.PearsonCorrelation(average="micro")
    for part in (x[:20], x[20:]):
        measured.update(part, 2 * part)
    assert measured.get()[1] == pytest.approx(1.0, rel=1e-9)


def test_undefined_values_are_as_scikit_learns() -> None:
    for measured in (metric.F1(), metric.MCC()):
        measured.update(np.zeros(4), np.zeros(4))
        assert measured.get()[1] == 0.0
    constant = metric.PearsonCorrelation()
    constant.update(np.ones(4), np.arange(4.0))
    assert np.isnan(constant.get()[1])


def test_perplexity_ignores_a_label() -> None:
    measured = metric.Perplexity(ignore_label=-1)
    label = np.where(np.arange(97) % 3 == 0, -1, CLASSES)
    measured.update(label, PROBABILITIES)
    kept = label != -1
    wanted = np.exp(-np.log(PROBABILITIES[kept, CLASSES[kept]]).mean())
    assert measured.get()[1] == pytest.approx(wanted, rel=1e-5)


def test_perplexity_of_a_sure_error_is_finite_and_huge_means_are_infinite() -> None:
    measured = metric.Perplexity()
    measured.update(np.array([1]), np.array([[1.0, 0.0]]))
    assert measured.get()[1] == pytest.approx(1e10)
    assert np.isnan(metric.Perplexity().get()[1])


def test_accuracy_along_another_axis() -> None:
    measured = metric.Accuracy(axis=2)
    measured.update(CLASSES[:96].reshape(4, 24), SCORES[:96].reshape(4, 24, 5))
    assert measured.get()[1] == pytest.approx(sk.accuracy_score(CLASSES[:96], SCORES[:96].argmax(1)))


def test_loss() -> None:
    measured = metric.Loss()
    measured.update(None, nd.array([1.0, 2.0]))
    measured.update(None, [nd.array([6.0])])
    assert measured.get() == ("loss", 3.0)


def test_through_a_training_loop_of_nd_arrays() -> None:
    accuracy = mx.metric.create("acc")
    accuracy.update([nd.array([1, 0])], [nd.array([[0.1, 0.9], [0.2, 0.8]])])
    assert accuracy.get() == ("accuracy", 0.5)


def test_pcc_is_the_correlation_for_many_classes() -> None:
    measured = metric.PCC()
    for part in (slice(0, 40), slice(40, 97)):
        measured.update(CLASSES[part], SCORES[part])
    assert measured.get()[1] == pytest.approx(sk.matthews_corrcoef(CLASSES, SCORES.argmax(1)))


@pytest.mark.parametrize("case", CASES)
def test_local_and_global_values(case: str) -> None:
    measured, labels, predictions, _ = CASES[case]
    measured.reset()
    values = []
    for part in (slice(0, 50), slice(50, 97)):
        measured.reset_local()
        measured.update(labels[part], predictions[part])
        values.append(measured.get()[1])
    alone = metric.create(measured.get_config())
    alone.update(labels[50:], predictions[50:])
    assert values[1] == alone.get()[1] != measured.get_global()[1]
    alone.reset()
    for part in (slice(0, 50), slice(50, 97)):
        alone.update(labels[part], predictions[part])
    assert measured.get_global_name_value() == alone.get_name_value()
    measured.reset()
    assert np.isnan(measured.get_global()[1])


@pytest.mark.parametrize("case", CASES)
def test_a_metric_is_made_of_its_description(case: str) -> None:
    described = CASES[case][0].get_config()
    assert metric.create(json.dumps(described)).get_config() == described
