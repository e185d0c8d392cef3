"""The command-line application: its commands, and the report of an expected error in one line, with exit code 2."""

from __future__ import annotations

import gc
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lamina.cli._console import EXIT_ERROR, EXIT_INTERRUPTED, begin_clock, note, say, start_time
from lamina.cli._distill import distill
from lamina.cli._doctor import doctor
from lamina.cli._explain import explain
from lamina.cli._export import export
from lamina.cli._inspect import inspect
from lamina.cli._serve import serve
from lamina.cli._train_mnist import mnist
from lamina.cli._train_table import train_table, tune
from lamina.cli._use_table import evaluate, predict
from lamina.core import timings
from lamina.errors import LaminaError
from lamina.support.contexts import signals_handled
from lamina.support.messages import adapt
from lamina.table.messages import on_command_line

_MNIST = "train mnist"


class _Commands(TyperGroup):
    """A command group that also finds `train mnist`, a command whose name has two words."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Resolve the first arguments to a command's name, the command, and the remaining arguments."""
        if " ".join(args[:2]) == _MNIST:
            return _MNIST, self.get_command(ctx, _MNIST), args[2:]
        return super().resolve_command(ctx, args)


def help_text(command: Callable[..., Any]) -> str:
    """Join the lines of each paragraph in a command's docstring, for wrapping at any width; examples keep their lines.

    >>> def dance() -> None:
    ...     '''Dance to
    ...     music.'''
    >>> help_text(dance)
    'Dance to music.'
    """
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(text if text.startswith("\b") else text.replace("\n", " ") for text in paragraphs)


_LONGEST_MESSAGE = 3000
"""Maximum length of an error message, in characters, since names and values from files may be very long."""

app = typer.Typer(
    name="lamina",
    help="Multilayer perceptrons from scratch: train them, measure them, use them.",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train", help=help_text(train_table), no_args_is_help=True)(train_table)
app.command(_MNIST, help=help_text(mnist))(mnist)
for command in (tune, distill, evaluate, predict, explain, export, serve, inspect, doctor):
    app.command(command.__name__, help=help_text(command))(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from lamina import __version__

        print(f"lamina {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    timed: Annotated[
        bool, typer.Option("--timings", help="Print the time of each part of the command on standard error.")
    ] = False,
) -> None:
    """Multilayer perceptrons from scratch: train them, measure them, use them."""
    if timed:
        timings.begin(start_time())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 for success, 2 for an error, 130 after Ctrl-C or SIGTERM."""
    begin_clock(of_process=arguments is None)
    adapt(sys.stdout)
    adapt(sys.stderr)
    with on_command_line(), signals_handled(_interrupt, signal.SIGTERM):
        code = _run(arguments)
    if text := timings.report():
        say(text, error=True)
    if code:
        from lamina.distributed.communicator import end_all

        end_all(code)
    if arguments is None:
        gc.freeze()  # skips garbage collection at the end of the process, which takes half a second
    sys.exit(code)


def _interrupt(*_signal: Any) -> None:
    """Treat SIGTERM, from ``kill`` or a scheduler, like Ctrl-C, which keeps the best epoch."""
    raise KeyboardInterrupt


_command = cache(typer.main.get_command)
"""The parser of all commands, cached, since Typer would rebuild it for each call."""


def _run(arguments: Sequence[str] | None) -> int:
    # Typer's usage errors derive from its copy of click's ClickException; older Typers use click itself.
    usage_error: Any = typer.BadParameter.__mro__[2]
    try:
        result = _command(app)(arguments, prog_name="lamina", standalone_mode=False)
    except usage_error as error:
        return _complain(error.format_message() or "incomplete command; see lamina --help")
    except (LaminaError, OSError) as error:
        # polars reports a closed pipe only in the message
        if isinstance(error, BrokenPipeError) or "Broken pipe" in str(error):
            return _close_quietly()
        return _complain(_one_line(error))
    except MemoryError as error:
        return _complain(f"not enough memory for this: {error or 'an array is too large'}")
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", EXIT_INTERRUPTED)
    return result if isinstance(result, int) else 0


def _one_line(error: Exception) -> str:
    """Shorten an error's message; for an operating system error, return the file and the reason."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return textwrap.shorten(str(error), _LONGEST_MESSAGE, placeholder=" …")


def _complain(message: str, code: int = EXIT_ERROR) -> int:
    from lamina.distributed.communicator import let_the_first_speak, rank_at_start

    let_the_first_speak(rank_at_start())
    note(message)
    return code


def _close_quietly() -> int:
    """Let Python exit silently after the output pipe was closed, as by ``lamina … | head``; return exit code 0."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - where it was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
