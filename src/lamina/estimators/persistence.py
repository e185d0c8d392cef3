"""Saving a fitted estimator as one safetensors file, and loading it: arrays and JSON, nothing that executes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.estimators.architecture import Architecture
from lamina.estimators.fitted import FittedModel
from lamina.estimators.network import Ensemble, part_of
from lamina.estimators.targets import Classes, Numbers
from lamina.io.tensors import load_tensors, save_tensors

__all__ = ["FORMAT", "load", "load_with_metadata", "save"]

FORMAT = "lamina estimator 2"
"""What the metadata of such a file says under ``format``."""

_FORMAT_1 = "lamina estimator 1"
_PLAIN = (str, int, float, bool, type(None))
_LEARNED = (
    "loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_", "best_epoch_", "n_iter_",
    "t_", "n_features_in_",
)  # fmt: skip
_SCALES = ("low", "high", "center", "scale")


def save(estimator: Any, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write a fitted `MLPClassifier` or `MLPRegressor` as a safetensors file, atomically.

    Settings that are functions (a loss, callbacks, a scoring) are not stored: predictions don't need them.

    Args:
        estimator: the fitted estimator.
        path: the file to write.
        metadata: text to keep beside it; names other than ``format`` and ``estimator``.

    Raises:
        LaminaError: the estimator is not fitted.
        OSError: the folder is missing or not writable.

    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from lamina import MLPRegressor
    >>> from lamina.estimators.persistence import load, save
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> model = MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, X.ravel())
    >>> file = pathlib.Path(tempfile.mkdtemp(), "model.safetensors")
    >>> save(model, file)
    >>> bool((load(file).predict(X) == model.predict(X)).all())
    True
    """
    fitted = vars(estimator).get("fitted_")
    if fitted is None:
        raise LaminaError(f"this {type(estimator).__name__} is not fitted yet, so there is nothing to save")
    network = fitted.network
    network = fitted.network
    encoder_settings, encoder_arrays = fitted.encoder.state()
    target_settings, target_arrays = _target_state(fitted.target)
    content = {
        "class": type(estimator).__name__,
        "parameters": {
            name: _plain(value) for name, value in estimator.get_params().items() if _is_plain(value)
        },
        "learned": {name: _plain(getattr(estimator, name)) for name in _LEARNED if hasattr(estimator, name)},
        "feature_names": _plain(getattr(estimator, "feature_names_in_", None)),
        "target": target_settings,
        "architecture": dataclasses.asdict(network.architecture),
        "members": len(network.members),
        "encoder": encoder_settings,
    }
    arrays = {f"network.{name}": array for name, array in network.state().items()}
    arrays |= {f"encoder.{name}": array for name, array in encoder_arrays.items()}
    arrays |= {f"target.{name}": array for name, array in target_arrays.items()}
    save_tensors(path, arrays, {**(metadata or {}), "format": FORMAT, "estimator": json.dumps(content)})


def load(path: str | os.PathLike[str]) -> Any:
    """The estimator that `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, of another kind, or its parts do not fit together.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(path: str | os.PathLike[str]) -> tuple[Any, dict[str, str]]:
    """As `load`, and the metadata that was kept beside the estimator."""
    arrays, metadata = load_tensors(path)
    if metadata.get("format") not in (FORMAT, _FORMAT_1):
        raise DataError(f"{os.fspath(path)} is not an estimator that lamina saved")
    try:
        content = json.loads(metadata["estimator"])
        if metadata["format"] == _FORMAT_1:
            content, arrays = _from_format_1(content, arrays)
        estimator = _restored(content, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{os.fspath(path)} is damaged: {type(error).__name__}: {error}") from error
    return estimator, metadata


def _from_format_1(
    content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a file of today holds, from one in which the target's parts were attributes of the estimator."""
    learned = dict(content["learned"])
    if content["class"] == "MLPClassifier":
        target = {**content["classes"], "multilabel": learned.pop("_multilabel")}
    else:
        target = {"flat": learned.pop("_flat"), "logarithmic": content["parameters"].get("loss") == "poisson"}
    renamed = {name.replace("target._", "target."): array for name, array in arrays.items()}
    return {**content, "learned": learned, "target": target}, renamed


def _restored(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    from lamina.estimators import MLPClassifier, MLPRegressor
    from lamina.table.encode import TableEncoder

    kind: Any = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[content["class"]]
    estimator = kind(**content["parameters"])
    for name, value in content["learned"].items():
        if name not in _LEARNED:
            raise ValueError(f"an attribute {name!r} that estimators do not have")
        setattr(estimator, name, value)
    if not isinstance(estimator.n_features_in_, int):
        raise ValueError("the number of columns is not a number")
    if content["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(content["feature_names"], object)
    architecture = Architecture(**{name: _tuples(value) for name, value in content["architecture"].items()})
    estimator.fitted_ = FittedModel(
        TableEncoder.from_state(content["encoder"], part_of(arrays, "encoder.")),
        Ensemble.from_state(architecture, part_of(arrays, "network."), content["members"]),
        _target(content["class"], content["target"], part_of(arrays, "target.")),
    )
    _require_fit(estimator.fitted_)
    return estimator


def _require_fit(fitted: FittedModel[Any]) -> None:
    """The parts of a loaded model belong together."""
    parts, encoder = fitted.network.architecture, fitted.encoder
    parts.activations()
    parts.dropouts()
    wanted = (encoder.n_numbers, len(encoder.numeric_names), tuple(encoder.cardinalities))
    if (parts.numbers, parts.inputs, parts.cardinalities) != wanted:
        raise ValueError("the network has other inputs than the encoder's columns")
    if fitted.target.outputs != parts.outputs:
        raise ValueError(f"the network has {parts.outputs} outputs, but the target {fitted.target.outputs}")


def _target_state(target: Classes | Numbers) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if isinstance(target, Classes):
        dtype = "O" if target.values.dtype == object else target.values.dtype.str
        return {"dtype": dtype, "values": _plain(target.values), "multilabel": target.multilabel}, {}
    settings = {"flat": target.flat, "logarithmic": target.logarithmic}
    return settings, {name: getattr(target, name) for name in _SCALES}


def _target(kind: str, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Classes | Numbers:
    if kind == "MLPRegressor":
        scales = {name: arrays[name].astype(np.float64) for name in _SCALES}
        return Numbers(**scales, flat=bool(settings["flat"]), logarithmic=bool(settings["logarithmic"]))
    values = np.array(settings["values"], dtype=settings["dtype"])
    if values.ndim != 1:
        raise ValueError("classes are a list of values")
    return Classes(values, bool(settings["multilabel"]))


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold a setting."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) for key in value) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, (*_PLAIN, np.generic))


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
