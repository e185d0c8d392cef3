"""Models on tables for the commands that use them, the batches of new files, and the description of a run."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli._console import output, say, warnings_as_lines
from lamina.support.extras import require
from lamina.table.messages import listed

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_BATCH_ROWS = 1 << 16


def require_packages(*needed: str) -> None:
    """Raise an error if a package is missing."""
    require("using a network trained on a table", *needed)


def open_table_run(run: Path, *needed: str, target: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Load a table model and its details, see `open_model`; raise an error if a package in `needed` is missing."""
    from lamina.runs.run_folder import open_model

    opened = open_model(run, target)
    require_packages(*needed)
    return opened


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
        schema = model.schema.to_dict()
        schema["columns"] = [{"kind": column.kind, **column.to_dict()} for column in model.schema.columns]
        said = {} if model.schema.row_form.whole else {"schema": schema}
        print(json.dumps({**_network_summary(fitted), **details, **said}))
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
    parts, members = network.architecture, network.members
    networks = f"{len(members)} networks"
    if len({(one.architecture, share) for one, share in zip(members, network.shares, strict=True)}) > 1:
        console.print(f"{networks}: {parameters:,} parameters")
        console.print(_inputs(parts))
        console.print(members_table(network))
        return
    count = "" if len(members) == 1 else f"{networks} with "
    console.print(f"{count}layers {' – '.join(map(str, fitted.layers))}: {parameters:,} parameters")
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
