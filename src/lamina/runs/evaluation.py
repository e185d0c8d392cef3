"""The evaluation of a trained network: metrics, baselines, ranking curves, column importance, and advice."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lamina.estimators import importance
from lamina.estimators.fitted import FittedModel
from lamina.estimators.importance import MOST_ROWS, REPEATS, Game, Importance
from lamina.estimators.meaning import Decision, best_threshold
from lamina.estimators.search.trial import BLEND, blend_said
from lamina.estimators.targets import Classes, positive_class
from lamina.runs.data import Part, Prepared, aligned, known_rows
from lamina.runs.metrics import Below, Covered, format_metric, levels_held, measured_intervals, metrics_of
from lamina.runs.model import TableModel
from lamina.support.lazily import pl
from lamina.table.columns import value_name
from lamina.table.encode import Encoded, TableEncoder
from lamina.table.messages import counted
from lamina.table.schema import Schema

# --- baselines: a guess without the columns, and a linear model on the same encoding

_MOST_LINEAR_ROWS = 50_000
_MOST_LINEAR_OUTPUTS = 500_000
"""Limit on rows times classes, to which a logistic regression's time is proportional."""
_STEPS = 300
_TOGETHER = 4096
"""Rows that are encoded together for a baseline; a sparse matrix in the making takes several times its memory."""


@dataclass(frozen=True)
class Baseline:
    """A baseline's predictions, shaped like `TableModel.outputs`, and its decision threshold, if any."""

    outputs: np.ndarray
    threshold: float | None = None


def baseline_outputs(
    estimator: Any, encoder: TableEncoder, schema: Schema, prepared: Prepared, judged: Part
) -> dict[str, Baseline]:
    """Fit scikit-learn's baselines to the training rows, and predict the rows of `judged`.

    "linear" is a logistic or ridge regression on the columns as the network encodes them, fitted to at most 50,000
    random training rows (fewer for more than ten classes). "trivial" predicts the class frequencies, or the mean, for
    every row. The logistic regression uses the class weights and the threshold of `estimator`. An automatic threshold
    is chosen on the regression's training rows.
    """
    from scipy.sparse import vstack

    train = prepared.train
    task, classes = prepared.target.task, len(prepared.target.classes)
    most = min(_MOST_LINEAR_ROWS, _MOST_LINEAR_OUTPUTS // max(classes, 1))
    some = np.sort(np.random.default_rng(0).permutation(len(train))[:most])
    inputs: Any = vstack([*_designs(encoder, schema, train.frame[some])], format="csr")
    wanted, new = train.target[some], _designs(encoder, schema, judged.frame)
    with warnings.catch_warnings(action="ignore"):  # about a baseline that has not quite converged
        if task == "classification":
            linear = _logistic(inputs, wanted, new, prepared, estimator)
            shares = np.bincount(train.target, minlength=classes) / len(train)
            return {"linear": linear, "trivial": Baseline(np.tile(shares, (len(judged), 1)))}
        linear = _ridge(inputs, wanted, new, prepared)
    return {"linear": Baseline(linear), "trivial": Baseline(np.full(len(judged), train.target.mean()))}


def _logistic(
    inputs: Any, labels: np.ndarray, new: Iterable[Any], prepared: Prepared, estimator: Any
) -> Baseline:
    from sklearn.linear_model import LogisticRegression

    target = prepared.target
    if len(np.unique(labels)) < 2:
        only = np.eye(len(target.classes))[labels[:1]]
        return Baseline(np.concatenate([np.repeat(only, x.shape[0], axis=0) for x in new]))
    weights = _by_code(estimator.class_weight, target.classes)
    model = LogisticRegression(max_iter=_STEPS, class_weight=weights).fit(inputs, labels)
    found = np.concatenate([model.predict_proba(x) for x in new])
    p = np.zeros((len(found), len(target.classes)))
    p[:, model.classes_] = found
    threshold = estimator.threshold
    if isinstance(threshold, str):
        positive = positive_class(np.array(target.classes), target.counts)
        found = best_threshold(threshold, labels == positive, model.predict_proba(inputs)[:, positive])
        threshold = None if found is None else found[0]
    return Baseline(p, threshold)


def _by_code(class_weight: Any, classes: tuple[Any, ...]) -> Any:
    """Replace the keys of class weights, which are classes, by the classes' positions."""
    if not isinstance(class_weight, Mapping):
        return class_weight
    return {code: class_weight.get(value, 1.0) for code, value in enumerate(classes)}


def _ridge(inputs: Any, wanted: np.ndarray, new: Iterable[Any], prepared: Prepared) -> np.ndarray:
    from sklearn.linear_model import Ridge

    unit = np.abs(wanted).max() or 1.0  # since products of numbers like 1e200 would be infinite
    model = Ridge(alpha=1.0).fit(inputs, wanted / unit)
    values = np.concatenate([model.predict(x) for x in new]) * unit
    return np.clip(values, prepared.train.target.min(), prepared.train.target.max())


def _designs(encoder: TableEncoder, schema: Schema, frame: pl.DataFrame) -> Iterator[Any]:
    """Encode a table as sparse matrices (rows, inputs) of few rows; columns that the network embeds become one-hot."""
    from scipy.sparse import csr_array, hstack

    for part in frame.iter_slices(_TOGETHER):
        encoded = encoder.transform(aligned(schema, part))
        blocks = [csr_array(encoded.numeric.astype(np.float64))]
        rows = np.arange(len(part))
        for codes, width in zip(encoded.codes.T, encoder.cardinalities, strict=True):
            blocks.append(csr_array((np.ones(len(rows)), (rows, codes)), shape=(len(rows), width)))
        yield hstack(blocks).tocsr()


# --- metrics of the network and of the baselines

_TIMED_ROWS = 2048


@dataclass(frozen=True)
class Measured:
    """The results of an evaluation.

    Attributes:
        part: the name of the evaluated subset: "test", "validation" or "training".
        rows: the evaluated rows.
        outputs: the network's outputs for these rows; see `TableModel.outputs`.
        metrics: for each model ("lamina", "linear", "trivial") its metrics by name.
        baselines: the baselines' outputs for these rows, if computed.
        intervals, quantiles: for regression on test rows, the nominal and the observed coverage.
        outermost: the coverage of the interval between the lowest and the highest of several quantiles.
    """

    part: str
    rows: Part
    outputs: np.ndarray
    metrics: dict[str, dict[str, float | None]]
    baselines: Mapping[str, Baseline] = field(default_factory=dict[str, Baseline])
    intervals: Sequence[Covered] = ()
    quantiles: Sequence[Below] = ()
    outermost: Covered | None = None


def measure(model: TableModel, prepared: Prepared) -> Measured:
    """Evaluate the network and the baselines on the test rows, or on another subset.

    Without test rows, the subset is the validation rows, or else the training rows. The baselines are fitted here,
    unless `prepared` has their outputs.
    """
    name, part = prepared.judged
    found = model.all_outputs(part.frame)
    outputs = model.central(found)
    baselines = prepared.baselines
    if baselines is None:
        encoder = model.fitted.encoder
        baselines = baseline_outputs(model.estimator, encoder, model.schema, prepared, part)
    models = {"lamina": Baseline(outputs, model.decision.threshold), **baselines}
    task = model.target.task
    metrics = {
        key: metrics_of(task, part.target, one.outputs, replace(model.decision, threshold=one.threshold))
        for key, one in models.items()
    }
    if task == "classification" or name != "test":
        return Measured(name, part, outputs, metrics, baselines)
    intervals = measured_intervals(model.fitted, model.inputs(part.frame), part.target)
    quantiles = levels_held(model.levels, part.target, found)
    return Measured(name, part, outputs, metrics, baselines, intervals, *quantiles)


def seconds_of_a_row(model: TableModel, part: Part) -> float:
    """Measure the model's prediction time per row, in seconds, on the first rows of `part`."""
    begun = time.perf_counter()
    model.outputs(part.frame[:_TIMED_ROWS])
    return (time.perf_counter() - begun) / max(min(len(part), _TIMED_ROWS), 1)


def losses_of(task: str, target: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The loss of each row: −log of the true class's probability, or the absolute error.

    The loss is infinite for a class that is absent from the training rows, since its probability is 0.
    """
    if task == "regression":
        return np.abs(outputs - target)
    rows: Any = np.arange(len(target))
    p = np.where(target >= 0, outputs[rows, target], 0.0)
    with np.errstate(divide="ignore"):
        return -np.log(p)


# --- rankings: ROC and precision-recall curves, with the network's operating point

_MOST_CURVES = 5
_MOST_POINTS = 400
_CALLED = {"lamina": "network", "linear": "linear model"}


@dataclass(frozen=True)
class Curve:
    """The points (x, y) of a curve, in order, and the area under the curve.

    `decision` is the point on the curve at the model's decision threshold, if any.
    """

    x: np.ndarray
    y: np.ndarray
    area: float
    decision: tuple[float, float] | None = None


@dataclass(frozen=True)
class Ranking:
    """A model's ROC and precision-recall curves for one class.

    Attributes:
        name: the model's name; with more than two classes, the class's name.
        share: the class's share of the rows.
        roc: the true positive rate by false positive rate; the area is the AUC.
        precision_recall: the precision by recall; the area is the average precision.
    """

    name: str
    share: float
    roc: Curve
    precision_recall: Curve


def rankings(measured: Measured, names: Sequence[str], decision: Decision) -> list[Ranking]:
    """ROC and precision-recall curves on the rows whose class occurs in training.

    For two classes, there are curves of the network and of the linear model. For more classes, there are curves of the
    network for each class against the rest, or for the five classes with the lowest average precision.
    There are no curves if all rows are of one class.
    """
    known = measured.rows.target >= 0
    target, outputs = measured.rows.target[known], measured.outputs[known]
    if len(names) == 2:
        models = {"lamina": outputs}
        models |= {key: one.outputs[known] for key, one in measured.baselines.items() if key in _CALLED}
        positive = decision.positive
        predicted = decision.decided(outputs) == positive
        found = [
            _ranking(_CALLED[key], target == positive, p[:, positive], predicted if key == "lamina" else None)
            for key, p in models.items()
        ]
        return [one for one in found if one is not None]
    each = (_ranking(name, target == j, outputs[:, j]) for j, name in enumerate(names))
    worst = sorted((one for one in each if one), key=lambda one: one.precision_recall.area)[:_MOST_CURVES]
    return sorted(worst, key=lambda one: names.index(one.name))


def _ranking(
    name: str, is_so: np.ndarray, probability: np.ndarray, predicted: np.ndarray | None = None
) -> Ranking | None:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    if is_so.all() or not is_so.any():
        return None
    false_rate, true_rate, _ = roc_curve(is_so, probability)
    precision, recall, _ = precision_recall_curve(is_so, probability, drop_intermediate=True)
    at_roc = at_recall = None
    if predicted is not None and predicted.any():
        reached = float(predicted[is_so].mean())
        at_roc = float(predicted[~is_so].mean()), reached
        at_recall = reached, float(is_so[predicted].mean())
    average = float(average_precision_score(is_so, probability))
    roc = Curve(*_few(false_rate, true_rate), float(auc(false_rate, true_rate)), at_roc)
    return Ranking(name, float(is_so.mean()), roc, Curve(*_few(recall, precision), average, at_recall))


def _few(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thin a curve to at most `_MOST_POINTS` points, evenly spaced along the curve."""
    if len(x) <= _MOST_POINTS:
        return x, y
    along = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], _MOST_POINTS)))
    return x[kept], y[kept]


# --- column importance: permutations


def permutation_importance(
    model: TableModel, part: Part, seed: int = 0, n_jobs: int | None = None, most_rows: int = MOST_ROWS
) -> list[Importance]:
    """The importance of each column, largest first, on at most `most_rows` rows; see `lamina.estimators.importance`."""
    rng = np.random.default_rng(seed)
    part = known_rows(part)
    rows = np.sort(rng.permutation(len(part))[:most_rows])
    if not len(rows):
        return []
    fitted = model.fitted
    encoded = fitted.encode(model.inputs(part.frame[rows]))
    return importance.permutation_importance(fitted, encoded, part.target[rows], rng, n_jobs)


# --- column importance: mean |SHAP|, with a number of predictions known in advance

OTHERS = "all others"
"""The name for all columns not listed individually."""

_SHARE_OF_COST = 0.5
"""Number of predictions for SHAP values, as a share of the number for permutation importance."""

_BACKGROUND = 50
_LEAST_BACKGROUND = 5
_FEWEST_EXPLAINED, _MOST_EXPLAINED = 20, 200
MOST_LOOKED_AT = _BACKGROUND + _MOST_EXPLAINED
"""The maximum number of rows used for SHAP values."""
_FEWEST_LOOKED_AT = 2
"""The minimum number of rows: a single row would be compared with itself, and all contributions would be 0."""

_Z = 1.96  # standard errors in half a 95 % interval


@dataclass(frozen=True)
class ColumnShap(Importance):
    """A column's mean absolute SHAP value over rows.

    Attributes:
        column: the column's name; `OTHERS` for all remaining columns together.
        mean: for numbers, the mean |SHAP value| in the target's unit (averaged over quantiles). For classes, the
            probability that the column moves between classes: half the sum of |SHAP value| over classes, which for two
            classes equals the |SHAP value| of either class.
        low, high: a 95 % interval, over the rows.
        classes: for three or more classes, the mean |SHAP value| of each class.
    """

    classes: Sequence[float] = ()


@dataclass(frozen=True)
class MeanShap:
    """The mean |SHAP value| of some columns over a sample of rows.

    Attributes:
        rows: the number of explained rows.
        background: the number of rows in the background sample.
        columns: the values of each column.
    """

    rows: int
    background: int
    columns: Sequence[ColumnShap]


def mean_shap_of_part(
    model: TableModel, part: Part, names: Sequence[str], seed: int = 0, most_rows: int = MOST_ROWS
) -> MeanShap | None:
    """`mean_shap` of a table's columns on sampled rows; None without columns or with a single row."""
    part, fitted = known_rows(part), model.fitted
    rows = np.random.default_rng(seed).permutation(len(part))[:MOST_LOOKED_AT]
    if len(rows) < _FEWEST_LOOKED_AT or not names:
        return None
    return mean_shap(fitted, fitted.encode(model.inputs(part.frame[rows])), names, seed, most_rows)


def mean_shap(
    fitted: FittedModel[Any], rows: Encoded, names: Sequence[str], seed: int = 0, most_rows: int = MOST_ROWS
) -> MeanShap:
    """The mean |SHAP value| of each column over some of the encoded rows.

    Args:
        fitted: the fitted model.
        rows: at least two encoded rows not used in training, in random order; the first are the background sample, and
            the last are explained.
        names: the columns to list; the other columns are combined into one entry, `OTHERS`.
        seed: the random seed.
        most_rows: the number of rows for permutation importance, which limits the number of predictions here.
    """
    numeric, codes = rows.numeric[:], rows.codes
    cost = predictions_made(most_rows, len(names))
    of_one = Game.of(fitted, rows, Encoded(numeric[:1], codes[:1]), names).cost
    compared = slice(None, min(_BACKGROUND, max(cost // (of_one * _FEWEST_EXPLAINED), _LEAST_BACKGROUND)))
    background = Encoded(numeric[compared], codes[compared])
    game = Game.of(fitted, background, background, names)
    count = min(_MOST_EXPLAINED, cost // game.cost, len(numeric))
    explained = slice(len(numeric) - max(count, 1), None)
    game = replace(game, rows=Encoded(numeric[explained], codes[explained]))
    values = np.abs(game.values(np.random.default_rng(seed)))
    players = [*names, OTHERS][: game.players]
    is_class = isinstance(fitted.target, Classes)
    return MeanShap(len(values), len(background.numeric), _column_shap(players, values, is_class=is_class))


def predictions_made(most_rows: int, columns: int) -> int:
    """The maximum number of predictions that `mean_shap` makes.

    It is a fixed share of the number that permutation importance makes."""
    return int(_SHARE_OF_COST * most_rows * (REPEATS * columns + 1))


def _column_shap(names: Sequence[str], values: np.ndarray, *, is_class: bool) -> list[ColumnShap]:
    """Summarize absolute SHAP values, (rows, columns, outputs), by column."""
    sizes = values.sum(axis=2) / 2 if is_class else values.mean(axis=2)
    means = sizes.mean(axis=0)
    half = _Z * sizes.std(axis=0, ddof=1) / np.sqrt(len(sizes)) if len(sizes) > 1 else np.zeros(len(means))
    classes = values.mean(axis=0).tolist() if is_class and values.shape[2] > 2 else [[]] * len(means)
    ends = np.maximum(means - half, 0), means + half
    columns = zip(names, means.tolist(), *(x.tolist() for x in ends), classes, strict=True)
    return [ColumnShap(*one) for one in columns]


# --- advice: what to try next, if a run's results suggest it

_FEW_TRIALS = 3
_RARE = 0.05
_FAR = 0.05
"""The minimum gain in F1 for advising another threshold."""
_DEVIATIONS = 2.0
"""Minimum number of standard errors of a significant mean difference."""


def advice(prepared: Prepared, model: TableModel, measured: Measured) -> list[str]:
    """Advice to users, in sentences: another decision threshold for a rare class, or a linear model."""
    return [*_on_rare(prepared, model), *_on_linear(model, measured)]


def advice_on_search(search: Mapping[str, Any], shown: tuple[str, int] = ("loss", -1)) -> list[str]:
    """Advice in a sentence if a blend is better, or the time limit allowed only one or two trials.

    `shown` is the name and the sign of displayed scores.

    >>> advice_on_search({"trials": 1, "limit": 20.0, "most_trials": None})[0][:50]
    'the time limit of 20 s was enough for only 1 trial'
    >>> advice_on_search({"trials": 1, "limit": None, "most_trials": 1})
    []
    >>> found = {"trials": 9, "limit": 60.0, "most_trials": None, "best": [(50.0, -0.316)], "blend": -0.3121}
    >>> print(advice_on_search(found)[0].partition(": ")[2])
    validation loss 0.3121 instead of 0.3160; --candidates linear,boosting allows them
    """
    tried, limit, most = search["trials"], search["limit"], search["most_trials"]
    if search.get("blend") is not None:
        return [blend_said(search["best"][-1][1], search["blend"], shown, f"--candidates {','.join(BLEND)}")]
    if limit is None or not 0 < tried < min(most or _FEW_TRIALS, _FEW_TRIALS):
        return []
    return [
        f"the time limit of {limit:g} s was enough for only {counted(tried, 'trial')}, so hardly any settings were "
        "compared; use a longer --time-limit (--resume continues the search), fewer rows, or --trials 10 without a "
        "time limit"
    ]


def _on_rare(prepared: Prepared, model: TableModel) -> list[str]:
    target, positive = model.target, model.decision.positive
    if target.task == "regression" or len(target.classes) != 2 or model.decision.threshold is not None:
        return []
    share = target.counts[positive] / sum(target.counts)
    if prepared.validation is None or share >= _RARE:
        return []
    part = known_rows(prepared.validation)
    outputs = model.outputs(part.frame)
    found = best_threshold("f1", part.target == positive, outputs[:, positive])
    now = metrics_of("classification", part.target, outputs, model.decision)["f1"] or 0.0
    if found is None or found[1] - now < _FAR:
        return []
    threshold, best = found
    other = "" if model.estimator.class_weight else ", or weigh it more with --class-weight balanced"
    return [
        f"{value_name(target.classes[positive])} is rare ({100 * share:.2g} % of the rows): on the validation rows its "
        f"F1 is {now:.3f}, but {best:.3f} if predicted at probabilities of {threshold:.2g} or more; for this, train "
        f"with --threshold f1{other}"
    ]


def _on_linear(model: TableModel, measured: Measured) -> list[str]:
    """Advice in a sentence if the linear model is significantly better on the test rows, otherwise an empty list."""
    linear = measured.baselines.get("linear")
    is_linear = not model.fitted.network.architecture.hidden
    if measured.part != "test" or linear is None or is_linear or model.levels:
        return []
    rows = measured.rows
    difference = _row_losses(rows.target, measured.outputs) - _row_losses(rows.target, linear.outputs)
    if len(difference) < 2 or not difference.any():
        return []
    error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
    if not difference.mean() > _DEVIATIONS * error:
        return []
    metric, name = ("log_loss", "log-loss") if model.target.task == "classification" else ("rmse", "RMSE")
    lamina, other = (format_metric(measured.metrics[key][metric], metric) for key in ("lamina", "linear"))
    return [
        f"the linear model is better on the {counted(len(difference), 'test row')}, by more than chance explains: "
        f"{name} {other}, the network's {lamina}; train a linear model with --hidden none, or search for a better "
        "network with --time-limit 5m"
    ]


def _row_losses(target: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The log-loss or the squared error of each row.

    Rows of classes that are absent from the training rows are left out. Errors are relative to the largest |target|.
    """
    if target.dtype.kind == "f":
        unit = np.abs(target).max() or 1.0  # since squares of numbers like 1e200 would be infinite
        return ((outputs - target) / unit) ** 2
    known = np.flatnonzero(target >= 0)
    return -np.log(np.maximum(outputs[known, target[known]], np.finfo(np.float64).tiny))
