"""Saving a fitted estimator as one safetensors file, and loading it: arrays and JSON, nothing that executes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.estimators.network import Architecture, Ensemble, Network, part_of
from lamina.io.files import load_tensors, save_tensors

__all__ = ["FORMAT", "load", "load_with_metadata", "save"]

FORMAT = "lamina estimator 1"
"""What the metadata of such a file says under ``format``."""

_PLAIN = (str, int, float, bool, type(None))
_LEARNED = (
    "loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_", "best_epoch_", "n_iter_",
    "t_", "n_features_in_", "_multilabel", "_flat",
)  # fmt: skip
_SCALES = ("_low", "_high", "_center", "_scale")
_FREQUENCIES, _NUMBER_WIDTH = 16, 3


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
    network = vars(estimator).get("_network")
    if network is None:
        raise LaminaError(f"this {type(estimator).__name__} is not fitted yet, so there is nothing to save")
    encoder_settings, encoder_arrays = estimator._encoder.state()
    content = {
        "class": type(estimator).__name__,
        "parameters": {
            name: _plain(value) for name, value in estimator.get_params().items() if _is_plain(value)
        },
        "learned": {name: _plain(getattr(estimator, name)) for name in _LEARNED if hasattr(estimator, name)},
        "feature_names": _plain(getattr(estimator, "feature_names_in_", None)),
        "classes": _classes_state(estimator),
        "architecture": dataclasses.asdict(network.architecture),
        "members": len(network.members),
        "rates": {name: [float(weight.rate), bool(weight.decay)] for name, weight in network.weights.items()},
        "encoder": encoder_settings,
    }
    arrays = {f"network.{name}": array for name, array in network.state().items()}
    arrays |= {f"encoder.{name}": array for name, array in encoder_arrays.items()}
    arrays |= {f"target.{name}": getattr(estimator, name) for name in _SCALES if hasattr(estimator, name)}
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
    if metadata.get("format") != FORMAT:
        raise DataError(f"{os.fspath(path)} is not an estimator that lamina saved")
    try:
        estimator = _restored(json.loads(metadata["estimator"]), arrays)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{os.fspath(path)} is damaged: {type(error).__name__}: {error}") from error
    return estimator, metadata


def _restored(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    from lamina.estimators import MLPClassifier, MLPRegressor
    from lamina.table.encode import TableEncoder

    kind: Any = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[content["class"]]
    estimator = kind(**content["parameters"])
    for name, value in content["learned"].items():
        if name not in _LEARNED:
            raise ValueError(f"an attribute {name!r} that estimators do not have")
        setattr(estimator, name, value)
    if content["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(content["feature_names"], object)
    _restore_target(estimator, content["classes"], part_of(arrays, "target."))
    estimator._encoder = TableEncoder.from_state(content["encoder"], part_of(arrays, "encoder."))
    estimator._network = _ensemble(content, part_of(arrays, "network."))
    _require_fit(estimator)
    return estimator


def _restore_target(estimator: Any, classes: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Classes of a classification, the scale of a regression's target."""
    if estimator._task == "classification":
        estimator.classes_ = np.array(classes["values"], dtype=classes["dtype"])
        if estimator.classes_.ndim != 1:
            raise ValueError("classes are a list of values")
        return
    for name in _SCALES:
        setattr(estimator, name, arrays[name].astype(np.float64))


def _ensemble(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Ensemble:
    settings = {name: _tuples(value) for name, value in content["architecture"].items()}
    architecture = Architecture(**settings)
    members = {name.split(".")[0] for name in arrays}
    if len(members) != content["members"]:
        raise ValueError(f"{content['members']} networks, but arrays of {len(members)}")
    return Ensemble(
        [
            _network(architecture, part_of(content["rates"], f"{i}."), part_of(arrays, f"{i}."))
            for i in range(len(members))
        ]
    )


def _network(
    architecture: Architecture, rates: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Network:
    from lamina import nd

    shapes = _expected_shapes(architecture)
    if set(shapes) != set(arrays):
        raise ValueError(f"the architecture does not fit the arrays {sorted(set(shapes) ^ set(arrays))[:5]}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ValueError(
                f"{name} is {arrays[name].dtype} {arrays[name].shape}; the architecture says float32 {shape}"
            )
    network = Network(architecture)
    for name, array in arrays.items():
        if name.startswith("running."):
            network.running[name.removeprefix("running.")] = nd.array(array)
    for name, (rate, decay) in rates.items():  # in the order of the network's own making
        network.add(name, arrays[name], rate=float(rate), decay=bool(decay))
    if len(network.weights) + len(network.running) != len(arrays):
        raise ValueError("there are not as many learning rates as parameters")
    return network


def _expected_shapes(parts: Architecture) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a network's state."""
    shapes: dict[str, tuple[int, ...]] = {}
    if parts.embeds_numbers:
        shapes["frequency"] = shapes["phase"] = (parts.numbers, 1, _FREQUENCIES)
        shapes["number"] = (parts.numbers, _FREQUENCIES, _NUMBER_WIDTH)
        shapes["number_bias"] = (parts.numbers, 1, _NUMBER_WIDTH)
    if parts.has_pieces:
        shapes["running.knot"] = shapes["running.slope"] = (parts.numbers, 1, parts.pieces)
        shapes["pieces"] = (parts.numbers, parts.pieces, _NUMBER_WIDTH)
    for j, cardinality in enumerate(parts.cardinalities):
        shapes[f"embedding{j}"] = (cardinality, parts.embedding_width)
    if parts.input_scale:
        shapes["scale"] = (parts.width,)
    widths = (parts.width, *parts.hidden, parts.outputs)
    for i in range(len(widths) - 1):
        shapes[f"weight{i}"], shapes[f"bias{i}"] = (widths[i], widths[i + 1]), (widths[i + 1],)
    for i, width in enumerate(parts.hidden):
        if parts.learned_activation:
            shapes[f"alpha{i}"] = (width,)
        if parts.normalization:
            shapes[f"gamma{i}"] = shapes[f"beta{i}"] = (width,)
        if parts.normalization == "batch":
            shapes[f"running.mean{i}"] = shapes[f"running.variance{i}"] = (1, width)
    return shapes


def _require_fit(estimator: Any) -> None:
    """The parts of a loaded estimator belong together."""
    parts, encoder = estimator._network.architecture, estimator._encoder
    parts.activations()
    parts.dropouts()
    wanted = (encoder.n_numbers, len(encoder.numeric_names), tuple(encoder.cardinalities))
    if (parts.numbers, parts.inputs, parts.cardinalities) != wanted:
        raise ValueError("the network has other inputs than the encoder's columns")
    if estimator._outputs() != parts.outputs:
        raise ValueError(f"the network has {parts.outputs} outputs, but the target {estimator._outputs()}")
    if not isinstance(estimator.n_features_in_, int):
        raise ValueError("the number of columns is not a number")


def _classes_state(estimator: Any) -> dict[str, Any] | None:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return None
    dtype = "O" if classes.dtype == object else classes.dtype.str
    return {"dtype": dtype, "values": _plain(classes)}


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
