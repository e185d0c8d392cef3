"""A run's folder: the model with all that prediction needs, metrics by epoch, settings, and the report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lamina.errors import DataError, LaminaError
from lamina.io.aside import aside
from lamina.io.files import naming, sync_folder
from lamina.io.tensors import load_tensors
from lamina.runs.model import TableModel
from lamina.table.schema import Schema

__all__ = [
    "CHECKPOINT", "add_to_run", "is_table_run", "open_run", "require_free", "require_unfinished", "save_run",
    "write_run",
]  # fmt: skip

CHECKPOINT = "checkpoint.safetensors"
"""In the folder of a run that is not finished: what it goes on from."""

_MODEL = "model.safetensors"
_ASIDE = ".lamina-run-"


def require_free(out: Path | None) -> None:
    """Raise before the work begins if its results could not be put into `out`.

    Raises:
        LaminaError: there is a file, or a folder that is not empty.
    """
    if out is None or not out.exists():
        return
    if not out.is_dir():
        raise LaminaError(f"{out} is a file; --out needs a folder")
    if any(out.iterdir()):
        if (out / CHECKPOINT).exists():
            raise LaminaError(
                f"{out} holds an unfinished run; choose another --out, or continue that run with --resume {out}"
            )
        what = "holds a run already" if (out / _MODEL).exists() else "is not empty"
        raise LaminaError(f"{out} {what}; choose another --out")


def require_unfinished(folder: Path) -> None:
    """Raise if there is no run to go on with.

    Raises:
        LaminaError: no run is there, it is complete, or nothing was saved to go on from.
    """
    if (folder / CHECKPOINT).is_file():
        return
    _, details = open_run(folder)
    if details["results"]["interrupted"]:
        raise LaminaError(f"{folder} was interrupted before there was a checkpoint to go on from; train anew")
    raise LaminaError(
        f"the run in {folder} is complete; to train again, give another --out instead of --resume"
    )


def write_run(out: Path | None, name: str, fill: Callable[[Path], None]) -> Path:
    """Make the folder `out`, or the next free ``runs/NAME-N``, which appears when `fill` has filled it.

    If `fill` raises (Ctrl-C too), nothing has changed; what a run that was killed here left, the next one removes.
    """
    parent = Path("runs") if out is None else out.parent
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with naming(parent / name if out is None else out), aside(parent, _ASIDE, Path.mkdir) as folder:
            fill(folder)
            named = _named(folder, out, parent / name)
        sync_folder(parent)
        return named
    except BaseException:
        for folder in made:
            with suppress(OSError):  # not made, or another run is in it now
                folder.rmdir()
        raise


def _named(filled: Path, out: Path | None, pattern: Path) -> Path:
    """Give the filled folder its name; of several runs at once each gets a number of its own."""
    if out is not None:
        require_free(out)
        os.replace(filled, out)
        return out
    number = 1
    while True:
        path = pattern.with_name(f"{pattern.name}-{number}")
        if not path.exists():
            try:
                os.rename(filled, path)
            except OSError:
                if not path.exists():
                    raise
            else:
                return path
        number += 1


def add_to_run(folder: Path, fill: Callable[[Path], None]) -> None:
    """Put the files that `fill` makes into a run's folder; the model, by which the run is known, comes last.

    If `fill` raises, nothing has changed.
    """
    with naming(folder), aside(folder, _ASIDE, Path.mkdir) as filled:
        fill(filled)
        for path in sorted(filled.iterdir(), key=lambda path: path.name == _MODEL):
            os.replace(path, folder / path.name)
        filled.rmdir()
    sync_folder(folder)


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
    save(model.estimator, folder / _MODEL, {"table": json.dumps(table)})
    (folder / "settings.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", "utf-8")
    lines = "".join(json.dumps(epoch) + "\n" for epoch in history)
    (folder / "metrics.jsonl").write_text(lines, "utf-8")


def is_table_run(path: Path) -> bool:
    """Whether a folder holds a run on a table, or a model file is of one; False too if there is no run."""
    from safetensors import SafetensorError, safe_open

    if (path / CHECKPOINT).is_file():
        return True
    try:
        with safe_open(_model_file(path), framework="numpy") as file:
            return "table" in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def open_run(path: Path) -> tuple[TableModel, dict[str, Any]]:
    """The model of a run, and what `save_run` was told: "settings" and "results".

    Args:
        path: the run's folder, or its model file.

    Raises:
        DataError: there is no run on a table, or its model is damaged.
    """
    from lamina.estimators.persistence import load_with_metadata

    file = _model_file(path)
    if not file.is_file():
        if (path / CHECKPOINT).is_file():
            raise DataError(f"{path} holds an unfinished run: continue it with lamina train --resume {path}")
        raise DataError(
            f"{path} holds no run: there is no {_MODEL} in it" if path.is_dir() else f"there is no run {path}"
        )
    if "table" not in load_tensors(file)[1]:
        raise DataError(f"{file} is not a model that lamina train made from a table")
    estimator, metadata = load_with_metadata(file)
    try:
        table = json.loads(metadata["table"])
        details = {"settings": dict(table["settings"]), "results": dict(table["results"])}
        schema = estimator.fitted_.encoder.schema
        if "schema" in table:  # before estimator files of format 2, whose own schema has the target
            columns, schema = schema.columns, Schema.from_dict(table["schema"])
            if [column.name for column in columns] != [column.name for column in schema.columns]:
                raise ValueError("its table and its network have other columns")
        if schema.target is None:
            raise ValueError("it does not say what is predicted")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{file} is damaged: {error}") from error
    return TableModel(estimator, schema), details


def _model_file(path: Path) -> Path:
    return path / _MODEL if path.is_dir() else path
