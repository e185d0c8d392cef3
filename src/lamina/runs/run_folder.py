"""The files of a run on a table: model, metrics, settings, and checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from lamina.errors import DataError, LaminaError
from lamina.estimators.file_schema import Scalar, TableSchema
from lamina.estimators.fitted import FittedModel
from lamina.estimators.importance import Importance, Word
from lamina.estimators.persistence import load_fitted, save
from lamina.estimators.saved_network import is_network_format, network_estimator, network_fitted
from lamina.estimators.targets import target_named
from lamina.runs.data import Request
from lamina.runs.evaluation import ColumnShap, MeanShap
from lamina.runs.metrics import Below, Covered
from lamina.runs.model import TableModel
from lamina.support.files.tensors import TensorFile, is_tensor_file, open_tensors
from lamina.support.files.typed_json import Count, decoded, strict
from lamina.table.schema import Schema, Task
from lamina.table.source import ReadOptions
from lamina.table.types import Choice
from lamina.training.checkpoint import Checkpoint, Lines, Position, damaged, write_json_lines, write_settings
from lamina.training.run_folder import CHECKPOINT, METRICS, MODEL, TRIALS, model_file

_SEARCH = "lamina search 1"
"""The format of a search's `CHECKPOINT`, which contains only the request; trials are separate files."""


def search_metadata(request: Request) -> dict[str, str]:
    """The metadata of a search's checkpoint file: its format, and the request."""
    return {"format": _SEARCH, "request": json.dumps(request.to_dict())}


def read_unfinished(folder: Path) -> tuple[Request, Checkpoint | None]:
    """Read the request of an unfinished run, and the checkpoint for resuming the run.

    For a search, the checkpoint is None, since each trial has a file. A complete search can be resumed, too, with more
    time or more trials.

    Raises:
        LaminaError: there is no run in the folder, the run is complete, or there is no checkpoint.
        DataError: the checkpoint is damaged.
    """
    file = folder / CHECKPOINT
    if not file.is_file():
        _, details = open_run(folder)
        if details["results"].get("search") and (folder / TRIALS).is_dir():
            settings = details["settings"]
            asked = {field.name: settings[field.name] for field in dataclasses.fields(Request)}
            return Request.from_dict(asked), None
        if details["results"]["interrupted"]:
            raise LaminaError(
                f"{folder} was interrupted before the first checkpoint, so it can't be resumed; train again"
            )
        raise LaminaError(
            f"the run in {folder} is complete; to train again, use --out {folder} --replace, or another --out"
        )
    with open_tensors(file) as opened:
        if opened.metadata.get("format") == _SEARCH and opened.is_signed:
            opened.arrays()  # has no arrays; reading checks the digest
            text, what = opened.metadata.get("request", ""), str(damaged(file, "its metadata"))
            return Request.from_dict(msgspec.to_builtins(decoded(text, Asked, what))), None
        checkpoint = Checkpoint.of(opened, Asked, TablePosition, _check_layers)
    return Request.from_dict(checkpoint.request), checkpoint


def _check_layers(asked: Any, file: TensorFile) -> None:
    """Raise an error unless the file's hidden layers have the requested widths.

    Training would allocate the requested layers before it compares them with the file, so this check comes first.
    """
    found = [file.shapes.get(f"network.0.weight{i}", ())[1:] for i in range(len(file.shapes))]
    widths = [shape[0] for shape in found if shape]
    if asked.hidden is not None and list(asked.hidden) != widths[:-1]:
        raise damaged(file.name, "its arrays belong to another network")


def save_run(
    folder: Path, model: TableModel, settings: Mapping[str, Any], results: Mapping[str, Any], history: Lines
) -> None:
    """Write model.safetensors, settings.json and metrics.jsonl into a folder.

    Args:
        folder: the destination.
        model: the trained network.
        settings: the request, as JSON values.
        results: the run's results, such as numbers of rows and metrics, as JSON values.
        history: one object of metrics per epoch.
    """
    table = {"settings": dict(settings), "results": dict(results)}
    save(model.estimator, folder / MODEL, {"table": json.dumps(table)})
    write_settings(folder, settings)
    write_json_lines(folder / METRICS, history)


def open_model(path: Path, target: str | None = None) -> tuple[TableModel, dict[str, Any]]:
    """Load a saved table model, and the details of its training.

    For a run on a table, the details are the arguments "settings" and "results" of `save_run`; for a file of
    `lamina.save`, both are None. Columns without names are called x0, x1, …, and a target without a name "target".

    Args:
        path: a run's folder, its model file, or a file of `lamina.save`.
        target: the target column's name, if not as in the file.

    Raises:
        DataError: there is no model, the model is damaged, or the file has another type.
    """
    file = _existing(path)
    details: dict[str, Any] = {"settings": None, "results": None}
    with open_tensors(file) as opened:
        metadata = opened.metadata
    if "table" in metadata:
        model, details = open_run(path)
    elif "estimator" in metadata:
        saved = load_fitted(file)
        model = _saved(saved.fitted, saved.estimator)
    elif is_network_format(metadata.get("format", "")):
        fitted = network_fitted(file)
        model = _saved(fitted, partial(network_estimator, fitted))
    elif "classes" in metadata:
        from lamina.runs.recipes.run import fitted_of_run, tested

        fitted, details = fitted_of_run(path)
        model = _saved(fitted, partial(network_estimator, fitted))
        model = dataclasses.replace(model, test=partial(tested, fitted))
    else:
        raise DataError(
            f"{file} has arrays but no model. Models are written by lamina train, or in Python by lamina.save: "
            "save(estimator, path), or save(net, path, inputs=nd.ones((1, 784))) for a Gluon network"
        )
    if target is not None:
        named = dataclasses.replace(model.target, name=target)
        model = dataclasses.replace(model, schema=dataclasses.replace(model.schema, target=named))
    return model, details


def reading_of(details: Mapping[str, Any]) -> dict[str, Any]:
    """The options for reading text files, such as the delimiter, that also apply to new files."""
    options = (details["settings"] or {}).get("options", {})
    return {name: options[name] for name in _AS_TRAINED if name in options}


_AS_TRAINED = ("delimiter", "decimal", "quote", "sheet")
"""Options that also apply to new files; the encoding is detected again."""


def _saved(fitted: FittedModel[Any], make: Callable[[], Any]) -> TableModel:
    """Wrap the model from a file of `lamina.save`; a missing target name becomes "target", or another unused name."""
    schema = fitted.encoder.schema
    names = [column.name for column in schema.columns]

    def estimator() -> Any:
        made = make()
        if not hasattr(made, "feature_names_in_"):  # tables get these column names
            made.feature_names_in_ = np.array(names, object)
        return made

    if schema.target is None:
        free = next(name for name in ("target", "prediction_target", "_target") if name not in names)
        found = dataclasses.replace(target_named(free, fitted.target), reason=_NAMELESS)
        schema = dataclasses.replace(schema, target=found)
    return TableModel(fitted, schema, estimator)


_NAMELESS = "the file does not name it"


def _existing(path: Path) -> Path:
    """The path of the model file for `path`, which may also be the folder of a run.

    Raises:
        DataError: there is no model file, or the file has another type.
    """
    file = model_file(path)
    if file.is_file():
        if file.suffix != ".safetensors" and not is_tensor_file(file):
            raise DataError(f"{file} {_no_tensors(file)}")
        return file
    if (path / CHECKPOINT).is_file():
        raise DataError(f"{path} contains an unfinished run; resume it with lamina train --resume {path}")
    if not path.is_dir():
        raise DataError(f"there is no run {path}")
    others = sorted(path.glob("*.safetensors"))
    hint = f"; name a file, such as {others[0]}" if others else ""
    raise DataError(f"{path} contains no run: there is no {MODEL} in it{hint}")


def _no_tensors(file: Path) -> str:
    """The end of the error message for a file that is not in the safetensors format."""
    if file.name.endswith(("-symbol.json", ".params")):
        return (
            "lacks the shape of the network's input. In Python: "
            "net = gluon.SymbolBlock.imports(SYMBOL, ['data'], PARAMS), then "
            "lamina.save(net, 'net.safetensors', inputs=nd.ones((1, 784)))"
        )
    return "is not a model: lamina train and lamina.save write safetensors files"


def open_run(path: Path) -> tuple[TableModel, dict[str, Any]]:
    """Load the model of a run on a table, and the "settings" and "results" that `save_run` stored.

    Args:
        path: the run's folder, or its model file.

    Raises:
        DataError: `path` is not a run on a table, or the run's model is damaged.
    """
    file = _existing(path)
    saved = load_fitted(file)
    metadata, schema = saved.metadata, saved.fitted.encoder.schema
    if "table" not in metadata:
        raise DataError(f"{file} is not a run of lamina train on a table")
    table: Any = decoded(metadata["table"], Details, f"{file} is damaged")
    details = msgspec.to_builtins(table)
    if "schema" in details:  # only before format 2 of estimator files, whose schema has the target
        columns, schema = schema.columns, Schema.from_dict(details.pop("schema"))
        if [column.name for column in columns] != [column.name for column in schema.columns]:
            raise DataError(f"{file} is damaged: the columns of its table and its network differ")
    if schema.target is None:
        raise DataError(f"{file} is damaged: it lacks the target")
    return TableModel(saved.fitted, schema, saved.estimator), details


# --- The declared metadata of a run on a table, in the model file and in the checkpoint ------------------------------


_OPTIONS = strict(ReadOptions, missing=list[str], as_text=list[str])
Asked: Any = strict(Request, data=list[str], kinds=dict[str, Choice], options=_OPTIONS)
"""A user's request; see `Request`."""

_RESOLVED = dict[str, bool | int | float | str | list[int | float | str] | None]
_SETTINGS = msgspec.defstruct(
    "Settings", [("lamina", str), ("resolved", _RESOLVED)], bases=(Asked,), frozen=True, kw_only=True
)
"""The request, lamina's version, and the resulting estimator settings."""

_IMPORTANCE = strict(Importance)
_COVERED, _BELOW = strict(Covered), strict(Below)
_WORD = strict(Word)
_SHAP = strict(MeanShap, columns=list[strict(ColumnShap, classes=list[float])])


class _Chosen(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON form of a trial that is part of the final model, an average of trials."""

    number: Count
    score: float | None
    seconds: float
    ended: float
    epochs: Count
    best_epoch: Count
    complete: bool
    settings: dict[str, Scalar | list[Scalar]]
    share: float
    predicting: float | None = None


class _Search(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON form of a search's summary; see `SearchLog.summary`."""

    trials: Count
    seconds: float
    best: list[tuple[float, float]]
    chosen: list[_Chosen]
    limit: float | None
    most_trials: Count | None
    blend: float | None = None


class _Decision(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON form of a classifier's decision rule; see `wording.decision_of`."""

    classes: Count
    positive: str | None
    threshold: float | None


class _Results(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    task: Task
    target: str
    rows: dict[str, Count]
    divided: str = ""
    measured_on: str
    measured_rows: Count
    metrics: dict[str, dict[str, float | None]]
    epochs: Count
    best_epoch: Count
    interrupted: bool
    seconds: float
    decision: _Decision | None = None
    advice: list[str] = msgspec.field(default_factory=list)
    importance: list[_IMPORTANCE]  # pyright: ignore[reportInvalidTypeForm] - defined above
    shap: _SHAP | None = None  # pyright: ignore[reportInvalidTypeForm]
    words: dict[str, list[_WORD]] = msgspec.field(default_factory=dict)  # pyright: ignore[reportInvalidTypeForm]
    intervals: list[_COVERED] = msgspec.field(default_factory=list)  # pyright: ignore[reportInvalidTypeForm]
    quantiles: list[_BELOW] = msgspec.field(default_factory=list)  # pyright: ignore[reportInvalidTypeForm]
    outermost: _COVERED | None = None  # pyright: ignore[reportInvalidTypeForm]
    search: _Search | UnsetType = UNSET


class Details(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON form of a run's settings and results, in the metadata of its model file."""

    settings: _SETTINGS  # pyright: ignore[reportInvalidTypeForm] - defined above
    results: _Results
    schema: TableSchema | UnsetType = UNSET  # only in lamina's first files, which stored the schema twice


class _Generator(msgspec.Struct, forbid_unknown_fields=True):
    """The state of NumPy's PCG64: two 128-bit numbers, and a buffered 32-bit number."""

    bit_generator: Literal["PCG64"]
    state: dict[Literal["state", "inc"], Count]
    has_uint32: Count
    uinteger: Count


class TablePosition(Position, kw_only=True):
    """The JSON form of an `EnsembleTraining`'s progress in a checkpoint.

    `random` has a seed and a stream for each member; in old files, one pair for all members. `without_improvement`
    occurs only in lamina's first checkpoints.
    """

    steps: Count
    shuffling: _Generator
    random: list[Count | list[Count]]  # a seed and a stream for each member, or one pair for all
    # (a list, since msgspec 0.20 reads fixed tuples in unions beyond their memory)
    without_improvement: Count | UnsetType = UNSET
