"""`EvalMetric`, a metric over many batches, with composite metrics and metrics from functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar

import numpy

from lamina.core.array import Facade
from lamina.errors import ShapeError
from lamina.nd.ndarray import NDArray
from lamina.support.registry import Registry

__all__ = [
    "Caffe", "CompositeEvalMetric", "CustomMetric", "EvalMetric", "Loss", "Torch", "alias", "check_label_shapes",
    "create", "np", "register",
]  # fmt: skip

Arrays = Any
"""An NDArray or other array-like, or a list of array-likes for a network's several outputs."""


Names = Sequence[str] | None
"""The names of outputs or labels that `update_dict` uses; None selects all."""


class EvalMetric:
    """A base class of metrics: `update` adds a batch, `get` returns the value over all batches since `reset`.

    A subclass overrides `_add`, which gets labels and predictions of a batch as NumPy arrays and calls `_note` with a
    sum and a count. A subclass written for MXNet overrides `update`, which adds to `sum_metric` and `num_inst` (and,
    with ``has_global_stats=True``, to `global_sum_metric` and `global_num_inst`).

    Args:
        name: the name of the value in `get`.
        output_names: the names of the outputs that `update_dict` uses; None selects all.
        label_names: the names of the labels that `update_dict` uses; None selects all.
        has_global_stats: whether `get_global` returns the value since `reset`; otherwise it returns the same as `get`.
        kwargs: settings for `get_config`.

    >>> from lamina import metric
    >>> class Bias(metric.EvalMetric):
    ...     def _add(self, label, pred):
    ...         self._note(float((pred - label).sum()), label.size)
    >>> judge = Bias("bias")
    >>> judge.update([1.0, 2.0], [2.0, 2.0])
    >>> judge.get_name_value()
    [('bias', 0.5)]
    """

    num_inst: float
    sum_metric: float
    global_num_inst: float
    global_sum_metric: float

    def __init__(
        self,
        name: str,
        output_names: Names = None,
        label_names: Names = None,
        has_global_stats: bool = False,
        **kwargs: Any,
    ) -> None:
        self.name = str(name)
        self.output_names, self.label_names = output_names, label_names
        self._has_global_stats, self._kwargs = has_global_stats, kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """The settings as a dictionary, from which `create` makes the same metric.

        >>> from lamina.gluon.metric import create
        >>> create(create("acc").get_config()).get_config()["metric"]
        'Accuracy'
        """
        names = {"output_names": self.output_names, "label_names": self.label_names}
        return {**self._kwargs, "metric": type(self).__name__, "name": self.name, **names}

    def reset(self) -> None:
        """Discard all batches."""
        self.global_num_inst, self.global_sum_metric = 0, 0.0
        self.num_inst, self.sum_metric = 0, 0.0

    def reset_local(self) -> None:
        """Discard all batches for `get`, but not for `get_global`."""
        self.num_inst, self.sum_metric = 0, 0.0

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch of true labels and predictions."""
        for label, pred in _pairs(labels, preds):
            self._add(as_numpy(label), as_numpy(pred))

    def _add(self, label: numpy.ndarray, pred: numpy.ndarray) -> None:
        raise NotImplementedError(f"{type(self).__name__} must override _add, or update")

    def _note(self, total: float, count: float) -> None:
        """Add `total` to the sums and `count` to the counts since `reset_local` and since `reset`."""
        self.sum_metric += total
        self.global_sum_metric += total
        self.num_inst += count
        self.global_num_inst += count

    def update_dict(self, label: Mapping[str, Any], pred: Mapping[str, Any]) -> None:
        """Call `update` with the entries `label_names` of `label` and `output_names` of `pred`."""
        labels = label.values() if self.label_names is None else [label[n] for n in self.label_names]
        preds = pred.values() if self.output_names is None else [pred[n] for n in self.output_names]
        self.update(list(labels), list(preds))

    def get(self) -> tuple[Any, Any]:
        """The pair (name, value) of all batches since `reset_local` or `reset`.

        Before the first batch the value is NaN.
        """
        return self.name, self.sum_metric / self.num_inst if self.num_inst else float("nan")

    def get_global(self) -> tuple[Any, Any]:
        """The pair (name, value) of all batches since `reset`."""
        if not self._has_global_stats:
            return self.get()
        count = self.global_num_inst
        return self.name, self.global_sum_metric / count if count else float("nan")

    def get_name_value(self) -> list[tuple[str, float]]:
        """The result of `get` as a list of (name, value) pairs, with one pair for a single value."""
        return _named(self.get())

    def get_global_name_value(self) -> list[tuple[str, float]]:
        """The result of `get_global` as a list of (name, value) pairs, with one pair for a single value."""
        return _named(self.get_global())


def _named(found: tuple[Any, Any]) -> list[tuple[str, float]]:
    names, values = found
    return list(zip(names, values, strict=True)) if isinstance(names, list) else [(names, values)]


class Own(Enum):
    """The default of the argument `name`, for the metric's usual name.

    None can't be the default, since MXNet converts it to the name "None".
    """

    NAME = "the metric's own"


class Named(EvalMetric):
    """A metric with a default name."""

    _named: ClassVar[str]

    def __init__(
        self, name: str | Own = Own.NAME, output_names: Names = None, label_names: Names = None
    ) -> None:
        super().__init__(self._name_or(name), output_names, label_names, has_global_stats=True)

    @classmethod
    def _name_or(cls, name: str | Own) -> str:
        return cls._named if name is Own.NAME else name


class Accumulated(EvalMetric):
    """A metric of all samples together, computed by `_value` from a summary of them, such as a confusion matrix.

    Batches are averaged instead where `average` is ``"macro"``.
    """

    _nothing: ClassVar[Any]
    """The summary of no samples."""
    average = "micro"

    def reset(self) -> None:
        super().reset()
        self._counts = self._global_counts = self._nothing

    def reset_local(self) -> None:
        super().reset_local()
        self._counts = self._nothing

    def _note_batch(self, batch: Any, count: int) -> None:
        """Add the summary of a batch that counts as `count`."""
        if self.average == "macro":
            self._note(self._value(batch), 1)
            return
        self._note(0.0, count)
        self._counts = self._joined(self._counts, batch)
        self._global_counts = self._joined(self._global_counts, batch)
        self.sum_metric = self._value(self._counts) * self.num_inst
        self.global_sum_metric = self._value(self._global_counts) * self.global_num_inst

    def _joined(self, some: Any, others: Any) -> Any:
        """The summary of two sets of samples."""
        return some + others

    def _value(self, summary: Any) -> float:
        raise TypeError(f"{type(self).__name__} must override _value")


class Averaged(Accumulated, Named):
    """A metric that can be averaged over batches or over samples.

    Args:
        average: ``"macro"`` for the mean of the batches' values, MXNet's default; ``"micro"`` for the value of all
            samples together.
    """

    def __init__(
        self,
        name: str | Own = Own.NAME,
        output_names: Names = None,
        label_names: Names = None,
        average: str = "macro",
    ) -> None:
        if average not in ("macro", "micro"):
            raise ValueError(f"{self._name_or(name)}: average must be 'macro' or 'micro', not {average!r}")
        self.average = average
        super().__init__(name, output_names, label_names)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average}


def _pairs(labels: Arrays, preds: Arrays) -> Iterator[tuple[Any, Any]]:
    label_list, pred_list = as_list(labels), as_list(preds)
    if len(label_list) != len(pred_list):
        raise ShapeError(f"metric: {len(label_list)} arrays of labels, but {len(pred_list)} of predictions")
    return iter(zip(label_list, pred_list, strict=True))


def as_list(values: Arrays) -> list[Any]:
    """Wrap a single array, or nested lists of numbers, in a list; a list of arrays is returned unchanged."""
    if isinstance(values, list | tuple) and any(getattr(value, "shape", ()) for value in values):
        return list(values)
    return [values]


def as_numpy(x: Any) -> numpy.ndarray:
    """`x` as a NumPy array with a numeric dtype."""
    return x.asnumpy() if isinstance(x, NDArray | Facade) else numpy.asarray(x)


def misfit(name: str, label: numpy.ndarray, pred: numpy.ndarray) -> ShapeError:
    """The error for labels and predictions whose shapes do not fit."""
    return ShapeError(f"{name}: labels of shape {label.shape} do not fit predictions of shape {pred.shape}")


metrics = Registry[EvalMetric]("metric", EvalMetric)


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """Raise `ShapeError` if labels and predictions differ in number, or with `shape`, in shape.

    Returns labels and predictions; with `wrap` single arrays become lists with one element.
    """
    ours, theirs = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if ours != theirs:
        raise ShapeError(f"Shape of labels {ours} does not match shape of predictions {theirs}")
    if wrap:
        labels, preds = ([x] if isinstance(x, NDArray | Facade) else x for x in (labels, preds))
    return labels, preds


def alias(*aliases: str) -> Callable[[type[EvalMetric]], type[EvalMetric]]:
    """A decorator that makes a metric available to `create` under further names."""
    return metrics.register(*aliases)


def register(klass: type[EvalMetric]) -> type[EvalMetric]:
    """A decorator that makes a metric available to `create` under the name of its class.

    >>> @register
    ... class Bias(EvalMetric):
    ...     def __init__(self, name="bias", **names):
    ...         super().__init__(name, **names)
    ...     def update(self, labels, preds):
    ...         self.sum_metric += float((preds[0] - labels[0]).sum().asscalar())
    ...         self.num_inst += labels[0].size
    >>> from lamina import nd
    >>> bias = create("bias")
    >>> bias.update([nd.array([1, 2])], [nd.array([2, 4])])
    >>> bias.get()
    ('bias', 1.5)
    """
    return metrics.register()(klass)


@metrics.register("loss")
class Loss(Named):
    """The mean of the values that a loss function returned; labels are ignored.

    >>> from lamina import gluon, metric, nd
    >>> mean = metric.Loss()
    >>> for pred in (nd.array([1.0, 3.0]), nd.array([5.0])):
    ...     mean.update(None, gluon.loss.L1Loss()(pred, nd.zeros_like(pred)))
    >>> mean.get_name_value()
    [('loss', 3.0)]
    """

    _named = "loss"

    def update(self, labels: Any, preds: Any) -> None:
        for pred in as_list(preds):
            losses = as_numpy(pred)
            self._note(float(losses.sum(dtype=numpy.float64)), losses.size)


@metrics.register("torch")
class Torch(Loss):
    """`Loss` under the name "torch"."""

    _named = "torch"


@metrics.register("caffe")
class Caffe(Loss):
    """`Loss` under the name "caffe"."""

    _named = "caffe"


@metrics.register("composite", "CompositeEvalMetric")
class CompositeEvalMetric(EvalMetric):
    """Several metrics that are computed from the same batches.

    >>> from lamina import metric
    >>> both = metric.CompositeEvalMetric(["mae", "mse"])
    >>> both.update([1.0, 2.0], [1.0, 4.0])
    >>> both.get()
    (['mae', 'mse'], [1.0, 2.0])
    """

    def __init__(
        self,
        metrics: Sequence[Any] | None = None,
        name: str = "composite",
        output_names: Names = None,
        label_names: Names = None,
    ) -> None:
        self.metrics: list[EvalMetric] = []
        super().__init__(name, output_names, label_names, has_global_stats=True)
        self.metrics += [create(metric) for metric in metrics or []]

    def add(self, metric: Any) -> None:
        """Add a metric, which may be an object or a name."""
        self.metrics.append(create(metric))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}

    def get_metric(self, index: int) -> EvalMetric:
        """The metric at `index`."""
        return self.metrics[index]

    def reset(self) -> None:
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        for metric in self.metrics:
            metric.reset_local()

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch to all metrics."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def update_dict(self, labels: Mapping[str, Any], preds: Mapping[str, Any]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - MXNet's names
        """Update each metric with the outputs and labels that it selects by name."""
        for metric in self.metrics:
            metric.update_dict(_chosen(labels, self.label_names), _chosen(preds, self.output_names))

    def get(self) -> tuple[list[str], list[float]]:
        """The pair (names, values) of all metrics, as two lists."""
        return _apart([pair for metric in self.metrics for pair in metric.get_name_value()])

    def get_global(self) -> tuple[list[str], list[float]]:
        """The pair (names, values) of all metrics since `reset`, as two lists."""
        return _apart([pair for metric in self.metrics for pair in metric.get_global_name_value()])


def _chosen(arrays: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    return arrays if names is None else {name: x for name, x in arrays.items() if name in names}


def _apart(pairs: list[tuple[str, float]]) -> tuple[list[str], list[float]]:
    return [name for name, _ in pairs], [value for _, value in pairs]


@metrics.register("custom", "CustomMetric")
class CustomMetric(EvalMetric):
    """A metric computed by a function of NumPy arrays, ``feval(label, pred)``.

    The function returns either a batch's value, which is averaged over the batches, or a pair (sum, number of values).

    Args:
        feval: the function.
        name: the metric's name, by default the function's.
        allow_extra_outputs: whether there may be more arrays of predictions than of labels; the first ones are used.

    >>> from lamina import metric
    >>> judge = metric.CustomMetric(lambda label, pred: float(abs(label - pred).max()), name="worst")
    >>> judge.update([1.0, 2.0], [2.0, 2.0])
    >>> judge.get_name_value()
    [('worst', 1.0)]
    """

    def __init__(
        self,
        feval: Callable[[numpy.ndarray, numpy.ndarray], Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: Names = None,
        label_names: Names = None,
    ) -> None:
        given = getattr(feval, "__name__", type(feval).__name__)
        called = name or (f"custom({given})" if "<" in given else given)
        super().__init__(called, output_names, label_names, has_global_stats=True)
        self._feval, self._allow_extra_outputs = feval, allow_extra_outputs

    def update(self, labels: Arrays, preds: Arrays) -> None:
        if self._allow_extra_outputs and isinstance(labels, list | tuple):
            preds = list(preds)[: len(labels)]
        super().update(labels, preds)

    def _add(self, label: numpy.ndarray, pred: numpy.ndarray) -> None:
        value = self._feval(label, pred)
        total, count = value if isinstance(value, tuple) else (value, 1)
        # Scalars of float32 would make the sum one of float32, which loses digits over many batches.
        self._note(total.item() if isinstance(total, numpy.generic) else total, count)

    def get_config(self) -> dict[str, Any]:
        """Raise an error, since a function can't be written as text."""
        raise NotImplementedError("CustomMetric cannot be serialized")


def np(
    numpy_feval: Callable[[numpy.ndarray, numpy.ndarray], Any],
    name: str | None = None,
    allow_extra_outputs: bool = False,
) -> CustomMetric:
    """A `CustomMetric` computed by a function of NumPy arrays."""
    return CustomMetric(numpy_feval, name, allow_extra_outputs)


def create(metric: Any, *args: Any, **kwargs: Any) -> EvalMetric:
    """Create a metric from a name or a function, or a composite metric from a list of these.

    >>> from lamina.gluon.metric import create
    >>> create("acc").get()
    ('accuracy', nan)
    >>> create("acuracy")
    Traceback (most recent call last):
    ValueError: unknown metric 'acuracy'. Did you mean 'accuracy'? Known: acc, ...
    """
    if isinstance(metric, Mapping):
        return create(**metric)
    if isinstance(metric, list | tuple):
        return CompositeEvalMetric([create(each, *args, **kwargs) for each in metric])
    if callable(metric) and not isinstance(metric, EvalMetric):
        return CustomMetric(metric, *args, **kwargs)
    return metrics.create(metric, *args, **kwargs)
