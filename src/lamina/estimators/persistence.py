"""Storage of fitted estimators in safetensors files.

The files contain only arrays and JSON, no code.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from lamina.errors import DataError, LaminaError
from lamina.estimators import file_schema
from lamina.estimators.architecture import Architecture
from lamina.estimators.fitted import FittedModel
from lamina.estimators.network import Ensemble, part_of
from lamina.estimators.saved_network import is_network_format, load_network, not_finite, save_network
from lamina.estimators.settings import EstimatorSettings
from lamina.estimators.targets import SCALES, AnyTarget, Classes, Numbers, Quantiles, positive_class
from lamina.support.files.tensors import TensorFile, open_tensors, save_tensors
from lamina.support.files.typed_json import decoded
from lamina.support.messages import excerpt
from lamina.table.encode import TableEncoder
from lamina.table.kinds import name_of

FORMAT = "lamina estimator 11"
"""The ``format`` entry in the file's metadata.

Additions by format: 3: a digest of the file; 4: members with different architectures, several quantiles, held-out
outputs; 5: smooth numbers; 6: a threshold for two classes; 7: types of columns; 8: linear paths, and members that are
boosted trees or nearest neighbours; 9: exact values of numbers; 10: effects of categories in linear paths; 11: numbers
with many pieces apart from others.
"""

_KINDS = (file_schema.FirstContent, *[file_schema.ContentOfOneArchitecture] * 2, *[file_schema.Content] * 8)
_FORMATS = {f"lamina estimator {number}": kind for number, kind in enumerate(_KINDS, 1)}
_WITHOUT_DIGEST = ("lamina estimator 1", "lamina estimator 2")
_LEARNED = [name for name in file_schema.Learned.__struct_fields__ if name.endswith("_")]


def save(
    model: Any,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    inputs: Any = None,
    columns: Sequence[str] | None = None,
    classes: Any = None,
    target: str | None = None,
) -> None:
    """Write a fitted estimator or a Gluon network as a safetensors file, atomically.

    The file can be read by `load`, and by ``lamina serve``, ``predict``, ``evaluate``, ``explain`` and ``inspect``.

    Function-valued settings of an estimator (a loss, callbacks, a scoring) are not stored, since predictions don't
    need them. Column positions in settings are stored as column names.

    Args:
        model: a fitted `MLPClassifier` or `MLPRegressor`, or an initialized `HybridBlock` of one input and one output,
            whose first axis is rows.
        path: the file to write.
        metadata: additional strings by name, except ``format``, ``estimator``, ``network`` and ``symbol``.
        inputs: for a network, an example input such as ``nd.ones((1, 784))``.
        columns: for a network, the column names of its inputs, flattened; by default x0, x1, ….
        classes: for a network, the classes of its logits or probabilities (a single output belongs to the second of
            two classes); without classes, outputs are predicted numbers.
        target: for a network, the name of the predicted column.

    Raises:
        TypeError: `model` is neither a lamina estimator nor a `HybridBlock`.
        LaminaError: the estimator is not fitted, has parameters that are not finite, or has classes of a type that
            can't be stored; or the network can't be exported, or its `inputs`, `columns` or `classes` are missing or
            don't match the network.
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
    >>> from lamina import nd
    >>> from lamina.gluon import nn
    >>> net = nn.Dense(3)
    >>> net.initialize()
    >>> save(net, file, inputs=nd.ones((1, 4)), classes=["setosa", "versicolor", "virginica"])
    >>> load(file)(nd.ones((2, 4))).shape
    (2, 3)
    """
    of_network: dict[str, Any] = {"columns": columns, "classes": classes, "target": target}
    if hasattr(model, "collect_params"):
        save_network(model, path, inputs, metadata, **of_network)
        return
    _require_estimator(model, {"inputs": inputs, **of_network})
    _save_estimator(model, path, metadata)


def _require_estimator(model: Any, of_network: Mapping[str, Any]) -> None:
    """Raise `TypeError` unless `model` is an estimator, saved without the arguments for networks."""
    if not isinstance(model, EstimatorSettings):
        raise TypeError(
            "save(model, path) writes an MLPClassifier, an MLPRegressor or a Gluon network, not a "
            f"{type(model).__name__}"
        )
    said = next((name for name, value in of_network.items() if value is not None), None)
    if said is not None:
        raise TypeError(
            f"save: {said} is only for a Gluon network; an estimator already has it from training"
        )


def _save_estimator(estimator: Any, path: str | os.PathLike[str], metadata: Mapping[str, str] | None) -> None:
    """Write an estimator to a file; see `save`."""
    fitted = estimator.__dict__.get("fitted_")
    if fitted is None:
        raise LaminaError(f"this {type(estimator).__name__} is not fitted yet, so there is nothing to save")
    content, arrays = _content_and_arrays(estimator, fitted)
    text = as_json(content)
    cannot = f"this {type(estimator).__name__} can't be saved"
    decoded(text, file_schema.Content, cannot)
    if infinite := not_finite(arrays):
        raise LaminaError(f"{cannot}: {infinite} has values that are not finite")
    save_tensors(path, arrays, {**(metadata or {}), "format": FORMAT, "estimator": text})


def _content_and_arrays(
    estimator: Any, fitted: FittedModel[Any]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The metadata and the arrays of an estimator's file."""
    state = fitted.state()
    target, target_arrays = _target_state(fitted.target)
    names = [column.name for column in fitted.encoder.schema.columns]
    given = estimator.get_params()
    given |= {name: _by_name(given[name], names) for name in ("column_kinds", "monotone") if given[name]}
    parameters = {name: value for name, value in given.items() if file_schema.is_setting(value)}
    content = {
        "class": type(estimator).__name__,
        "parameters": parameters,
        "learned": {name: getattr(estimator, name) for name in _LEARNED if hasattr(estimator, name)},
        "feature_names": getattr(estimator, "feature_names_in_", None),
        "target": msgspec.to_builtins(target),
        "members": [
            {"architecture": parts, "share": share}
            for parts, share in zip(state["architectures"], state["shares"], strict=True)
        ],
        "encoder": state["encoder"]["settings"],
    }
    of_parts = {
        "network": state["network"],
        "encoder": state["encoder"]["arrays"],
        "target": target_arrays,
        "held_out": state["held_out"] or {},
    }
    return content, {f"{part}.{name}": x for part, arrays in of_parts.items() for name, x in arrays.items()}


def load(path: str | os.PathLike[str]) -> Any:
    """Load a file written by `save`: a fitted estimator, or a Gluon network as a `SymbolBlock`.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, of another type, or inconsistent.

    >>> import os, tempfile
    >>> import numpy as np
    >>> import lamina
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> model = lamina.MLPRegressor(preset="fast", max_iter=2, random_state=0).fit(X, X[:, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lamina.save(model, os.path.join(folder, "model.safetensors"))
    ...     loaded = lamina.load(os.path.join(folder, "model.safetensors"))
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    with open_tensors(path) as file:
        is_network = is_network_format(file.metadata.get("format", ""))
    return load_network(path) if is_network else load_fitted(path).estimator()


@dataclass(frozen=True)
class Saved:
    """The content of an estimator's file.

    Only the method `estimator` needs scikit-learn.

    Attributes:
        fitted: the fitted model.
        metadata: all strings in the file.
    """

    fitted: FittedModel[Any]
    metadata: dict[str, str]
    _content: file_schema.Content
    _file: TensorFile

    def estimator(self) -> Any:
        """A new fitted estimator.

        Raises:
            DataError: the file has a setting that doesn't exist.
            MissingPackageError: scikit-learn is not installed.
        """
        with self._file.converted():
            return _estimator(self._content, self.fitted)


def load_fitted(path: str | os.PathLike[str]) -> Saved:
    """The content of an estimator's file, including the fitted model.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, of another type, or inconsistent.
    """
    with open_tensors(path) as file:
        content = _content(file)
        with file.converted():
            return Saved(_fitted(content, file), file.metadata, content, file)


def _content(file: TensorFile) -> file_schema.Content:
    """The estimator's metadata in a file of any format, converted to the current format."""
    written = file.metadata.get("format", "")
    if written not in _FORMATS:
        if re.fullmatch("lamina estimator [0-9]+", written):
            raise DataError(
                f"{file.name} has the format {excerpt(written)!r}: it was written by a newer lamina; upgrade to read it"
            )
        raise DataError(f"{file.name} is not a file of an estimator saved by lamina")
    if written not in _WITHOUT_DIGEST and not file.is_signed:
        raise file.damaged("it has lost its digest")
    text, what = file.metadata.get("estimator", ""), f"{file.name} is damaged"
    return decoded(text, _FORMATS[written], what).modern()


def _fitted(content: file_schema.Content, file: TensorFile) -> FittedModel[Any]:
    architectures = content.architectures()
    encoder_settings = msgspec.to_builtins(content.encoder)
    require_networks(architectures, file, ("encoder.", "target.", "held_out."))
    arrays = {name.replace("target._", "target."): array for name, array in file.arrays().items()}
    if infinite := not_finite(arrays):
        raise ValueError(f"{infinite} has values that are not finite")
    shares = [one.share for one in content.members]
    encoder = TableEncoder.from_state(encoder_settings, part_of(arrays, "encoder."))
    network = Ensemble.from_state(architectures, part_of(arrays, "network."), shares)
    target = _target(content, part_of(arrays, "target."))
    return FittedModel[Any].restored(encoder, network, target, part_of(arrays, "held_out."))


def _estimator(content: file_schema.Content, fitted: FittedModel[Any]) -> Any:
    from lamina.estimators import MLPClassifier, MLPRegressor

    estimator: Any = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[content.kind]()
    unknown = content.parameters.keys() - estimator.get_params().keys()
    if unknown:
        raise ValueError(f"it has a setting {min(unknown)!r}, which estimators do not have")
    estimator.set_params(**content.parameters)
    for name, value in msgspec.to_builtins(content.learned).items():
        setattr(estimator, name, value)
    if content.feature_names is not None:
        estimator.feature_names_in_ = np.array(content.feature_names, object)
    estimator.fitted_ = fitted
    return estimator


def require_networks(
    architectures: Sequence[Architecture], file: TensorFile, others: tuple[str, ...]
) -> None:
    """Raise an error unless the file has exactly the arrays of these networks, ``network.0.…``.

    Arrays whose names begin with one of the prefixes in `others` are allowed, too. The check allocates no arrays.

    Raises:
        ValueError: an array is missing, unexpected, or has the wrong shape or dtype.
    """
    least = sum(2 * (len(parts.hidden) + 1) + len(parts.cardinalities) for parts in architectures)
    if least > len(file.shapes):
        raise ValueError(
            f"{len(architectures)} networks need at least {least} arrays, but the file has {len(file.shapes)}"
        )
    parameters = {parts: parts.parameters() for parts in set(architectures)}
    wanted = {
        f"network.{i}.{name}": parameter.shape
        for i, parts in enumerate(architectures)
        for name, parameter in parameters[parts].items()
    }
    for name, shape in wanted.items():
        if file.shapes.get(name) != shape or file.dtypes[name] != np.float32:
            raise ValueError(
                f"the architecture says that {name} is float32 {shape}; in the file it is {_described(file, name)}"
            )
    more = [name for name in file.shapes if name not in wanted and not name.startswith(others)]
    if more:
        raise ValueError(f"the architecture has no array {min(more)!r}")


def _described(file: TensorFile, name: str) -> str:
    return f"{file.dtypes[name]} {file.shapes[name]}" if name in file.shapes else "missing"


def _target_state(target: AnyTarget) -> tuple[file_schema.TargetState, dict[str, np.ndarray]]:
    if isinstance(target, Classes):
        state = file_schema.stored_classes(target.values)
        state.multilabel = target.multilabel
        if target.is_binary:
            state.positive = 1 if target.positive else 0
            state.threshold = UNSET if target.threshold is None else target.threshold
        return state, {}
    state = file_schema.TargetState(flat=target.flat, logarithmic=target.logarithmic)
    if isinstance(target, Quantiles):
        state.levels = list(target.levels)
    return state, {name: getattr(target, name) for name in SCALES}


def _target(content: file_schema.Content, arrays: Mapping[str, np.ndarray]) -> AnyTarget:
    state = content.target
    if content.kind == "MLPClassifier":
        if not isinstance(state.multilabel, bool):
            raise ValueError("it does not say whether rows have several labels")
        return _classes(Classes(file_schema.class_values(state), state.multilabel), content)
    if not isinstance(state.flat, bool) or not isinstance(state.logarithmic, bool):
        raise ValueError("it does not say whether the target is 1-D and logarithmic")
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != dict.fromkeys(SCALES, (content.architectures()[0].outputs,)):
        raise ValueError(f"the target's scale has unknown arrays, or arrays of wrong shapes: {shapes}")
    scales: dict[str, Any] = {name: arrays[name].astype(np.float64) for name in SCALES}
    numbers = Numbers(**scales, flat=state.flat, logarithmic=state.logarithmic)
    return numbers if state.levels is UNSET else Quantiles.restored(numbers, state.levels)


def _classes(classes: Classes, content: file_schema.Content) -> Classes:
    """The classes with the file's positive class and threshold.

    Older files lack both.
    """
    state, told = content.target, content.encoder.schema.target
    if not classes.is_binary:
        if state.threshold is not UNSET:
            raise ValueError("it has a threshold, but not two classes")
        return classes
    counts = () if told is None else told.counts
    positive = state.positive
    if positive is UNSET:
        positive = positive_class(classes.values, counts) if len(counts) == 2 else 1
    threshold = None if state.threshold is UNSET else state.threshold
    return dataclasses.replace(classes, positive=positive, threshold=threshold)


def _by_name(by_column: Mapping[Any, Any], names: Sequence[str]) -> dict[str, Any]:
    """A setting as a dict by column name; the keys of `by_column` are column names or positions."""
    return {name_of(key, names): value for key, value in by_column.items()}


def as_json(content: Mapping[str, Any]) -> str:
    """The content as a JSON text; arrays and NumPy's scalars become lists and plain values."""
    return json.dumps(content, default=lambda value: value.tolist())
