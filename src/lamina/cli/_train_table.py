"""``lamina train DATA --target COLUMN``: a network on a table, from files to a run's folder."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lamina.cli import _options as options
from lamina.cli._console import EXIT_INTERRUPTED, output, say, warnings_as_lines
from lamina.cli._options import PRESETS, choosing, layers, one_of, option, positive, reading, said
from lamina.distributed.communicator import let_the_first_speak, world
from lamina.errors import LaminaError
from lamina.extras import require
from lamina.table.formats import begin_reading, described
from lamina.table.schema import TASKS

if TYPE_CHECKING:
    from lamina.distributed.communicator import Communicator
    from lamina.runs.data import Prepared, Request
    from lamina.training.checkpoint import Checkpoint
    from lamina.training.loop import Epoch, Loop, Observer
    from lamina.training.run_folder import RunFolder

__all__ = ["train_table"]

_training: dict[str, Any] = {"rich_help_panel": "How to train"}
_by_preset: dict[str, Any] = {"shown": "by preset", **_training}
_PART = "A file, or a share of the rows; 0 for none."

Data = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Files: {described()}, globs, a folder of images by class, or - for standard input.",
        show_default=False,
    ),
]
Target = Annotated[str | None, option("The column to predict; images have theirs.", named="--target -t")]
Task = Annotated[str | None, choosing("{}, where the inferred one is wrong.", TASKS, " or ")]
Kind = Annotated[
    list[str] | None,
    option("COLUMN=numeric or COLUMN=categorical, where the inferred kind is wrong; repeatable."),
]
Drop = Annotated[list[str] | None, option("A column to leave out; repeatable.")]
Validation = Annotated[str | None, option(_PART, "0.16; fast: 0.08")]
Test = Annotated[str | None, option(_PART, "0.2")]
Out = Annotated[Path | None, option("The run's folder, new.", "runs/<target>-<n>", named="--out -o")]
Resume = Annotated[Path | None, option("Continue the run in this folder where it stopped.", False)]
Preset = Annotated[
    str | None,
    choosing("default: most accurate; medium: a tenth of its time; fast: seconds.", PRESETS, shown="default", **_training),
]
_RETIRED = "sklearn"
"""A preset that is obeyed still, and not offered."""
Epochs = Annotated[int | None, option("At most so many epochs.", **_by_preset)]
Hidden = Annotated[str | None, option("Units of the hidden layers, with commas.", **_by_preset)]
Rate = Annotated[float | None, option("The learning rate.", named="--lr", **_by_preset)]
Seed = Annotated[int | None, option("The seed of all randomness.", "0", **_training)]
Stream = Annotated[bool, option("Read rows from the disk, whatever the size.", False, **_training)]
Memory = Annotated[
    str | None,
    option(
        "What training may take, as 4G; larger tables are read from the disk.",
        "half of what is free",
        **_training,
    ),
]
Shards = Annotated[
    int | None,
    option("Cut each batch into so many parts, which the processes of mpirun share.", "not cut", **_training),
]
Device = Annotated[
    str | None,
    option("Where to train: cpu, gpu, gpu:1 …, auto (a GPU, if it is worth it).", "cpu", **_training),
]
Json = Annotated[bool, option("One JSON object instead of tables.", named="--json")]
Quiet = Annotated[bool, option("Only the run's folder, no warnings.", named="--quiet -q")]


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
    shards: Shards = None,
    stream: Stream = False,
    memory: Memory = None,
    device: Device = None,
    format: options.FormatOption = None,
    delimiter: options.DelimiterOption = None,
    encoding: options.EncodingOption = None,
    decimal: options.DecimalOption = None,
    quote: options.QuoteOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train a multilayer perceptron on a table, and measure it.

    Finds out what the columns are, holds rows back for validation and test, keeps the epoch with the best
    validation score (fast stops when it no longer improves), compares with a linear model, and writes
    a folder: model.safetensors, metrics.jsonl, settings.json, report.html. Ctrl-C keeps the best epoch so far.
    A run that was killed, or Ctrl-C ended, goes on with --resume from its last checkpoint, to the same network as if
    nothing had happened: checkpoints are saved after the first epoch, and then every 10 seconds. A table that is larger
    than memory is read from the disk, and encoded into the run's folder until the training ends.

    Examples:

    \b
      lamina train people.csv --target income
      lamina train houses.parquet --target price --preset fast --out runs/houses
      lamina train 'part-*.csv.gz' --target y --kind zip=categorical --drop id
      lamina train 'rows/*.parquet' --target y --memory 2G
      lamina train train.csv --target y --validation valid.csv --test test.csv
      zcat log.jsonl.gz | lamina train - --format jsonl --target clicked --json
      lamina train --resume runs/houses
      mpirun -n 4 lamina train 'part-*.csv' --target y --shards 8

    MNIST has a command of its own: lamina train mnist --help
    """
    chosen = said(
        data=tuple(data or ()) or None,
        target=target,
        task=one_of("--task", task, TASKS),
        kinds=_kinds(kind or [], drop or []) or None,
        preset=one_of("--preset", preset, PRESETS if preset != _RETIRED else (_RETIRED,)),
        validation=validation,
        test=test,
        epochs=positive("--epochs", epochs),
        hidden=None if hidden is None else layers(hidden),
        learning_rate=positive("--lr", lr),
        seed=_seed(seed),
        shards=positive("--shards", shards),
        stream=stream or None,
    )
    read_as = reading(format, delimiter, encoding, decimal, quote)
    require("training on a table", "scikit-learn", "polars")
    begin_reading(data or ())
    if preset == _RETIRED and not quiet:
        say(
            f"lamina: warning: --preset {preset} is retired: its networks are lamina.neural_network's",
            error=True,
        )
    team = world()
    if not team.is_first:
        with warnings_as_lines(quiet=True):
            return _help(team)
    with warnings_as_lines(quiet=quiet), _held(chosen, read_as, out, resume) as (folder, request, saved):
        _require_shards(request, team)
        try:
            with _prepared(folder, request, memory, quiet=quiet) as (request, prepared):
                where = device or "cpu"
                return _run(folder, request, prepared, saved, device=where, as_json=as_json, quiet=quiet)
        except KeyboardInterrupt:
            say(f"lamina: interrupted; {_how_to_go_on(folder)}", error=True)
            return EXIT_INTERRUPTED


def _require_shards(request: Request, team: Communicator) -> None:
    if team.size > 1 and (request.shards or 0) < team.size:
        said = "no --shards" if request.shards is None else f"--shards {request.shards}"
        raise LaminaError(
            f"{team.size} processes were started, and {said}: say into how many parts each batch is cut, of which "
            f"each process gets some, as with --shards {max(8, team.size)}; it decides what network comes out, the "
            "number of processes does not"
        )


def _help(team: Communicator) -> int:
    """Train along with the first process, which alone speaks and writes files."""
    from lamina.runs.data import prepare
    from lamina.runs.streamed import prepare_streamed
    from lamina.runs.training import train

    request, bound = team.broadcast(None)
    try:
        if request.stream:
            with (
                TemporaryDirectory(prefix="lamina-rows-") as scratch,
                prepare_streamed(request, Path(scratch), bound) as prepared,
            ):
                train(prepared, request)
        else:
            train(prepare(request), request)
    except KeyboardInterrupt:
        let_the_first_speak(team.rank)  # it may be waiting for this one's gradients
        say("lamina: interrupted; continue with lamina train --resume, if there was a checkpoint", error=True)
        return EXIT_INTERRUPTED
    team.wait_for_all()
    return 0


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


@contextmanager
def _held(
    chosen: dict[str, Any], read_as: dict[str, Any], out: Path | None, resume: Path | None
) -> Generator[tuple[RunFolder, Request, Checkpoint | None]]:
    """The folder of a new run, or of an earlier one that goes on: what was asked for, and what it goes on from."""
    from lamina.runs.data import Request
    from lamina.runs.run_folder import read_unfinished
    from lamina.table.read import ReadOptions
    from lamina.training.run_folder import held_run, new_run

    if resume is None:
        if "data" not in chosen:
            raise LaminaError("name the table to train on, or with --resume the run to continue")
        request = Request(**chosen, options=ReadOptions(**read_as))
        with new_run(out, request.run_name) as folder:
            yield folder, request, None
        return
    if out is not None:
        raise LaminaError("--resume continues in the run's own folder; leave --out away")
    with held_run(resume) as folder:
        request, saved = read_unfinished(resume)
        yield folder, _same(request, chosen, read_as), saved


def _same(begun: Request, chosen: dict[str, Any], read_as: dict[str, Any]) -> Request:
    """What an earlier run was asked for, unless something else is said now."""
    for name, value in (chosen | read_as).items():
        its = getattr(begun, name) if name in chosen else getattr(begun.options, name)
        if value != its and name != "data":
            raise LaminaError(f"the run was begun with {_said(name, its)}; it can't change")
    # The files may have moved, but not changed.
    return dataclasses.replace(begun, data=chosen.get("data", begun.data))


def _said(name: str, value: Any) -> str:
    """How the command line says, or does not say, what a run was begun with."""
    option = {"learning_rate": "--lr", "kinds": "--kind or --drop"}.get(name, f"--{name}")
    if value is None or value == {}:
        return f"no {option}"
    if isinstance(value, dict):
        return " ".join(f"{option} {column}={kind}" for column, kind in cast("dict[str, str]", value).items())
    return f"{option} {','.join(map(str, cast(Any, value))) if isinstance(value, tuple) else value}"


@contextmanager
def _prepared(
    folder: RunFolder, request: Request, memory: str | None, *, quiet: bool
) -> Generator[tuple[Request, Prepared]]:
    """The table, in memory if it fits there."""
    from lamina.runs.data import prepare
    from lamina.runs.streamed import prepare_streamed, why_streamed
    from lamina.table.stream.memory import bytes_in

    bound = None if memory is None else bytes_in(memory)
    why = why_streamed(request, bound)
    if why is None:
        world().broadcast((request, bound))
        yield request, prepare(request)
        return
    if not request.stream:
        say(f"lamina: {why}: rows are read from the disk", error=True)
        request = dataclasses.replace(request, stream=True)
    world().broadcast((request, bound))
    with folder.scratch() as scratch, prepare_streamed(request, scratch, bound) as prepared:
        yield request, prepared


def _run(
    folder: RunFolder,
    request: Request,
    prepared: Prepared,
    saved: Checkpoint | None,
    *,
    device: str,
    as_json: bool,
    quiet: bool,
) -> int:
    from lamina.export.run_page import write_run_page
    from lamina.runs.run import complete
    from lamina.runs.run_folder import as_line
    from lamina.runs.training import train
    from lamina.table.messages import counted
    from lamina.training.checkpoint import Checkpoints
    from lamina.training.display import Display, Waiting, telling

    console = None if as_json or quiet else output()
    if console:
        _show_prepared(console, prepared)
    if saved and not quiet:
        say(f"lamina: {folder.path} goes on after {counted(len(saved.past), 'epoch')}", error=True)
    observers: list[Observer] = [Checkpoints(folder, request.to_dict(), as_line, saved=saved)]
    if not quiet:
        observers += [Display(sys.stderr, _progress), Waiting(sys.stderr)]
    trained = train(prepared, request, observers, device)
    if device != "cpu" and not quiet:
        say(f"lamina: was trained on {trained.model.estimator.device_}", error=True)
    if trained.interrupted:
        say(f"lamina: interrupted; keeping epoch {trained.best_epoch}, the best so far", error=True)
    with telling(None if quiet else sys.stderr) as tell:
        run = complete(prepared, trained, request, folder, tell)
        world().wait_for_all()
        tell("writing the page to try the network on")
        page = write_run_page(run.path)
    if console:
        _show_results(console, run)
    say(json.dumps({"run": str(run.path), **run.results}) if as_json else _closing(run, page, quiet))
    if not trained.interrupted:
        return 0
    say(f"lamina: {_how_to_go_on(folder)}", error=True)
    return EXIT_INTERRUPTED


def _progress(loop: Loop, epoch: Epoch) -> str:
    """Loss, validation loss, and the best of that."""
    if epoch.score is None:
        return f"loss {epoch.loss:.4f}"
    best = f"best {-loop.best_score:.4f} in {loop.best_epoch}"
    return f"loss {epoch.loss:.4f}, validation {-epoch.score:.4f} ({best})"


def _how_to_go_on(folder: RunFolder) -> str:
    from lamina.training.run_folder import CHECKPOINT

    if not folder.has(CHECKPOINT):
        return "nothing is saved to go on from"
    return f"continue with: lamina train --resume {folder.path}"


def _show_prepared(console: Any, prepared: Any) -> None:
    from rich.markup import escape

    from lamina.cli._table_views import columns_table, override_hint
    from lamina.table.describe import describe_rows, describe_target

    console.print(columns_table(prepared.schema))
    console.print(override_hint(prepared.schema), style="dim", markup=False)
    task = f"{describe_target(prepared.target)} ({prepared.target.reason})"
    console.print(f"\n[bold]Task[/bold]: {escape(task)}")
    console.print(f"[bold]Rows[/bold]: {describe_rows(prepared.rows)}\n")


def _show_results(console: Any, run: Any) -> None:
    from lamina.cli._table_views import measured_title, metrics_table
    from lamina.table.messages import counted

    results = run.results
    console.print(metrics_table(measured_title(results), results["metrics"]))
    epochs, best = counted(results["epochs"], "epoch"), results["best_epoch"]
    console.print(f"{epochs} in {results['seconds']:.1f} s; kept epoch {best}")


def _closing(run: Any, page: Path | None, quiet: bool) -> str:
    if quiet:
        return str(run.path)
    report, use = run.path / "report.html", f"lamina predict {run.path} NEW.csv -o predictions.csv"
    tried = "" if page is None else f"; to try the network, open {page}"
    return f"saved in {run.path}; the report is {report}{tried}\nnext: {use}"
