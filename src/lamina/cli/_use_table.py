"""``lamina evaluate``, ``predict`` and ``inspect`` for runs on tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.cli._console import output, say, warnings_as_lines
from lamina.errors import DataError, LaminaError
from lamina.support.extras import require
from lamina.table.formats import are_pictures
from lamina.table.messages import closest, counted, listed, rows_from

if TYPE_CHECKING:
    import polars as pl

_BATCH_ROWS = 1 << 16
_PURPOSE = "using a network trained on a table"


def evaluate_table(
    run: Path, data: Sequence[str], reading: Mapping[str, Any], named: str | None = None, *, as_json: bool
) -> None:
    """Evaluate a model on a table that has the target column.

    `named` is the name of the target column, if the model file lacks this name.
    """
    from lamina.cli._table_views import metrics_table, quantiles_said
    from lamina.runs.data import target_of
    from lamina.runs.metrics import metrics_of
    from lamina.runs.wording import decision_of, decision_said

    model, details = open_table_run(run, target=named)
    if not data and model.test is not None:
        _show_tested(model.test(), model.target.classes, as_json=as_json)
        return
    require(_PURPOSE, "scikit-learn", "polars")
    if not data:
        raise LaminaError(f"the table to evaluate on is missing: lamina evaluate {run} DATA")
    model.require_one_target("lamina evaluate")
    targets: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    rows = 0
    with batches_of(model, details, data, reading) as batches:
        for batch, predicted in model.predicted(_with_target(batches, model.target.name)):
            if not len(batch):  # an empty table has a single part without rows
                raise DataError("the table has no rows to evaluate on")
            with rows_from(rows):
                targets.append(target_of(batch, model.target))
            outputs.append(predicted)
            rows += len(batch)
    target, found = np.concatenate(targets), np.concatenate(outputs)
    deciding: dict[str, Any] = {"positive": model.positive, "threshold": model.threshold}
    metrics = metrics_of(model.target.task, target, model.central(found), **deciding)
    results: dict[str, Any] = {"rows": rows, "metrics": metrics, "decision": decision_of(model)}
    if model.levels:
        below, outermost = model.levels_held(target, found)
        results["quantiles"] = [asdict(one) for one in below]
        results["outermost"] = outermost and asdict(outermost)
    if as_json:
        print(json.dumps(results))
        return
    console = output()
    console.print(metrics_table(f"Metrics on {counted(rows, 'row')}", {"lamina": metrics}))
    for text in (*decision_said(results["decision"]), *quantiles_said(results)):
        console.print(text, markup=False)


def open_table_run(run: Path, *needed: str, target: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Load a table model and its details, see `open_model`; raise an error if a package in `needed` is missing."""
    from lamina.runs.run_folder import open_model

    opened = open_model(run, target)
    require(_PURPOSE, *needed)
    return opened


def _show_tested(found: dict[str, Any], classes: Sequence[Any], *, as_json: bool) -> None:
    """Show the accuracy and the confusion matrix on test images."""
    from lamina.cli._table_views import confusion_table

    if as_json:
        print(json.dumps(found))
        return
    confusion, console = found["confusion"], output()
    count = sum(map(sum, confusion))
    console.print(
        f"accuracy {found['accuracy']:.4f}, loss {found['loss']:.4f} on {count:,} test images", soft_wrap=True
    )
    console.print(confusion_table(confusion, classes))


def _with_target(batches: Any, name: str) -> Any:
    for batch in batches:
        if name not in batch.columns:
            raise DataError(
                f"the table has no column {name!r} to compare predictions with.{closest(name, batch.columns)} "
                "If the target has another name there, add --target NAME"
            )
        yield batch


def predict_table(
    run: Path,
    data: Sequence[str],
    out: str,
    reading: Mapping[str, Any],
    output_format: Any,
    prefix: str,
    *,
    target: str | None = None,
    interval: float | None = None,
    std: bool = False,
    safe: bool = False,
    as_json: bool = False,
) -> None:
    """Write a table with predictions added, batch by batch; for image files, print the predictions.

    `interval`, `std`: see `TableModel.predicted_columns`; `safe`: see `write_batches`; `as_json`: whether the default
    output format is JSON.
    """
    from lamina.table.write import is_delimited, write_batches

    if out != "-" and any(_is_same_file(out, file) for file in data):
        raise LaminaError(
            f"--out {out} is the table itself, which predictions would overwrite; name another file"
        )
    model, details = open_table_run(run, target=target)
    if out == "-" and output_format is None and (rows := model.schema.row_form.named_rows(data)):
        _say_classes(model, *rows, as_json=as_json)
        return
    require(_PURPOSE, "polars", "narwhals")
    output_format = output_format or ("jsonl" if as_json else None)
    with batches_of(model, details, data, reading) as batches:
        brief = is_delimited(out, output_format)
        extended = model.extended(batches, prefix, brief=brief, interval=interval, std=std)
        if not model.schema.row_form.by_column or are_pictures(data, reading.get("format")):
            extended = map(_without_pixels, extended)
        rows = write_batches(extended, out, output_format, safe=safe)
    if out != "-":
        say(f"lamina: {counted(rows, 'row')} with predictions in {out}", error=True)


def _say_classes(model: Any, names: list[str], numbers: np.ndarray, *, as_json: bool) -> None:
    """Print the class of each image."""
    from lamina.table.encode import Encoded

    encoded = Encoded(numbers.astype(np.float32), np.empty((len(numbers), 0), np.int32))
    probabilities = model.fitted.target.probabilities(model.fitted.outputs(encoded))
    answers: list[dict[str, Any]] = [
        {
            "image": name,
            model.target.name: model.target.classes[i],
            "probability": row[i],
            "probabilities": row.tolist(),
        }
        for name, i, row in zip(names, model.decided(probabilities).tolist(), probabilities, strict=True)
    ]
    if as_json:
        print(json.dumps(answers, indent=2))
        return
    for answer in answers:
        say(f"{answer['image']}: {answer[model.target.name]} ({100 * answer['probability']:.1f} %)")


def _without_pixels(batch: pl.DataFrame) -> pl.DataFrame:
    return batch.drop([name for name in batch.columns if re.fullmatch(r"pixel_\d+", name)])


def _is_same_file(path: str, other: str) -> bool:
    with suppress(OSError):  # one of the files does not exist
        return os.path.samefile(path, other)
    return False


@contextmanager
def batches_of(
    model: Any, details: Mapping[str, Any], data: Sequence[str], reading: Mapping[str, Any]
) -> Generator[Any]:
    """Yield the batches of new files, read with the training's options, which `reading` overrides."""
    from lamina.runs.run_folder import reading_of
    from lamina.table.places import Places
    from lamina.table.read import ReadOptions, iter_batches

    if rows := model.schema.row_form.named_rows(data):
        yield iter([_frame(*rows)])
        return
    options = ReadOptions(**{**reading_of(details), **reading}, as_text=model.schema.text_columns)
    places = Places()
    batches = iter_batches(list(data), _BATCH_ROWS, options, places)
    with warnings_as_lines(), places.named(), closing(batches):
        yield batches


def _frame(names: list[str], pixels: np.ndarray) -> pl.DataFrame:
    """A table of images, with their names and pixels."""
    import polars as pl

    from lamina.table.formats.arrays import pixel_frame

    return pixel_frame("pictures", pixels).insert_column(0, pl.Series("image", names))


def inspect_table(run: Path, *, as_json: bool) -> None:
    """Describe a run's network, its training table, and its metrics."""
    from lamina.cli._table_views import columns_table, measured_title, metrics_table, search_table
    from lamina.estimators.saved_network import BlockNetwork
    from lamina.runs.wording import decision_said, how_trained
    from lamina.support.messages import printable
    from lamina.table.describe import describe_rows, describe_target

    model, details = open_table_run(run)
    results = details["results"]
    fitted = model.fitted
    if as_json:
        if not model.schema.row_form.by_column:
            print(json.dumps({**_network_summary(fitted), **details}))
            return
        schema = model.schema.to_dict()
        schema["columns"] = [{"kind": column.kind, **column.to_dict()} for column in model.schema.columns]
        print(json.dumps({**_network_summary(fitted), **details, "schema": schema}))
        return
    console = output()
    console.print(f"{describe_target(model.target)}", markup=False, style="bold")
    _show_network(console, fitted)
    if done := details.get("done"):
        console.print("\n".join(done))
        return
    if results is None:
        if model.target.reason:
            console.print(f"{model.target.name!r}: {model.target.reason}; --target names it", markup=False)
        if not model.schema.named:
            console.print("columns: without names in training, so a table's columns are taken in order")
        if isinstance(fitted.network, BlockNetwork):
            names = listed([column.name for column in model.schema.columns], limit=20)
            console.print(f"columns: {names}, plain numbers", markup=False)
        else:
            console.print(columns_table(model.schema, fitted.monotone))
        say(f"the file has no metrics; with a table with {model.target.name!r}: lamina evaluate {run} DATA")
        return
    ended = ", interrupted" if results["interrupted"] else ""
    rows = describe_rows(results["rows"])
    console.print(f"{how_trained(results)}{ended}; rows: {rows}\n")
    if results.get("search"):
        console.print(search_table(results["search"]["chosen"]))
    console.print(columns_table(model.schema, fitted.monotone))
    console.print(metrics_table(measured_title(results), results["metrics"]))
    for column, words in results["words"].items():
        said = ", ".join(
            f"{one['word']} {one['size'] if one['change'] is None else one['change']:.3g}" for one in words
        )
        console.print(
            f"words of {column!r} that change predictions: {printable(said, keep='')}", markup=False
        )
    for text in decision_said(results["decision"]):
        console.print(text, markup=False)


def _network_summary(fitted: Any) -> dict[str, Any]:
    """Summarize the network for JSON; its "architecture" is the first member's."""
    from lamina.estimators.saved_network import BlockNetwork

    network = fitted.network
    if isinstance(network, BlockNetwork):
        return {"parameters": network.parameter_count, "network": repr(network.block), "shape": network.shape}
    return {
        "parameters": fitted.parameter_count,
        "members": len(network.members),
        "architecture": vars(network.architecture),
        "networks": [
            {"share": share, "architecture": vars(member.architecture)}
            for member, share in zip(network.members, network.shares, strict=True)
        ],
    }


def _show_network(console: Any, fitted: Any) -> None:
    from lamina.cli._table_views import members_table
    from lamina.estimators.saved_network import BlockNetwork

    network, parameters = fitted.network, fitted.parameter_count
    if isinstance(network, BlockNetwork):
        console.print(f"{network.said}: {parameters:,} parameters")
        return
    parts, count = network.architecture, len(network.members)
    if (
        len(
            {
                (member.architecture, share)
                for member, share in zip(network.members, network.shares, strict=True)
            }
        )
        > 1
    ):
        console.print(f"{count} networks: {parameters:,} parameters")
        console.print(_inputs(parts))
        console.print(members_table(network))
        return
    networks = "" if count == 1 else f"{count} networks with "
    console.print(f"{networks}layers {' – '.join(map(str, fitted.layers))}: {parameters:,} parameters")
    console.print(_inputs(parts))
    hidden = f"activation {parts.activation}{' (learned blend)' if parts.learned_activation else ''}"
    console.print(f"{hidden}, dropout {parts.dropout}, normalization {parts.normalization or 'none'}")


def _inputs(parts: Any) -> str:
    texts = [f"{parts.numbers} numbers" + (" with embeddings" if parts.embeds_numbers else "")]
    if parts.inputs > parts.numbers:
        texts.append(f"{parts.inputs - parts.numbers} one-hot and flag columns")
    if parts.cardinalities:
        texts.append(
            f"{len(parts.cardinalities)} embedded columns of {', '.join(map(str, parts.cardinalities))} codes"
        )
    return "inputs: " + ", ".join(texts)
