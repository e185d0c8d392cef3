"""The command line's output, on standard output and on standard error; and the command's start, for its time limit."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.support.messages import doing, encodable, printable, telling_activity

if TYPE_CHECKING:
    from rich.console import Console

EXIT_ERROR = 2
"""The exit code for invalid input or diverged training; one line on stderr gives the reason."""

EXIT_INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as in shells; the same for SIGTERM."""

_WIDTH_OF_A_PIPE = 110


def output() -> Console:
    """Create a console on standard output; unless this is a terminal, the text is plain and of fixed width.

    Control characters are escaped before text is measured (see `printable`), so that names and values from data can't
    affect the terminal.
    """
    from rich.console import Console
    from rich.text import Text

    doing("")  # or the line on the terminal would take the output in

    class Printable(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(encodable(printable(text), self.encoding), **options)

    width = None if sys.stdout is not None and sys.stdout.isatty() else _WIDTH_OF_A_PIPE
    return Printable(highlight=False, width=width)


def say(text: str, *, error: bool = False) -> None:
    """Print text to standard output or standard error, with control characters escaped."""
    if not error:
        doing("")
    print(printable(text), file=sys.stderr if error else sys.stdout)


def note(text: str) -> None:
    """Print a line about the command itself to standard error."""
    say(f"lamina: {text}", error=True)


_SHOWN_AFTER, _NOTED_AFTER = 1.0, 10.0
"""Seconds after which a terminal shows the current activity, and after which a line elsewhere names it."""


@contextmanager
def _activity_shown() -> Generator[None]:
    """Show on standard error which file is read, if it takes long: as it goes on a terminal, in one line elsewhere."""
    begun, tell = time.monotonic(), None
    is_terminal = sys.stderr.isatty()
    with ExitStack() as stack:

        def told(what: str) -> None:
            nonlocal tell
            if tell is None:
                if not what or time.monotonic() - begun < (_SHOWN_AFTER if is_terminal else _NOTED_AFTER):
                    return
                from lamina.training.display import telling

                tell = stack.enter_context(telling(sys.stderr))
                if not is_terminal:
                    note(what)
            tell(what)

        with telling_activity(told):
            yield


@contextmanager
def warnings_as_lines(*, quiet: bool = False, shows_activity: bool = True) -> Generator[None]:
    """Print warnings about data, checkpoints and devices on standard error within this context, once per subject.

    So is the current activity, unless `shows_activity` is false, as while rows are written to a terminal.

    A subject is, for example, the unknown values of a column. Other warnings are hidden; with `quiet`, all warnings are
    hidden.
    """
    from lamina.export.warnings import NotLinkedWarning
    from lamina.table.messages import DataWarning
    from lamina.training.checkpoint import NotSavedWarning
    from lamina.training.device import NotRoundedWarning

    shown = (DataWarning, NotLinkedWarning, NotRoundedWarning, NotSavedWarning)
    seen: set[str] = set()  # subjects of printed warnings

    def show(message: Any, *_where: Any, **_more: Any) -> None:
        if isinstance(message, shown) and not message.subjects <= seen:
            seen.update(message.subjects)
            note(f"warning: {' '.join(str(message).split())}")

    hides = quiet or not shows_activity or sys.stderr is None
    shown_or_not = nullcontext() if hides else _activity_shown()
    with warnings.catch_warnings(), shown_or_not:
        warnings.simplefilter("ignore")
        if not quiet:
            for category in shown:
                warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield


# --- time ------------------------------------------------------------------------------------------------------------

_begun = [time.perf_counter()]


def begin_clock(*, of_process: bool) -> None:
    """Set the command's start time to now, or to the start of the process, before all imports."""
    _begun[0] = time.perf_counter() - (_age_of_process() if of_process else 0.0)


def start_time() -> float:
    """The command's start time, by `time.perf_counter`."""
    return _begun[0]


def since_start() -> float:
    """The seconds since the command's start."""
    return time.perf_counter() - _begun[0]


def _age_of_process() -> float:
    """The seconds since this process began, or its CPU seconds if the system does not report the start time."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    return time.process_time()
