"""What ``lamina evaluate``, ``predict`` and ``inspect`` do with a run on a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.console import output, warnings_as_lines
from lamina.errors import DataError, LaminaError

__all__ = ["evaluate_table", "inspect_table", "predict_table"]

_BATCH_ROWS = 1 << 16


def evaluate_table(run: Path, data: Sequence[str], format: str | None, *, as_json: bool) -> None:
    """Metrics of a run's network on a table that has the target."""
    from lamina.cli.table_views import metrics_table
    from lamina.table.columns import as_column
    from lamina.table.read import iter_batches
    from lamina.table.target import target_values
    from lamina.tabular.metrics import metrics_of
    from lamina.tabular.run_folder import open_run

    if not data:
        raise LaminaError(f"name the table to evaluate on: lamina evaluate {run} DATA")
    model = open_run(run)[0]
    name = model.target.name
    targets: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    with warnings_as_lines():
        batches = iter_batches(list(data), _BATCH_ROWS, _options(model, format))
        for batch, predicted in model.predicted(_with_target(batches, name)):
            targets.append(target_values(model.target, as_column(batch[name], name)))
            outputs.append(predicted)
    target = np.concatenate(targets)
    if not len(target):
        raise DataError("the table has no rows to evaluate on")
    metrics = metrics_of(model.target.task, target, np.concatenate(outputs))
    if as_json:
        print(json.dumps({"rows": len(target), "metrics": metrics}))
        return
    output().print(metrics_table(f"Metrics on {len(target):,} rows", {"lamina": metrics}))


def _with_target(batches: Any, name: str) -> Any:
    for batch in batches:
        if name not in batch.columns:
            raise DataError(f"the table has no column {name!r} to compare predictions with")
        yield batch


def predict_table(
    run: Path, data: Sequence[str], out: str, format: str | None, output_format: str | None, prefix: str
) -> None:
    """Write a table with its predictions added, a part at a time."""
    from lamina.table.read import iter_batches
    from lamina.table.write import WRITABLE, write_batches
    from lamina.tabular.run_folder import open_run

    if output_format is not None and output_format not in WRITABLE:
        raise LaminaError(f"--output-format {output_format}: it is one of {', '.join(WRITABLE)}")
    model = open_run(run)[0]
    with warnings_as_lines():
        batches = iter_batches(list(data), _BATCH_ROWS, _options(model, format))
        rows = write_batches(model.extended(batches, prefix), out, output_format)
    if out != "-":
        print(f"lamina: {rows:,} rows with predictions in {out}", file=sys.stderr)


def _options(model: Any, format: str | None) -> Any:
    from lamina.cli.train_table import read_options

    return replace(read_options(format), as_text=model.schema.text_columns)


def inspect_table(run: Path, *, as_json: bool) -> None:
    """What a run's network is, what it was trained on, and how good it was."""
    from lamina.cli.table_views import columns_table, metrics_table
    from lamina.tabular.describe import describe_target
    from lamina.tabular.run_folder import open_run

    model, details = open_run(run)
    results = details["results"]
    network = model.estimator._network
    parts = network.architecture
    parameters = sum(weight.array.size for weight in network.weights.values())
    if as_json:
        summary = {"parameters": parameters, "architecture": vars(parts), **details}
        print(json.dumps({**summary, "schema": model.schema.to_dict()}))
        return
    console = output()
    console.print(f"{describe_target(model.target)}", markup=False, style="bold")
    console.print(
        f"layers {' – '.join(map(str, (parts.width, *parts.hidden, parts.outputs)))}: {parameters:,} parameters"
    )
    console.print(_inputs(parts))
    hidden = f"activation {parts.activation}{' (learned blend)' if parts.learned_activation else ''}"
    console.print(f"{hidden}, dropout {parts.dropout}, normalization {parts.normalization or 'none'}")
    ended = ", interrupted" if results["interrupted"] else ""
    rows = ", ".join(f"{count:,} {name}" for name, count in results["rows"].items())
    console.print(
        f"{results['epochs']} epochs in {results['seconds']:.1f} s{ended}, kept {results['best_epoch']}; rows: {rows}\n"
    )
    console.print(columns_table(model.schema))
    title = f"Metrics on {results['measured_rows']:,} {results['measured_on']} rows"
    console.print(metrics_table(title, results["metrics"]))


def _inputs(parts: Any) -> str:
    """The first layer's inputs in words."""
    texts = [f"{parts.numbers} numbers" + (" with embeddings" if parts.embeds_numbers else "")]
    if parts.inputs > parts.numbers:
        texts.append(f"{parts.inputs - parts.numbers} one-hot and flag columns")
    if parts.cardinalities:
        texts.append(
            f"{len(parts.cardinalities)} embedded columns of {', '.join(map(str, parts.cardinalities))} codes"
        )
    return "inputs: " + ", ".join(texts)
