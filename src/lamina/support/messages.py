"""Messages to users, with the user's line of code, suggestions for misspelled names, and escaped text."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Generic, TextIO, TypeVar

T = TypeVar("T")

_ON_COMMAND_LINE: ContextVar[bool] = ContextVar("on command line", default=False)


def on_command_line() -> AbstractContextManager[None]:
    """A context in which messages refer to command-line options instead of Python arguments."""
    return being(_ON_COMMAND_LINE, True)


class being(AbstractContextManager[None], Generic[T]):  # noqa: N801 - used as `with being(variable, value):`
    """A context in which a context variable has the value `value`; quicker to enter than a generator."""

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(self, *_exception: object) -> None:
        self._variable.reset(self._token)


_ACTIVITY: ContextVar[Callable[[str], None] | None] = ContextVar("activity", default=None)


def telling_activity(tell: Callable[[str], None]) -> AbstractContextManager[None]:
    """A context in which `tell` is called with the current activity, such as "reading people.csv"."""
    return being(_ACTIVITY, tell)


def doing(what: str) -> None:
    """Tell the user, inside `telling_activity`, what takes long just now; "": nothing that is shown."""
    if (tell := _ACTIVITY.get()) is not None:
        tell(what)


def is_on_command_line() -> bool:
    """Whether messages refer to command-line options, since lamina runs as a command."""
    return _ON_COMMAND_LINE.get()


def closest(name: str, known: Iterable[str]) -> str:
    """A question that suggests the known name most similar to `name`, or "" if none is similar.

    >>> closest("incme", ["age", "income"])
    " Did you mean 'income'?"
    >>> closest("ReLU", ["LeakyReLU", "relu"])
    " Did you mean 'relu'?"
    >>> closest("adma", ["adamax", "adam"])
    " Did you mean 'adam'?"
    """
    from difflib import get_close_matches  # imported only after an error

    names = list(known)
    same = [one for one in names if one.lower() == name.lower()]
    near = same or sorted(get_close_matches(name, names, n=5), key=lambda one: _slips(name, one))
    return f" Did you mean {near[0]!r}?" if near else ""


def suggesting(message: str, name: str) -> AttributeError:
    """An `AttributeError` whose message already contains a suggestion; Python adds no other suggestion."""
    return AttributeError(message, name=name, obj=None)


def _slips(said: str, meant: str) -> int:
    """The edit distance by inserted, deleted, replaced or swapped letters (optimal string alignment)."""
    before, row = [0] * (len(meant) + 1), list(range(len(meant) + 1))
    for i, a in enumerate(said):
        row, before, earlier = [i + 1], row, before
        for j, b in enumerate(meant):
            row.append(min(before[j + 1] + 1, row[j] + 1, before[j] + (a != b)))
            if i and j and a == meant[j - 1] and b == said[i - 1]:
                row[-1] = min(row[-1], earlier[j - 1] + 1)
    return row[-1]


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun in the singular or plural.

    >>> counted(1, "row"), counted(2500, "row"), counted(2, "class", "classes")
    ('1 row', '2,500 rows', '2 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def printable(text: str, keep: str = "\n\t") -> str:
    r"""Escape characters that could affect a terminal or deceive a reader.

    Escaped characters are control characters (ESC begins terminal commands), bidirectional marks, other invisible
    characters, line separators and unpaired surrogates, except those in `keep`.

    >>> print(printable("a\x1b[2Jb\u202ec\n"), end="")
    a\x1b[2Jb\u202ec
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep or _is_space(c) else repr(c)[1:-1] for c in text)


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"  # not printable according to Python, but harmless


_ENCODABLE = "lamina.encodable"
"""The name of the codec error handler that replaces unencodable characters by ASCII."""

_IN_ASCII = str.maketrans(
    {
        "…": "...", "–": "-", "—": "-", "−": "-", "─": "-", "×": "x", "·": ".", "±": "+-", "→": "->", "←": "<-",
        "↑": "^", "↓": "v",
        "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "√": "sqrt", "∞": "inf", "½": "1/2", "✔": "+", "✖": "x",
        "‘": "'", "’": "'", "“": '"', "”": '"',
    }
)  # fmt: skip


def _encodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end].translate(_IN_ASCII)
    return "".join(_sign_in_ascii(c) for c in signs), error.end


def _sign_in_ascii(c: str) -> str:
    if _is_space(c):
        return " "
    if unicodedata.decomposition(c).startswith(("<super>", "<sub>")):
        c = unicodedata.normalize("NFKD", c)
    return c.encode("ascii", "backslashreplace").decode()


codecs.register_error(_ENCODABLE, _encodable)


def encodable(text: str, encoding: str) -> str:
    r"""Replace characters that `encoding` lacks by ASCII: symbols by similar signs, and letters by escapes.

    >>> print(encodable("R² 0.9 ± 0.1 … Köln", "ascii"))
    R2 0.9 +- 0.1 ... K\xf6ln
    """
    return text.encode(encoding, _ENCODABLE).decode(encoding)


def adapt(stream: TextIO | None) -> None:
    """Make a stream write unencodable characters as `encodable` does, instead of raising an error.

    Notebook and in-memory streams have no encoding and are left unchanged.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ENCODABLE)


@contextmanager
def adapted(stream: TextIO) -> Generator[None]:
    """A context in which a user's stream is changed by `adapt`."""
    before = getattr(stream, "errors", None)
    adapt(stream)
    try:
        yield
    finally:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=before)


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for an unknown name of a `kind`, with a suggestion and the list of known names.

    >>> unknown("preset", "defalt", ["default", "fast"])
    "unknown preset 'defalt'. Did you mean 'default'? Known: default, fast"
    """
    names = list(known)
    return f"unknown {kind} {name!r}.{closest(str(name).lower(), names)} Known: {', '.join(names)}"


class Shown(str):
    """Multi-line text that prompts and notebooks show without quotes.

    >>> Shown("one\\ntwo")
    one
    two
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(self)}</pre>"


def excerpt(text: object, most: int = 300) -> str:
    r"""Shorten a text from a file or library for a message, and escape characters that could affect a terminal.

    >>> excerpt("a\x1b[2J"), excerpt("long " * 9, most=10)
    ('a\\x1b[2J', 'long long …')
    """
    said = str(text)
    shown = said if len(said) <= most else said[:most] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def in_a_line(value: object) -> str:
    r"""The `repr` of a value, escaped and shortened to one line.

    >>> print(in_a_line([[1, 2], "a\n"])), print(in_a_line("long " * 99))
    [[1, 2], 'a\n']
    'long long long long long long long long long long long long long long long long…
    (None, None)
    """
    return excerpt(" ".join(repr(value).split()), most=80)


def show(text: str) -> None:
    """Print to standard error, where ``LAMINA_DEBUG`` asks for it."""
    print(text, file=sys.stderr, flush=True)


def debug_level() -> int:
    """The largest number in the environment variable ``LAMINA_DEBUG``, a comma-separated list, or 0."""
    return max((int(word) for word in _debug_words() if word.isdigit()), default=0)


def shows_whole_tracebacks() -> bool:
    """Whether the environment variable ``LAMINA_DEBUG`` contains ``traceback``."""
    return "traceback" in _debug_words()


def _debug_words() -> list[str]:
    return [word.strip() for word in os.environ.get("LAMINA_DEBUG", "").split(",")]


def warn(warning: str | Warning) -> None:
    """Issue a warning that Python reports at the user's line of code."""
    frame = _user_frame()
    warnings.warn_explicit(
        warning,
        UserWarning,  # if `warning` is a text, not a Warning
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "<unknown>"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def user_location() -> str:
    """The user's line of code that is being executed, as ``file.py:12``."""
    frame = _user_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _user_frame() -> FrameType:
    """The innermost frame of the user's code, i.e. outside lamina, NumPy and the standard library.

    If there is none, returns the innermost frame outside lamina.
    """
    innermost = frame = sys._getframe(1)
    others: FrameType | None = None
    while frame is not None:
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module not in ("lamina", "numpy") and module not in sys.stdlib_module_names:
            return frame
        if others is None and module != "lamina":
            others = frame
        frame = frame.f_back
    return others or innermost
