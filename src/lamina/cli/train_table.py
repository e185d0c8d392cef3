"""``lamina train DATA --target COLUMN``: a network on a table, from files to a run's folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lamina.cli.console import output, say, warnings_as_lines
from lamina.cli.exit_codes import EXIT_INTERRUPTED
from lamina.cli.options import (
    PRESETS,
    DecimalOption,
    DelimiterOption,
    EncodingOption,
    FormatOption,
    QuoteOption,
    layers,
    one_of,
    positive,
    proposing,
    reading,
)
from lamina.errors import LaminaError
from lamina.extras import require
from lamina.table.formats import described
from lamina.table.schema import TASKS

if TYPE_CHECKING:
    from lamina.runs.checkpoint import Checkpoints

__all__ = ["train_table"]

_TRAINING = "How to train"

Data = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Files: {described()}, globs, a folder of images by class, or - for standard input.",
        show_default=False,
    ),
]
Target = Annotated[
    str | None, typer.Option("--target", "-t", help="The column to predict; images have theirs.")
]
Task = Annotated[
    str | None,
    typer.Option(
        help=f"{' or '.join(TASKS)}, where the inferred one is wrong.", autocompletion=proposing(*TASKS)
    ),
]
Kind = Annotated[
    list[str] | None,
    typer.Option(help="COLUMN=numeric or COLUMN=categorical, where the inferred kind is wrong; repeatable."),
]
Drop = Annotated[list[str] | None, typer.Option(help="A column to leave out; repeatable.")]
Validation = Annotated[
    str | None,
    typer.Option(
        help="A file, or a share of the rows; 0 for none.", show_default="0.16; fast and sklearn: 0.08"
    ),
]
Test = Annotated[
    str | None, typer.Option(help="A file, or a share of the rows; 0 for none.", show_default="0.2")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The run's folder, new.", show_default="runs/<target>-<n>"),
]
Resume = Annotated[
    Path | None,
    typer.Option(help="Continue the run in this folder where it stopped.", show_default=False),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="default: most accurate; fast: seconds; sklearn: its plain MLP, scaled.",
        show_default="default",
        rich_help_panel=_TRAINING,
        autocompletion=proposing(*PRESETS),
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="At most so many epochs.", show_default="by preset", rich_help_panel=_TRAINING),
]
Hidden = Annotated[
    str | None,
    typer.Option(
        help="Units of the hidden layers, with commas.", show_default="by preset", rich_help_panel=_TRAINING
    ),
]
Rate = Annotated[
    float | None,
    typer.Option("--lr", help="The learning rate.", show_default="by preset", rich_help_panel=_TRAINING),
]
Seed = Annotated[
    int | None,
    typer.Option(help="The seed of all randomness.", show_default="0", rich_help_panel=_TRAINING),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the run's folder, no warnings.")]


def train_table(
    data: Data = None,
    target: Target = None,
    task: Task = None,
    kind: Kind = None,
    drop: Drop = None,
    validation: Validation = None,
    test: Test = None,
    out: Out = None,
    resume: Resume = None,
    preset: Preset = None,
    epochs: Epochs = None,
    hidden: Hidden = None,
    lr: Rate = None,
    seed: Seed = None,
    format: FormatOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    quote: QuoteOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train a multilayer perceptron on a table, and measure it.

    Finds out what the columns are, holds rows back for validation and test, keeps the epoch with the best
    validation score (fast and sklearn stop when it no longer improves), compares with a linear model, and writes
    a folder: model.safetensors, metrics.jsonl, settings.json, report.html. Ctrl-C keeps the best epoch so far.
    A run that was killed, or Ctrl-C ended, goes on with --resume from the last of the checkpoints that are saved
    every 10 seconds, to the same network as if nothing had happened.

    Examples:

    \b
      lamina train people.csv --target income
      lamina train houses.parquet --target price --preset fast --out runs/houses
      lamina train 'part-*.csv.gz' --target y --kind zip=categorical --drop id
      lamina train train.csv --target y --validation valid.csv --test test.csv
      zcat log.jsonl.gz | lamina train - --format jsonl --target clicked --json
      lamina train --resume runs/houses

    MNIST has a command of its own: lamina train mnist --help
    """
    given = {
        "data": tuple(data or ()) or None,
        "target": target,
        "task": one_of("--task", task, TASKS),
        "kinds": _kinds(kind or [], drop or []) or None,
        "preset": one_of("--preset", preset, PRESETS),
        "validation": validation,
        "test": test,
        "epochs": positive("--epochs", epochs),
        "hidden": None if hidden is None else layers(hidden),
        "learning_rate": positive("--lr", lr),
        "seed": _seed(seed),
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    options = reading(format, delimiter, encoding, decimal, quote)
    require("training on a table", "scikit-learn", "polars")
    with warnings_as_lines(quiet=quiet), _begun(chosen, options, out, resume) as checkpoints:
        try:
            return _run(checkpoints, as_json=as_json, quiet=quiet)
        except KeyboardInterrupt:
            say(f"lamina: interrupted; {_how_to_go_on(checkpoints)}", error=True)
            return EXIT_INTERRUPTED


def _seed(seed: int | None) -> int | None:
    if seed is not None and not 0 <= seed < 2**32:
        raise LaminaError(f"--seed {seed}: it is a whole number from 0 to {2**32 - 1}")
    return seed


def _kinds(kinds: list[str], drop: list[str]) -> dict[str, Any]:
    from lamina.table.kinds import CHOICES

    chosen: dict[str, Any] = {}
    for text in kinds:
        name, equals, kind = text.rpartition("=")
        if not equals or not name or kind not in CHOICES:
            raise LaminaError(f"--kind {text}: write COLUMN=numeric or COLUMN=categorical")
        chosen[name] = kind
    return {**chosen, **dict.fromkeys(drop, "drop")}


def _begun(
    chosen: dict[str, Any], options: dict[str, Any], out: Path | None, resume: Path | None
) -> Checkpoints:
    """A new run, or an earlier one that goes on."""
    from lamina.runs.checkpoint import Checkpoints
    from lamina.runs.data import Request
    from lamina.runs.run_folder import require_free
    from lamina.table.read import ReadOptions

    if resume is None:
        if "data" not in chosen:
            raise LaminaError("name the table to train on, or with --resume the run to continue")
        require_free(out)
        return Checkpoints(Request(**chosen, options=ReadOptions(**options)), out)
    if out is not None:
        raise LaminaError("--resume continues in the run's own folder; leave --out away")
    checkpoints = Checkpoints.resumed(resume)
    begun = checkpoints.request
    for name, value in (chosen | options).items():
        its = getattr(begun, name) if name in chosen else getattr(begun.options, name)
        if value != its and name != "data":
            raise LaminaError(f"the run was begun with {_said(name, its)}; it can't change")
    if "data" in chosen:  # the files may have moved, but not changed
        checkpoints.request = dataclasses.replace(begun, data=chosen["data"])
    return checkpoints


def _said(name: str, value: Any) -> str:
    """How the command line says, or does not say, what a run was begun with."""
    option = {"learning_rate": "--lr", "kinds": "--kind or --drop"}.get(name, f"--{name}")
    if value is None or value == {}:
        return f"no {option}"
    if isinstance(value, dict):
        return " ".join(f"{option} {column}={kind}" for column, kind in cast("dict[str, str]", value).items())
    return f"{option} {','.join(map(str, cast(Any, value))) if isinstance(value, tuple) else value}"


def _run(checkpoints: Checkpoints, *, as_json: bool, quiet: bool) -> int:
    from lamina.cli.table_progress import TableProgress
    from lamina.runs.data import prepare
    from lamina.runs.run import complete
    from lamina.runs.training import train
    from lamina.table.messages import counted

    prepared = prepare(checkpoints.request)
    console = None if as_json or quiet else output()
    if console:
        _show_prepared(console, prepared)
    if checkpoints.past and not quiet:
        done = counted(len(checkpoints.past), "epoch")
        say(f"lamina: {checkpoints.folder} goes on after {done}", error=True)
    trained = train(prepared, checkpoints, None if quiet else TableProgress)
    if trained.interrupted:
        say(f"lamina: interrupted; keeping epoch {trained.best_epoch}, the best so far", error=True)
    run = complete(prepared, trained, checkpoints)
    if console:
        _show_results(console, run)
    say(json.dumps({"run": str(run.path), **run.results}) if as_json else _closing(run, quiet))
    if not trained.interrupted:
        return 0
    if checkpoints.folder is not None:
        say(f"lamina: {_how_to_go_on(checkpoints)}", error=True)
    return EXIT_INTERRUPTED


def _how_to_go_on(checkpoints: Checkpoints) -> str:
    if checkpoints.folder is None:
        return "nothing is saved"
    return f"continue with: lamina train --resume {checkpoints.folder}"


def _show_prepared(console: Any, prepared: Any) -> None:
    from lamina.cli.table_views import columns_table, override_hint
    from lamina.runs.describe import describe_target

    console.print(columns_table(prepared.schema))
    console.print(override_hint(prepared.schema), style="dim", markup=False)
    console.print(
        f"\n[bold]Task[/bold]: {_escaped(describe_target(prepared.target))} ({_escaped(prepared.target.reason)})"
    )
    parts = {"training": prepared.train, "validation": prepared.validation, "test": prepared.test}
    rows = ", ".join(f"{len(part):,} {name}" for name, part in parts.items() if part is not None)
    console.print(f"[bold]Rows[/bold]: {rows}\n")


def _show_results(console: Any, run: Any) -> None:
    from lamina.cli.table_views import measured_title, metrics_table
    from lamina.table.messages import counted

    results = run.results
    console.print(metrics_table(measured_title(results), results["metrics"]))
    epochs, best = counted(results["epochs"], "epoch"), results["best_epoch"]
    console.print(f"{epochs} in {results['seconds']:.1f} s; kept epoch {best}")


def _closing(run: Any, quiet: bool) -> str:
    if quiet:
        return str(run.path)
    report, use = run.path / "report.html", f"lamina predict {run.path} NEW.csv -o predictions.csv"
    return f"saved in {run.path}; the report is {report}\nnext: {use}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
