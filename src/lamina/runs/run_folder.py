"""The files of a run on a table: the model with all that prediction needs, metrics, settings, a checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lamina.errors import DataError, LaminaError
from lamina.files.tensors import TensorFile, open_tensors
from lamina.files.typed_json import decoded
from lamina.runs._file_schema import Asked, Details, TablePosition
from lamina.runs._model import TableModel
from lamina.runs.data import Request
from lamina.table.schema import Schema
from lamina.training.checkpoint import Checkpoint, damaged, write_json_lines
from lamina.training.loop import Epoch
from lamina.training.run_folder import CHECKPOINT, METRICS, MODEL, SETTINGS, TRIALS, model_file

__all__ = ["as_line", "open_run", "read_unfinished", "save_run", "search_metadata"]

_SEARCH = "lamina search 1"
"""The format of a `CHECKPOINT` that says what a search was asked for; its trials are files of their own."""


def as_line(epoch: Epoch) -> dict[str, Any]:
    """What JSON holds of an epoch."""
    return {
        "epoch": epoch.number,
        "loss": float(epoch.loss),
        "validation_score": None if epoch.score is None else float(epoch.score),
        "best": bool(epoch.is_best),
        "seconds": round(float(epoch.seconds), 3),
    }


def search_metadata(request: Request) -> dict[str, str]:
    """What a `CHECKPOINT` says of a search."""
    return {"format": _SEARCH, "request": json.dumps(request.to_dict())}


def read_unfinished(folder: Path) -> tuple[Request, Checkpoint | None]:
    """What a run that is not finished was asked for, and what it goes on from; None: the trials of its search.

    A search that is complete can go on too, with more time or more trials.

    Raises:
        LaminaError: no run is there, it is complete, or nothing was saved to go on from.
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
                f"{folder} was interrupted before there was a checkpoint to go on from; train anew"
            )
        raise LaminaError(
            f"the run in {folder} is complete; to train again, give another --out instead of --resume"
        )
    with open_tensors(file) as opened:
        if opened.metadata.get("format") == _SEARCH and opened.is_signed:
            opened.arrays()  # of which there are none: the digest is checked
            text, what = opened.metadata.get("request", ""), str(damaged(file, "its metadata"))
            return Request.from_dict(msgspec.to_builtins(decoded(text, Asked, what))), None
        checkpoint = Checkpoint.of(opened, Asked, TablePosition, _check_layers)
    return Request.from_dict(checkpoint.request), checkpoint


def _check_layers(asked: Any, file: TensorFile) -> None:
    """The layers that were asked for, which a training would make first of all, are those of the file."""
    found = [file.shapes.get(f"network.0.weight{i}", ())[1:] for i in range(len(file.shapes))]
    widths = [shape[0] for shape in found if shape]
    if asked.hidden is not None and list(asked.hidden) != widths[:-1]:
        raise damaged(Path(file.name), "its arrays are those of another network")


def save_run(
    folder: Path,
    model: TableModel,
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Write model.safetensors, settings.json and metrics.jsonl into a folder.

    Args:
        folder: where.
        model: the trained network.
        settings: what was asked for, as JSON holds it.
        results: rows, metrics and so on, as JSON holds them.
        history: a line of metrics an epoch.
    """
    from lamina.estimators.persistence import save

    table = {"settings": dict(settings), "results": dict(results)}
    save(model.estimator, folder / MODEL, {"table": json.dumps(table)})
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", "utf-8")
    write_json_lines(folder / METRICS, history)


def open_run(path: Path) -> tuple[TableModel, dict[str, Any]]:
    """The model of a run, and what `save_run` was told: "settings" and "results".

    Args:
        path: the run's folder, or its model file.

    Raises:
        DataError: there is no run on a table, or its model is damaged.
    """
    from lamina.estimators.persistence import load_with_metadata

    file = model_file(path)
    if not file.is_file():
        if (path / CHECKPOINT).is_file():
            raise DataError(f"{path} holds an unfinished run: continue it with lamina train --resume {path}")
        raise DataError(
            f"{path} holds no run: there is no {MODEL} in it" if path.is_dir() else f"there is no run {path}"
        )
    with open_tensors(file) as opened:
        if "table" not in opened.metadata:
            raise DataError(f"{file} is not a model that lamina train made from a table")
    estimator, metadata = load_with_metadata(file)
    table: Any = decoded(metadata["table"], Details, f"{file} is damaged")
    schema = estimator.fitted_.encoder.schema
    details = msgspec.to_builtins(table)
    if "schema" in details:  # before estimator files of format 2, whose own schema has the target
        columns, schema = schema.columns, Schema.from_dict(details.pop("schema"))
        if [column.name for column in columns] != [column.name for column in schema.columns]:
            raise DataError(f"{file} is damaged: its table and its network have other columns")
    if schema.target is None:
        raise DataError(f"{file} is damaged: it does not say what is predicted")
    return TableModel(estimator, schema), details
