"""Loss functions, which compute a loss per sample from predictions and labels.

Every loss is averaged over all axes but `batch_axis` (after any sum or mean in its formula), to shape (batch,). All
losses have the arguments `weight`, a number that multiplies the loss, and `batch_axis`, the axis of the samples. A call
may have a `sample_weight` after the label: an array that broadcasts against the loss of each element, of shape (batch,
1) to weight samples. Labels with as many elements as the predictions are reshaped to their shape.

Formulas, defaults and the order of arguments agree with MXNet 1.9 (python/mxnet/gluon/loss.py). As in MXNet, the
gradients of relu and of the absolute value at 0 are 0.
"""

from __future__ import annotations

import math
from operator import index
from typing import Any

from lamina.core.labels import check_labels
from lamina.errors import ParameterError, ShapeError
from lamina.gluon.block import HybridBlock
from lamina.nd.ndarray import NDArray
from lamina.support.argument_checks import is_number
from lamina.support.messages import in_a_line
from lamina.support.unsupported import names_of_others

__all__ = [
    "CTCLoss", "CosineEmbeddingLoss", "HingeLoss", "HuberLoss", "KLDivLoss", "L1Loss", "L2Loss", "LogisticLoss", "Loss",
    "PoissonNLLLoss", "SDMLLoss", "SigmoidBCELoss", "SigmoidBinaryCrossEntropyLoss", "SoftmaxCELoss",
    "SoftmaxCrossEntropyLoss", "SquaredHingeLoss", "TripletLoss",
]  # fmt: skip

Factor = float | None
"""A factor on all losses; None leaves them as they are."""
Weights = NDArray | None
"""Weights of samples or of positive labels, or None for equal weights."""

_SMALL = 1e-12  # MXNet's guard against log 0


class Loss(HybridBlock):
    """A base class of losses, with a weight, the batch axis, and the mean over the other axes.

    >>> from lamina import gluon, nd
    >>> class LogCosh(gluon.loss.Loss):
    ...     def __init__(self, weight=None, batch_axis=0):
    ...         super().__init__(weight, batch_axis)
    ...     def hybrid_forward(self, F, pred, label):
    ...         return F.mean(F.log(F.cosh(pred - label)), axis=self._batch_axis, exclude=True)
    >>> LogCosh()(nd.array([[0.0], [1.0]]), nd.zeros((2, 1))).asnumpy().round(3)
    array([0.   , 0.434], dtype=float32)
    """

    def __init__(self, weight: Factor = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if weight is not None and not (isinstance(weight, bool) or is_number(weight)):
            raise ParameterError(
                f"{type(self).__name__}: weight must be a number or None, not {in_a_line(weight)}"
            )
        self._weight, self._batch_axis = weight, _axes(batch_axis)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def _like(self, label: NDArray, pred: NDArray) -> NDArray:
        """`label` reshaped to the shape of `pred`."""
        self._require_array(label)
        if label.shape == pred.shape:
            return label
        if label.size != pred.size:
            raise ShapeError(
                f"{type(self).__name__}: a label of shape {label.shape} does not fit a prediction of shape "
                f"{pred.shape}"
            )
        return label.reshape(pred.shape)

    def _require_array(self, label: Any) -> None:
        if isinstance(label, list | tuple):
            raise TypeError(
                f"{type(self).__name__}: labels must be an NDArray, not {type(label).__name__}; make one with nd.array"
            )

    def _weighted(self, F: Any, loss: NDArray, sample_weight: Weights, factor: float = 1.0) -> NDArray:
        """The loss of each element times `factor`, the sample weights and this loss's `weight`."""
        scale = factor if self._weight is None else factor * self._weight
        return _apply_weighting(F, loss, None if scale == 1 else scale, sample_weight)

    def _mean(self, F: Any, loss: NDArray, sample_weight: Weights, factor: float = 1.0) -> NDArray:
        """The weighted loss of each sample, averaged over all axes but the batch axis."""
        weighted = self._weighted(F, loss, sample_weight, factor)
        if isinstance(self._batch_axis, int):
            batch = weighted.shape[self._batch_axis]
            if weighted.size == batch:  # a single number per sample, so there is nothing to average
                return weighted.reshape((batch,))
        return F.mean(weighted, axis=self._batch_axis, exclude=True)


def _apply_weighting(F: Any, loss: Any, weight: Factor = None, sample_weight: Any = None) -> Any:
    """The loss of each element times the sample weights and `weight`, as losses for MXNet call it, too."""
    if sample_weight is not None:
        loss = F.broadcast_mul(loss, sample_weight)
    return loss if weight is None else loss * weight


def _reshape_like(F: Any, x: Any, y: Any) -> Any:  # pyright: ignore[reportUnusedFunction] - for other modules
    """`x` in the shape of `y`, as losses for MXNet call it."""
    return F.reshape_like(x, y)


def _axes(batch_axis: Any) -> Any:
    """The checked batch axis: an integer, several integers, or None for a single loss of the whole batch."""
    if batch_axis is None or isinstance(batch_axis, list | tuple):
        return batch_axis
    try:
        return index(batch_axis)
    except TypeError:
        raise ParameterError(
            f"batch_axis, the axis of the samples, is one whole number or several, not {in_a_line(batch_axis)}"
        ) from None


class _ElementLoss(Loss):
    """A loss computed for each element, with the label reshaped like the prediction."""

    _factor = 1.0

    def hybrid_forward(self, F: Any, pred: NDArray, label: NDArray, sample_weight: Weights = None) -> NDArray:
        """The loss of each sample, of shape (batch,); `pred` and `label` have the same number of elements."""
        loss = self._of_each(F, pred, self._like(label, pred))
        return self._mean(F, loss, sample_weight, self._factor)

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        raise TypeError(f"{type(self).__name__} must override _of_each")


class L2Loss(_ElementLoss):
    """The squared error, ½ (label − pred)².

    >>> from lamina import gluon, nd
    >>> gluon.loss.L2Loss()(nd.array([[1, 2], [3, 5]]), nd.array([[1, 2], [3, 3]])).asnumpy()
    array([0., 1.], dtype=float32)
    """

    _factor = 0.5

    def __init__(self, weight: Factor = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        return F.square(label - pred)


class L1Loss(_ElementLoss):
    """The absolute error, |label − pred|."""

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        return F.abs(label - pred)


def _softplus_of_minus_abs(F: Any, x: NDArray) -> NDArray:
    """log(1 + exp(−|x|)) without overflow."""
    return F.softrelu(-F.abs(x))


class SigmoidBinaryCrossEntropyLoss(Loss):
    """−label·log p·pos_weight − (1 − label)·log(1 − p), with p = sigmoid(pred).

    With `from_sigmoid`, p = pred. Otherwise sigmoid and logarithm are computed together, which is numerically stable
    for any pred.

    >>> from lamina import gluon, nd
    >>> gluon.loss.SigmoidBCELoss()(nd.array([[0.0], [5.0]]), nd.array([[1.0], [1.0]])).asnumpy().round(4)
    array([0.6931, 0.0067], dtype=float32)
    """

    def __init__(
        self, from_sigmoid: bool = False, weight: Factor = None, batch_axis: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_sigmoid = from_sigmoid

    def hybrid_forward(
        self, F: Any, pred: NDArray, label: NDArray, sample_weight: Weights = None, pos_weight: Weights = None
    ) -> NDArray:
        """The loss of each sample, of shape (batch,).

        `label` has values in [0, 1] and as many elements as `pred`. `pos_weight` is broadcast to the shape of `pred`,
        for example from (1, classes).
        """
        label = self._like(label, pred)
        if self._from_sigmoid:
            positive = F.log(pred + _SMALL) * label
            if pos_weight is not None:
                positive = F.broadcast_mul(positive, pos_weight)
            loss = -(positive + F.log(1.0 - pred + _SMALL) * (1.0 - label))
        elif pos_weight is None:
            loss = F.relu(pred) - pred * label + _softplus_of_minus_abs(F, pred)
        else:
            log_weight = 1.0 + F.broadcast_mul(pos_weight - 1.0, label)
            loss = pred - pred * label + log_weight * (_softplus_of_minus_abs(F, pred) + F.relu(-pred))
        return self._mean(F, loss, sample_weight)


class SoftmaxCrossEntropyLoss(Loss):
    """−log p[label], with p = softmax(pred) along `axis`.

    With ``sparse_label=False`` the labels are probabilities, and the loss is −Σ label·log p over `axis`. With
    `from_logits` (MXNet's name) pred is log p already.

    >>> from lamina import gluon, nd
    >>> gluon.loss.SoftmaxCrossEntropyLoss()(nd.zeros((2, 4)), nd.array([3, 0])).asnumpy()
    array([1.3862944, 1.3862944], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        sparse_label: bool = True,
        from_logits: bool = False,
        weight: Factor = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._axis, self._sparse_label, self._from_logits = axis, sparse_label, from_logits

    def hybrid_forward(self, F: Any, pred: NDArray, label: NDArray, sample_weight: Weights = None) -> NDArray:
        """The loss of each sample, of shape (batch,).

        `label` has class indices of any dtype, in the shape of `pred` without `axis`, or probabilities in the shape of
        `pred`.
        """
        log_p = pred if self._from_logits else F.log_softmax(pred, axis=self._axis)
        if self._sparse_label:
            self._require_class_numbers(label, pred)
            if sample_weight is None:  # a sample_weight may exclude samples without a class
                check_labels(label, pred.shape[self._axis], type(self).__name__)
            loss = -F.pick(log_p, label, axis=self._axis, keepdims=True)
        else:
            loss = -F.sum(log_p * self._like(label, log_p), axis=self._axis, keepdims=True)
        return self._mean(F, loss, sample_weight)

    def _require_class_numbers(self, label: NDArray, pred: NDArray) -> None:
        self._require_array(label)
        if label.size * pred.shape[self._axis] != pred.size:
            raise ShapeError(
                f"{type(self).__name__}: class numbers of shape {label.shape} do not fit a prediction of shape "
                f"{pred.shape} with its classes on axis {self._axis}; for one-hot labels, or probabilities, "
                "make the loss with sparse_label=False"
            )


class KLDivLoss(_ElementLoss):
    """label·(log label − log p), the divergence of p from label (Kullback & Leibler, 1951).

    By default pred is log p; with ``from_logits=False``, p = softmax(pred) along `axis`. The labels are probabilities,
    in the shape of pred. As in MXNet, the values of a sample are summed, not averaged as in other losses.
    """

    def __init__(
        self,
        from_logits: bool = True,
        axis: int = -1,
        weight: Factor = None,
        batch_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits, self._axis = from_logits, axis

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        log_p = pred if self._from_logits else F.log_softmax(pred, axis=self._axis)
        return label * (F.log(label + _SMALL) - log_p)

    def _mean(self, F: Any, loss: NDArray, sample_weight: Weights, factor: float = 1.0) -> NDArray:
        return F.sum(self._weighted(F, loss, sample_weight, factor), axis=self._batch_axis, exclude=True)


class HuberLoss(_ElementLoss):
    """d²/(2·rho) where d ≤ rho, else d − rho/2, with d = |label − pred| (Huber, 1964, scaled by 1/rho).

    >>> from lamina import gluon, nd
    >>> gluon.loss.HuberLoss()(nd.array([0.5, 3.0]), nd.zeros(2)).asnumpy()
    array([0.125, 2.5  ], dtype=float32)
    """

    def __init__(self, rho: float = 1, weight: Factor = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._rho = rho

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        distance = F.abs(label - pred)
        quadratic = (0.5 / self._rho) * F.square(distance)
        return F.where(distance > self._rho, distance - 0.5 * self._rho, quadratic)


class HingeLoss(_ElementLoss):
    """max(0, margin − pred·label), for labels −1 and 1.

    >>> from lamina import gluon, nd
    >>> gluon.loss.HingeLoss()(nd.array([0.25, 2.0]), nd.array([1.0, 1.0])).asnumpy()
    array([0.75, 0.  ], dtype=float32)
    """

    def __init__(self, margin: float = 1, weight: Factor = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        return F.relu(self._margin - pred * label)


class SquaredHingeLoss(HingeLoss):
    """max(0, margin − pred·label)², for labels −1 and 1."""

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        return F.square(super()._of_each(F, pred, label))


class LogisticLoss(_ElementLoss):
    """log(1 + exp(−pred·label)), for labels −1 and 1, or 0 and 1 with ``label_format="binary"``.

    The formula is max(pred, 0) − pred·y + log(1 + exp(−|pred|)) with y in {0, 1}, which is stable for any pred. At pred
    = 0 the gradients of max and |·| are 0, as in MXNet; the gradient of the loss is −y there.
    """

    def __init__(
        self, weight: Factor = None, batch_axis: int = 0, label_format: str = "signed", **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        if label_format not in ("signed", "binary"):
            raise ParameterError(f"LogisticLoss: label_format is 'signed' or 'binary', not {label_format!r}")
        self._label_format = label_format

    def _of_each(self, F: Any, pred: NDArray, label: NDArray) -> NDArray:
        if self._label_format == "signed":
            label = (label + 1.0) / 2.0
        return F.relu(pred) - pred * label + _softplus_of_minus_abs(F, pred)


class TripletLoss(Loss):
    """max(0, Σ (positive − pred)² − Σ (negative − pred)² + margin) (Schroff, Kalenichenko & Philbin, 2015).

    The sums are over all axes but the batch axis.

    >>> from lamina import gluon, nd
    >>> pred, positive, negative = nd.zeros((1, 2)), nd.ones((1, 2)), nd.array([[1.0, 0.5]])
    >>> gluon.loss.TripletLoss()(pred, positive, negative).asnumpy()
    array([1.75], dtype=float32)
    """

    def __init__(self, margin: float = 1, weight: Factor = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(
        self, F: Any, pred: NDArray, positive: NDArray, negative: NDArray, sample_weight: Weights = None
    ) -> NDArray:
        """The loss of each sample, of shape (batch,); the three arrays have the same number of elements."""
        positive, negative = self._like(positive, pred), self._like(negative, pred)
        difference = F.square(positive - pred) - F.square(negative - pred)
        distance = F.sum(difference, axis=self._batch_axis, exclude=True)
        return self._weighted(F, F.relu(distance + self._margin), sample_weight)


class PoissonNLLLoss(Loss):
    """The negative log likelihood of counts under a Poisson distribution, exp(pred) − target·pred.

    With ``from_logits=False`` the loss is pred − target·log(pred + epsilon). Where target > 1, `compute_full` adds
    Stirling's approximation of log target!: target·log target − target + ½ log(2π·target). Unlike other losses, and as
    in MXNet, this loss is averaged over the whole batch, to shape (1,).
    """

    def __init__(
        self,
        weight: Factor = None,
        from_logits: bool = True,
        batch_axis: int = 0,
        compute_full: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits, self._compute_full = from_logits, compute_full

    def hybrid_forward(
        self, F: Any, pred: NDArray, target: NDArray, sample_weight: Weights = None, epsilon: float = 1e-08
    ) -> NDArray:
        """The mean loss, of shape (1,); `pred` and `target` have the same number of elements."""
        target = self._like(target, pred)
        log_rate = pred if self._from_logits else F.log(pred + epsilon)
        rate = F.exp(pred) if self._from_logits else pred
        loss = rate - target * log_rate
        if self._compute_full:
            count = F.maximum(target, 1.0)  # avoids log 0 in terms that are not used
            stirling = count * F.log(count) - count + 0.5 * F.log(2 * math.pi * count)
            loss = loss + stirling * (target > 1)
        return F.mean(self._weighted(F, loss, sample_weight))


class CosineEmbeddingLoss(Loss):
    """1 − cos(input1, input2) for label 1, max(0, cos(input1, input2) − margin) for label −1, else 0.

    cos is the cosine of the vectors along the last axis; the product of their norms is limited below by 1e-12.
    """

    def __init__(self, weight: Factor = None, batch_axis: int = 0, margin: float = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(
        self, F: Any, input1: NDArray, input2: NDArray, label: NDArray, sample_weight: Weights = None
    ) -> NDArray:
        """The loss of each sample, of shape (batch, 1) as in MXNet.

        The inputs have shape (batch, features); `label` has shape (batch,) and values 1 or −1.
        """
        input1 = self._like(input1, input2)
        norms = F.norm(input1, axis=-1) * F.norm(input2, axis=-1)
        cosine = (F.sum(input1 * input2, axis=-1) / F.maximum(norms, _SMALL)).reshape((-1, 1))
        label = self._like(label, cosine)
        loss = (label == 1) * (1.0 - cosine) + (label == -1) * F.relu(cosine - self._margin)
        return self._weighted(F, loss, sample_weight)


class SDMLLoss(Loss):
    """Smoothed deep metric learning, which makes row i of one array the nearest to row i of another array.

    The loss of row i is the divergence of softmax(−squared distances to all rows) from a smoothed one-hot vector
    (Bonadiman, Kumar & Mittal, "Large scale question paraphrase retrieval with smoothed deep metric learning", 2019).

    Args:
        smoothing_parameter: the total probability that the smoothed vector assigns to rows that do not match.
        weight, batch_axis: accepted and ignored, as in MXNet.
    """

    def __init__(
        self, smoothing_parameter: float = 0.3, weight: Factor = 1.0, batch_axis: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self.smoothing_parameter = smoothing_parameter

    def hybrid_forward(self, F: Any, x1: NDArray, x2: NDArray) -> NDArray:
        """The loss of each row of `x1`, of shape (batch,); both inputs have shape (batch, features)."""
        if x1.shape != x2.shape or x1.ndim != 2:
            raise ShapeError(
                f"SDMLLoss: inputs need one shape (batch, features), not {x1.shape} and {x2.shape}"
            )
        batch = x1.shape[0]
        gold = F.eye(batch, dtype=x1.dtype, ctx=x1.context)
        label = gold * (1.0 - self.smoothing_parameter)
        label = label + (1.0 - gold) * (self.smoothing_parameter / max(1, batch - 1))
        difference = F.expand_dims(x1, axis=1) - F.expand_dims(x2, axis=0)
        log_p = F.log_softmax(-F.sum(difference * difference, axis=2), axis=1)
        return F.sum(label * (F.log(label + _SMALL) - log_p), axis=1)


class CTCLoss(Loss):
    """The connectionist temporal classification loss, −log of the label sequence's probability.

    The probability is summed over all alignments of the labels; the last class is the blank (Graves et al., 2006).

    Args:
        layout: the axes of pred: ``"NTC"`` (samples, steps, classes) or ``"TNC"``.
        label_layout: the axes of label: ``"NT"`` or ``"TN"``.
        weight: see `Loss`.
    """

    def __init__(
        self, layout: str = "NTC", label_layout: str = "NT", weight: Factor = None, **kwargs: Any
    ) -> None:
        if layout not in ("NTC", "TNC") or label_layout not in ("NT", "TN"):
            raise ParameterError(
                f"CTCLoss: layout is 'NTC' or 'TNC' and label_layout 'NT' or 'TN', not {layout!r} and {label_layout!r}"
            )
        super().__init__(weight, label_layout.find("N"), **kwargs)
        self._layout, self._label_layout = layout, label_layout

    def hybrid_forward(
        self,
        F: Any,
        pred: NDArray,
        label: NDArray,
        pred_lengths: NDArray | None = None,
        label_lengths: NDArray | None = None,
        sample_weight: Weights = None,
    ) -> NDArray:
        """The loss of each sample, of shape (batch,).

        `pred` has scores, and `label` classes, padded with -1 if there are no `label_lengths`.
        """
        if self._layout == "NTC":
            pred = F.swapaxes(pred, 0, 1)
        if self._label_layout == "TN":
            label = F.swapaxes(label, 0, 1)
        given = {"use_data_lengths": pred_lengths is not None, "use_label_lengths": label_lengths is not None}
        loss = F.ctc_loss(pred, label, pred_lengths, label_lengths, **given, blank_label="last")
        return self._weighted(F, loss, sample_weight)


SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss
SoftmaxCELoss = SoftmaxCrossEntropyLoss


__getattr__ = names_of_others("lamina.gluon.loss")
