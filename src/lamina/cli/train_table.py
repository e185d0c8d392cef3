"""``lamina train DATA --target COLUMN``: a network on a table, from files to a run's folder."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lamina.cli.exit_codes import EXIT_INTERRUPTED
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.tabular.data import Request

__all__ = ["train_table"]

_EXAMPLES = """
Examples:

\b
  lamina train people.csv --target income
  lamina train houses.parquet --target price --preset fast --out runs/houses
  lamina train 'part-*.csv.gz' --target y --kind zip=categorical --drop id
  lamina train train.csv --target y --validation valid.csv --test test.csv
  zcat log.jsonl.gz | lamina train - --format jsonl --target clicked --json

MNIST has a command of its own: lamina train mnist --help
"""


def train_table(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Files (CSV, TSV, Parquet, Feather, JSON lines, npz, IDX; .gz and .zst too), globs, a folder of "
            "images by class, or - for standard input.",
            show_default=False,
        ),
    ],
    target: Annotated[str | None, typer.Option("--target", "-t", help="The column to predict.")] = None,
    preset: Annotated[str, typer.Option(help="default: best accuracy; fast: seconds.")] = "default",
    task: Annotated[
        str | None, typer.Option(help="classification or regression, where the inferred one is wrong.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="COLUMN=numeric or COLUMN=categorical, where the inferred kind is wrong; repeatable."
        ),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out; repeatable.")] = None,
    validation: Annotated[
        str | None,
        typer.Option(help="A file, or a share of the rows.", show_default="0.16; fast: 0.08"),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="A file, or a share of the rows; 0 for none.", show_default="0.2")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder, new.", show_default="runs/<target>-<n>"),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of all randomness.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="At most so many epochs.", show_default="by preset")
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Units of the hidden layers, with commas.", show_default="by preset")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate.", show_default="by preset")] = None,
    format: Annotated[str | None, typer.Option(help="Of the files, where names do not say it.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between fields, if not found out.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text files, if not found out.")] = None,
    decimal: Annotated[str, typer.Option(help="The decimal point: . or ,")] = ".",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the run's folder, no warnings.")] = False,
) -> int:
    """Train a multilayer perceptron on a table, and measure it.

    Finds out what the columns are, holds rows back for validation and test, stops when the validation score no
    longer improves, compares with a linear model, and writes a folder: model.safetensors, metrics.jsonl,
    settings.json, report.html. Ctrl-C keeps the best epoch so far.
    """
    from lamina.cli.console import warnings_as_lines
    from lamina.tabular.data import Request

    request = Request(
        data=tuple(data),
        target=target,
        task=cast(Any, _one_of("--task", task, ("classification", "regression"))),
        kinds=_kinds(kind or [], drop or []),
        preset=cast(str, _one_of("--preset", preset, ("default", "fast"))),
        validation=validation,
        test=test,
        epochs=_positive("--epochs", epochs),
        hidden=None if hidden is None else _layers(hidden),
        learning_rate=_positive("--lr", lr),
        seed=_seed(seed),
        options=read_options(format, delimiter, encoding, decimal),
    )
    with warnings_as_lines(quiet=quiet):
        try:
            return _run(request, out, as_json=as_json, quiet=quiet)
        except KeyboardInterrupt:
            print("lamina: interrupted; nothing is saved", file=sys.stderr)
            return EXIT_INTERRUPTED


train_table.__doc__ = f"{inspect.cleandoc(train_table.__doc__ or '')}\n{_EXAMPLES}"


def read_options(
    format: str | None, delimiter: str | None = None, encoding: str | None = None, decimal: str = "."
) -> Any:
    """The options of reading, checked."""
    from lamina.table.read import ReadOptions
    from lamina.table.source import FORMATS

    chosen: Any = _one_of("--format", format, FORMATS)
    _one_of("--decimal", decimal, (".", ","))
    separator = "\t" if delimiter == "\\t" else delimiter
    return ReadOptions(format=chosen, delimiter=separator, encoding=encoding, decimal=decimal)


def _one_of(option: str, value: str | None, known: tuple[str, ...]) -> str | None:
    if value is not None and value not in known:
        from lamina.table.messages import closest

        raise LaminaError(f"{option} {value}: it is one of {', '.join(known)}.{closest(value, known)}")
    return value


def _seed(seed: int) -> int:
    if not 0 <= seed < 2**32:
        raise LaminaError(f"--seed {seed}: it is a whole number from 0 to {2**32 - 1}")
    return seed


def _positive(option: str, value: Any) -> Any:
    if value is not None and not 0 < value < float("inf"):
        raise LaminaError(f"{option} {value:g}: it is greater than 0")
    return value


def _kinds(kinds: list[str], drop: list[str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for text in kinds:
        name, equals, kind = text.rpartition("=")
        if not equals or not name or kind not in ("numeric", "categorical", "drop"):
            raise LaminaError(f"--kind {text}: write COLUMN=numeric or COLUMN=categorical")
        chosen[name] = kind
    return {**chosen, **dict.fromkeys(drop, "drop")}


def _layers(text: str) -> tuple[int, ...]:
    try:
        layers = tuple(int(units) for units in text.split(","))
    except ValueError:
        layers = ()
    if not layers or min(layers) < 1:
        raise LaminaError(f"--hidden takes whole numbers with commas, like 256,256; not {text!r}")
    return layers


def _run(request: Request, out: Path | None, *, as_json: bool, quiet: bool) -> int:
    from lamina.cli.console import output
    from lamina.cli.table_progress import TableProgress
    from lamina.tabular.data import prepare
    from lamina.tabular.run import complete
    from lamina.tabular.run_folder import require_free
    from lamina.tabular.training import train

    require_free(out)
    prepared = prepare(request)
    console = None if as_json or quiet else output()
    if console:
        _show_prepared(console, prepared)
    trained = train(prepared, request, None if quiet else TableProgress)
    if trained.interrupted:
        print(f"lamina: interrupted; keeping epoch {trained.best_epoch}, the best so far", file=sys.stderr)
    run = complete(prepared, request, trained, out)
    if console:
        _show_results(console, run)
    print(json.dumps({"run": str(run.path), **run.results}) if as_json else _closing(run, quiet))
    return EXIT_INTERRUPTED if trained.interrupted else 0


def _show_prepared(console: Any, prepared: Any) -> None:
    from lamina.cli.table_views import columns_table, override_hint
    from lamina.tabular.describe import describe_target

    console.print(columns_table(prepared.schema))
    console.print(override_hint(prepared.schema), style="dim", markup=False)
    console.print(
        f"\n[bold]Task[/bold]: {_escaped(describe_target(prepared.target))} ({_escaped(prepared.target.reason)})"
    )
    parts = {"training": prepared.train, "validation": prepared.validation, "test": prepared.test}
    rows = ", ".join(f"{len(part):,} {name}" for name, part in parts.items() if part is not None)
    console.print(f"[bold]Rows[/bold]: {rows}\n")


def _show_results(console: Any, run: Any) -> None:
    from lamina.cli.table_views import metrics_table

    results = run.results
    console.print(
        metrics_table(
            f"Metrics on {results['measured_rows']:,} {results['measured_on']} rows", results["metrics"]
        )
    )
    epochs, best = results["epochs"], results["best_epoch"]
    console.print(
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'} in {results['seconds']:.1f} s; kept epoch {best}"
    )


def _closing(run: Any, quiet: bool) -> str:
    if quiet:
        return str(run.path)
    report, use = run.path / "report.html", f"lamina predict {run.path} NEW.csv -o predictions.csv"
    return f"saved in {run.path}; the report is {report}\nnext: {use}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
