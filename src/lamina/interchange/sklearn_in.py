"""`from_sklearn`: lamina's estimator with the network that one of scikit-learn's has learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.extras import require

__all__ = ["from_sklearn"]

_SAME_SETTINGS = (
    "hidden_layer_sizes", "activation", "alpha", "batch_size", "learning_rate_init", "max_iter", "random_state", "tol",
    "verbose", "warm_start", "momentum", "nesterovs_momentum", "early_stopping", "validation_fraction", "beta_1",
    "beta_2", "epsilon", "n_iter_no_change",
)  # fmt: skip
_LEARNED = (
    "loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_", "n_iter_", "t_",
    "n_features_in_", "feature_names_in_",
)  # fmt: skip
_LARGEST = np.finfo(np.float64).max


def from_sklearn(model: Any) -> Any:
    """lamina's estimator with the network of a fitted MLPClassifier or MLPRegressor of scikit-learn, or of
    `lamina.neural_network`.

    It predicts the same, to the rounding of float32, and trains on: `partial_fit`, or `fit` after
    ``set_params(warm_start=True)``. Settings that both have are taken over; with ``solver="lbfgs"`` it would train on
    with Adam. A network with one logistic output gets one for each of its two classes.

    Args:
        model: the estimator; or a pipeline of StandardScaler, MinMaxScaler, MaxAbsScaler or RobustScaler and it, whose
            scaling becomes that of the columns.

    Returns:
        A `lamina.MLPClassifier` or `lamina.MLPRegressor`, with all settings given as they are in scikit-learn.

    Raises:
        TypeError: another kind of estimator.
        DataError: it is not fitted, or a step of the pipeline is no scaling.

    >>> import numpy as np
    >>> from sklearn.neural_network import MLPClassifier
    >>> import lamina as mx
    >>> X = np.linspace(-1, 1, 40).reshape(-1, 2)
    >>> theirs = MLPClassifier((8,), solver="lbfgs", random_state=0).fit(X, X[:, 0] > 0)
    >>> ours = mx.from_sklearn(theirs)
    >>> bool(abs(ours.predict_proba(X) - theirs.predict_proba(X)).max() < 1e-6)
    True
    """
    require("taking over an estimator of scikit-learn", "scikit-learn")
    from sklearn.neural_network import MLPClassifier as TheirClassifier
    from sklearn.neural_network import MLPRegressor as TheirRegressor
    from sklearn.pipeline import Pipeline

    from lamina.estimators import MLPClassifier, MLPRegressor

    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    *before, network = steps
    if not isinstance(network, TheirClassifier | TheirRegressor):
        raise TypeError(
            f"from_sklearn takes scikit-learn's MLPClassifier or MLPRegressor, not a {type(network).__name__}"
        )
    _require_fitted(network)
    is_classifier = isinstance(network, TheirClassifier)
    kind = MLPClassifier if is_classifier else MLPRegressor
    ours: Any = kind(**_settings(network, kind))
    scales = [scale for step in before if (scale := _scale(step)) is not None]
    _take_over(ours, network, _names(model, before, network), scales, is_classifier)
    return ours


def _require_fitted(network: Any) -> None:
    if not hasattr(network, "coefs_"):
        raise DataError(f"this {type(network).__name__} is not fitted yet, so there is nothing to take over")
    for name in ("coefs_", "intercepts_"):
        for i, array in enumerate(getattr(network, name)):
            if not np.isfinite(np.asarray(array, np.float32)).all():
                raise DataError(f"{name}[{i}] has values that are not finite in float32")


def _settings(network: Any, kind: Any) -> dict[str, Any]:
    """lamina's settings that do what those of the estimator do."""
    from lamina.estimators.settings import Settings

    plain = {name: value for name, value in vars(Settings("sklearn")).items() if hasattr(kind, name)}
    settings = {name: getattr(network, name) for name in _SAME_SETTINGS}
    settings["solver"] = "sgd" if network.solver == "sgd" else "adam"
    if getattr(network, "loss", None) == "poisson":
        settings["loss"] = "poisson"
    return {**plain, "preset": "fast", "scoring": kind._plain_score, "learning_rate": "constant", **settings}


def _names(model: Any, before: list[Any], network: Any) -> list[str] | None:
    """The names of the columns, if the table of the training had any."""
    names = getattr(model, "feature_names_in_", None) if before else None
    names = getattr(network, "feature_names_in_", None) if names is None else names
    return None if names is None else [str(name) for name in names]


def _scale(step: Any) -> tuple[np.ndarray | float, np.ndarray | float] | None:
    """What a step of a pipeline subtracts from each column, and multiplies by then; None for nothing."""
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    if step is None or step == "passthrough":
        return None
    if isinstance(step, StandardScaler | RobustScaler):
        center = step.mean_ if isinstance(step, StandardScaler) else step.center_
        factor = 1.0 if step.scale_ is None else 1.0 / np.asarray(step.scale_)
        uses_center = step.with_mean if isinstance(step, StandardScaler) else step.with_centering
        return (np.asarray(center) if uses_center else 0.0), factor
    if isinstance(step, MaxAbsScaler):
        return 0.0, 1.0 / np.asarray(step.scale_)
    if isinstance(step, MinMaxScaler) and not step.clip:
        return -np.asarray(step.min_) / np.asarray(step.scale_), np.asarray(step.scale_)
    raise DataError(
        f"the pipeline's step {type(step).__name__} is no scaling of single columns that lamina has; "
        "apply it before, and give the network alone"
    )


# --- the fitted model -------------------------------------------------------------------------------------------------


def _take_over(
    ours: Any, network: Any, names: list[str] | None, scales: list[Any], is_classifier: bool
) -> None:
    """Give an estimator what one of scikit-learn's has learned."""
    from lamina.estimators.architecture import Architecture
    from lamina.estimators.fitted import FittedModel
    from lamina.estimators.network import Ensemble

    target = _classes(network) if is_classifier else _numbers(network)
    arrays = _layers(network, two_classes=is_classifier and target.outputs == network.n_outputs_ + 1)
    columns = network.coefs_[0].shape[0]
    hidden = tuple(int(weight.shape[1]) for weight in network.coefs_[:-1])
    architecture = Architecture(
        numbers=columns, inputs=columns, cardinalities=(), outputs=target.outputs, hidden=hidden,
        activation=network.activation, dropout=0.0, number_embedding=False, input_scale=False,
        learned_activation=False, ntk=False,
    )  # fmt: skip
    encoder = _encoder(columns, names, scales)
    ours.fitted_ = FittedModel(encoder, Ensemble.from_state([architecture], arrays), target)
    ours.validation_scores_ = ours.best_validation_score_ = ours.best_loss_ = None
    ours.loss_curve_ = []
    for name in _LEARNED:
        if getattr(network, name, None) is not None:
            setattr(ours, name, getattr(network, name))
    if names is not None:
        ours.feature_names_in_ = np.array(names, object)


def _layers(network: Any, two_classes: bool) -> dict[str, np.ndarray]:
    """The weights under lamina's names. One output z becomes -z/2 and z/2, whose softmax is the logistic function."""
    arrays: dict[str, np.ndarray] = {}
    last = len(network.coefs_) - 1
    for i, pair in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        for name, values in zip(("weight", "bias"), pair, strict=True):
            if i == last and two_classes:
                values = np.concatenate([values / -2, values / 2], axis=-1)
            arrays[f"0.{name}{i}"] = np.ascontiguousarray(values, np.float32)
    return arrays


def _classes(network: Any) -> Any:
    from lamina.estimators.targets import Classes

    several = network._label_binarizer.y_type_ == "multilabel-indicator"
    return Classes(np.arange(network.n_outputs_) if several else np.asarray(network.classes_), several)


def _numbers(network: Any) -> Any:
    """Targets in their own units, without bounds."""
    from lamina.estimators.targets import Numbers

    count = network.n_outputs_
    low, high = np.full(count, -_LARGEST), np.full(count, _LARGEST)
    logarithmic = network.out_activation_ == "exp"
    low = np.zeros(count) if logarithmic else low
    return Numbers(low, high, np.zeros(count), np.ones(count), count == 1, logarithmic)


def _encoder(columns: int, names: list[str] | None, scales: list[Any]) -> Any:
    from lamina.table.encode import TableEncoder
    from lamina.table.kinds import infer
    from lamina.table.schema import ColumnSchema, Schema
    from lamina.table.types import Number

    if names is None:
        schema = infer(np.zeros((2, columns)))
    else:
        schema = Schema(tuple([ColumnSchema(name, Number()) for name in names]), rows=0, named=True)
    center, factor = np.zeros(columns), np.ones(columns)
    for shift, scale in scales:  # ((x − center) · factor − shift) · scale
        center, factor = center + shift / factor, factor * scale
    settings = {
        "version": 1, "schema": schema.to_dict(), "max_one_hot": 8, "missing_indicator": False,
        "robust_scale": bool(scales), "smooth_clip": False,
    }  # fmt: skip
    return TableEncoder.from_state(settings, {"center": center, "factor": factor, "fill": center})
