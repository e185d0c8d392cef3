"""Losses against MXNet 1.9's formulas in NumPy, and their gradients against finite differences in float64."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, gammaln, log_softmax

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError
from lamina.gluon import loss as losses

rng = np.random.default_rng(2)
PRED = rng.normal(size=(4, 3))
REAL = rng.normal(size=(4, 3))
SIGN = rng.choice([-1.0, 1.0], size=(4, 3))
BINARY = (SIGN + 1) / 2
PROBABILITY = np.exp(log_softmax(rng.normal(size=(4, 3)), axis=1))
CLASSES = np.array([2.0, 0, 1, 1])
COUNTS = rng.poisson(3, size=(4, 3)).astype(float)
POSITIVE = np.exp(PRED)


def huber(p, y, rho=1.0):
    d = np.abs(y - p)
    return np.where(d > rho, d - rho / 2, d**2 / (2 * rho))


def cross_entropy(p, y):
    return -np.take_along_axis(log_softmax(p, axis=1), y[:, None].astype(int), axis=1)


def bce(p, y, weight=1.0):
    return -(weight * y * np.log(expit(p)) + (1 - y) * np.log(1 - expit(p)))


def bce_from_sigmoid(p, y):
    return -(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))


CASES = {  # name: loss, prediction, label, the loss of each element
    "L2": (losses.L2Loss(), PRED, REAL, lambda p, y: (p - y) ** 2 / 2),
    "L2 weighted": (losses.L2Loss(weight=3), PRED, REAL, lambda p, y: 3 * (p - y) ** 2 / 2),
    "L1": (losses.L1Loss(), PRED, REAL, lambda p, y: np.abs(p - y)),
    "sigmoid": (losses.SigmoidBCELoss(), PRED, BINARY, bce),
    "from sigmoid": (losses.SigmoidBCELoss(from_sigmoid=True), expit(PRED), BINARY, bce_from_sigmoid),
    "softmax": (losses.SoftmaxCELoss(), PRED, CLASSES, cross_entropy),
    "softmax of logits": (
        losses.SoftmaxCELoss(from_logits=True),
        log_softmax(PRED, axis=1),
        CLASSES,
        lambda p, y: -np.take_along_axis(p, y[:, None].astype(int), axis=1),
    ),
    "softmax dense": (
        losses.SoftmaxCELoss(sparse_label=False),
        PRED,
        PROBABILITY,
        lambda p, y: -(y * log_softmax(p, axis=1)).sum(1, keepdims=True),
    ),
    "KL of logits": (
        losses.KLDivLoss(),
        PRED,
        PROBABILITY,
        lambda p, y: (y * (np.log(y + 1e-12) - p)).sum(1, keepdims=True),
    ),
    "KL": (
        losses.KLDivLoss(from_logits=False),
        PRED,
        PROBABILITY,
        lambda p, y: (y * (np.log(y + 1e-12) - log_softmax(p, axis=1))).sum(1, keepdims=True),
    ),
    "Huber": (losses.HuberLoss(), PRED, 2 * REAL, huber),
    "Huber of 0.5": (losses.HuberLoss(rho=0.5), PRED, REAL, lambda p, y: huber(p, y, 0.5)),
    "hinge": (losses.HingeLoss(), PRED, SIGN, lambda p, y: np.maximum(0, 1 - p * y)),
    "squared hinge": (
        losses.SquaredHingeLoss(margin=2),
        PRED,
        SIGN,
        lambda p, y: np.maximum(0, 2 - p * y) ** 2,
    ),
    "logistic": (losses.LogisticLoss(), PRED, SIGN, lambda p, y: np.log1p(np.exp(-p * y))),
    "logistic binary": (losses.LogisticLoss(label_format="binary"), PRED, BINARY, bce),
}


def f64(x):
    return nd.array(x, dtype="float64")


def with_gradient(loss, pred, *others):
    """The loss and the gradient of its sum by the prediction."""
    x = f64(pred)
    x.attach_grad()
    with autograd.record():
        y = loss(x, *map(f64, others))
    y.backward()
    return y.asnumpy(), x.grad.asnumpy()


def slope(function, x):
    """Central differences of a function of an array."""
    result = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        result[i] = (function(up) - function(down)) / 2e-6
    return result


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name):
    loss, pred, label, formula = CASES[name]
    value, gradient = with_gradient(loss, pred, label)
    np.testing.assert_allclose(value, formula(pred, label).mean(1), rtol=1e-9)
    assert value.shape == (4,)
    expected = slope(lambda p: formula(p, label).mean(1).sum(), pred)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_sample_weight_broadcasts(name):
    loss, pred, label, formula = CASES[name]
    weight = np.array([[0.0], [1], [2], [3]])
    value = loss(f64(pred), f64(label), f64(weight)).asnumpy()
    np.testing.assert_allclose(value, (formula(pred, label) * weight).mean(1), rtol=1e-9)


@pytest.mark.parametrize("name", [n for n in CASES if "softmax" not in n])
def test_labels_take_the_shape_of_the_prediction(name):
    loss, pred, label, formula = CASES[name]
    value = loss(f64(pred), f64(label.ravel())).asnumpy()
    np.testing.assert_allclose(value, formula(pred, label).mean(1), rtol=1e-9)
    with pytest.raises(
        ShapeError, match=r"a label of shape \(11,\) does not fit a prediction of shape \(4, 3\)"
    ):
        loss(f64(pred), f64(label.ravel()[:-1]))


def test_class_numbers_that_do_not_fit_and_one_hot_labels():
    for label in (f64(CLASSES[:3]), f64(BINARY)):
        with pytest.raises(
            ShapeError, match=r"SoftmaxCrossEntropyLoss: class numbers of shape .* sparse_label=False"
        ):
            losses.SoftmaxCrossEntropyLoss()(f64(PRED), label)


def test_another_batch_axis():
    value = losses.L2Loss(batch_axis=1)(f64(PRED), f64(REAL)).asnumpy()
    np.testing.assert_allclose(value, ((PRED - REAL) ** 2 / 2).mean(0))
    cubes, classes = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 4, size=(2, 3, 5))
    value = losses.SoftmaxCELoss(axis=2)(f64(cubes), f64(classes)).asnumpy()
    log_p = np.take_along_axis(log_softmax(cubes, axis=2), classes[:, :, None], axis=2)
    np.testing.assert_allclose(value, -log_p.mean((1, 2, 3)))


def test_labels_of_any_number_type_choose_classes():
    loss, expected = losses.SoftmaxCrossEntropyLoss(), cross_entropy(PRED, CLASSES)[:, 0]
    for dtype in ("int32", "uint8", "float32", "int64"):
        value = loss(f64(PRED), nd.array(CLASSES, dtype=dtype)).asnumpy()
        np.testing.assert_allclose(value, expected)


def test_positive_examples_can_weigh_more():
    weight = np.array([[1.0, 2, 0.5]])
    value = losses.SigmoidBCELoss()(f64(PRED), f64(BINARY), None, f64(weight)).asnumpy()
    np.testing.assert_allclose(value, bce(PRED, BINARY, weight).mean(1))
    value = losses.SigmoidBCELoss(from_sigmoid=True)(f64(expit(PRED)), f64(BINARY), None, f64(weight))
    np.testing.assert_allclose(value.asnumpy(), bce(PRED, BINARY, weight).mean(1), rtol=1e-9)


@pytest.mark.parametrize("extreme", [-1000.0, 1000.0])
def test_large_predictions_overflow_nowhere(extreme):
    for loss in (losses.SigmoidBCELoss(), losses.LogisticLoss(label_format="binary")):
        value, gradient = with_gradient(loss, np.array([[extreme]]), np.array([[1.0]]))
        np.testing.assert_allclose(value, max(-extreme, 0))
        np.testing.assert_allclose(gradient, float(extreme > 0) - 1)
    pred = np.array([[extreme, 0.0]])
    value, gradient = with_gradient(losses.SoftmaxCELoss(), pred, np.array([0.0]))
    np.testing.assert_allclose(value, max(-extreme, 0))
    assert np.isfinite(gradient).all()


def test_at_zero_the_kinks_have_no_slope():
    """As in MXNet: relu and |.| have the gradient 0 there, which leaves -label."""
    for label, expected in ((-1.0, 0.0), (1.0, -1.0)):
        _, gradient = with_gradient(losses.LogisticLoss(), np.zeros((1, 1)), np.array([[label]]))
        assert gradient == expected
    assert with_gradient(losses.L1Loss(), np.ones((1, 1)), np.ones((1, 1)))[1] == 0
    assert with_gradient(losses.HingeLoss(), np.ones((1, 1)), np.ones((1, 1)))[1] == 0


def test_triplet():
    positive, negative = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def formula(p):
        return np.maximum(0, ((positive - p) ** 2 - (negative - p) ** 2).sum(1) + 1)

    value, gradient = with_gradient(losses.TripletLoss(), PRED, positive, negative)
    np.testing.assert_allclose(value, formula(PRED))
    np.testing.assert_allclose(gradient, slope(lambda p: formula(p).sum(), PRED), rtol=1e-6, atol=1e-8)
    weighted = losses.TripletLoss(weight=2)(f64(PRED), f64(positive), f64(negative), f64([1, 0, 2, 1]))
    np.testing.assert_allclose(weighted.asnumpy(), 2 * formula(PRED) * [1, 0, 2, 1])


def test_cosine_embedding():
    other, label = rng.normal(size=(4, 3)), np.array([1.0, -1, 0.5, -1])

    def formula(p):
        cosine = (p * other).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(other, axis=1)
        return (label == 1) * (1 - cosine) + (label == -1) * np.maximum(0, cosine - 0.1)

    value, gradient = with_gradient(losses.CosineEmbeddingLoss(margin=0.1), PRED, other, label)
    np.testing.assert_allclose(value, formula(PRED)[:, None], rtol=1e-9)
    np.testing.assert_allclose(gradient, slope(lambda p: formula(p).sum(), PRED), rtol=1e-6, atol=1e-8)


def test_poisson():
    value, gradient = with_gradient(losses.PoissonNLLLoss(), PRED, COUNTS)
    np.testing.assert_allclose(value, [(np.exp(PRED) - COUNTS * PRED).mean()])
    np.testing.assert_allclose(gradient, (np.exp(PRED) - COUNTS) / 12)
    value = losses.PoissonNLLLoss(from_logits=False)(f64(POSITIVE), f64(COUNTS)).asnumpy()
    np.testing.assert_allclose(value, [(POSITIVE - COUNTS * np.log(POSITIVE + 1e-8)).mean()])


def test_poisson_with_stirling_is_nearly_the_full_likelihood():
    value = losses.PoissonNLLLoss(compute_full=True)(f64(PRED), f64(COUNTS)).asnumpy()
    exact = np.exp(PRED) - COUNTS * PRED + np.where(COUNTS > 1, gammaln(COUNTS + 1), 0)
    np.testing.assert_allclose(value, [exact.mean()], rtol=0.02)


def test_they_print_as_in_mxnet():
    assert repr(losses.L2Loss()) == "L2Loss(batch_axis=0, w=1.0)"
    assert repr(losses.SoftmaxCELoss()) == "SoftmaxCrossEntropyLoss(batch_axis=0, w=None)"


def test_wrong_arguments():
    with pytest.raises(ParameterError, match="weight must be a number or None, not 'big'"):
        losses.L1Loss(weight="big")
    with pytest.raises(ParameterError, match="'signed' or 'binary', not 'both'"):
        losses.LogisticLoss(label_format="both")


def test_sdml_is_the_divergence_of_matches():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def formula(x):
        log_p = log_softmax(-((x[:, None] - y[None]) ** 2).sum(2), axis=1)
        label = np.where(np.eye(4) == 1, 0.7, 0.1)
        return (label * (np.log(label + 1e-12) - log_p)).sum(1)

    value, gradient = with_gradient(losses.SDMLLoss(), x, y)
    np.testing.assert_allclose(value, formula(x), rtol=1e-6)
    np.testing.assert_allclose(gradient, slope(lambda x: formula(x).sum(), x), rtol=1e-5, atol=1e-7)
    with pytest.raises(ShapeError, match="need one shape"):
        losses.SDMLLoss()(f64(x), f64(y[:3]))


def test_ctc_in_both_layouts():
    pred = np.random.default_rng(2).normal(size=(2, 6, 4))
    label = np.array([[1.0, 0, -1], [2, 1, 1]])
    value = losses.CTCLoss()(f64(pred), f64(label)).asnumpy()
    other = losses.CTCLoss("TNC", "TN", weight=2.0)(f64(pred.swapaxes(0, 1)), f64(label.T)).asnumpy()
    np.testing.assert_allclose(other, 2 * value)
    lengths = losses.CTCLoss()(f64(pred), f64(label), f64(np.array([6, 6])), f64(np.array([2, 3]))).asnumpy()
    np.testing.assert_allclose(lengths, value)
    with pytest.raises(ParameterError, match="layout is 'NTC' or 'TNC'"):
        losses.CTCLoss(layout="NCT")


@pytest.mark.parametrize("weight", [np.float32(2), np.int64(2), np.array(2.0), 2], ids=repr)
def test_a_weight_may_be_a_number_of_numpys(weight: Any) -> None:
    pred, label = nd.array([[1, 2], [3, 4]]), nd.zeros((2, 2))
    value = losses.L1Loss(weight=weight)(pred, label)
    np.testing.assert_array_equal(value.asnumpy(), [3, 7])
    assert value.dtype == np.float32


@pytest.mark.parametrize(
    ("batch_axis", "expected"),
    [(None, [2.5]), ((0,), [1.5, 3.5]), ([1], [2, 3]), (np.array(1), [2, 3])],
    ids=repr,
)
def test_samples_may_be_on_several_axes_or_on_none(batch_axis: Any, expected: list[float]) -> None:
    value = losses.L1Loss(batch_axis=batch_axis)(nd.array([[1, 2], [3, 4]]), nd.zeros((2, 2)))
    np.testing.assert_array_equal(value.asnumpy(), expected)


@pytest.mark.parametrize("batch_axis", ["0", 1.5], ids=repr)
def test_what_is_no_axis_of_samples(batch_axis: Any) -> None:
    with pytest.raises(ParameterError, match=f"batch_axis, the axis of the samples.*, not {batch_axis!r}"):
        losses.L2Loss(batch_axis=batch_axis)


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_loss_written_for_mxnet_with_its_helpers(hybrid: bool) -> None:
    class Squared(losses.Loss):
        def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
            loss = F.square(pred - losses._reshape_like(F, label, pred))
            return F.mean(
                losses._apply_weighting(F, loss, self._weight / 2, sample_weight),
                axis=self._batch_axis,
                exclude=True,
            )

    random = np.random.RandomState(0)
    pred, label, weight = (
        nd.array(random.randn(4, 3)),
        nd.array(random.randn(12)),
        nd.array([[1], [2], [0], [3]]),
    )
    loss = Squared(2.0, 0)
    loss.hybridize(hybrid)
    expected = losses.L2Loss(2.0)(pred, label, weight)
    np.testing.assert_allclose(loss(pred, label, weight).asnumpy(), expected.asnumpy(), rtol=1e-6)
