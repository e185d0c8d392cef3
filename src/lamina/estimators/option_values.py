"""Parsers for the values of command-line options; error messages name the option, `flag`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any

from lamina.errors import LaminaError
from lamina.estimators.declaring import CANDIDATES
from lamina.support.extras import require
from lamina.support.messages import unknown


def seed(flag: str, value: int) -> int:
    """Parse a seed.

    Raises:
        LaminaError: the seed is negative, or has more than 32 bits.
    """
    if not 0 <= value < 2**32:
        raise LaminaError(f"{flag} {value}: must be a whole number from 0 to {2**32 - 1}")
    return value


def seconds(flag: str, text: str) -> float:
    """Parse a duration; return seconds.

    Raises:
        LaminaError: the text is not a duration.
    """
    from lamina.training.time_limit import seconds_of

    try:
        return seconds_of(text)
    except ValueError as error:
        raise LaminaError(
            f"{flag} {text}: give a time above 0, in seconds or with units, such as 90, 90s, 5m or 1h30m"
        ) from error


def checked_by(function: str, *others: Any, parse: Callable[[str], Any] = str) -> Callable[[str, str], Any]:
    """A parser of a table's option, whose value is checked by the function that checks the setting.

    Args:
        function: the function's module and name; it raises an error for an invalid value.
        others: further arguments of the function, after the value.
        parse: a function from the option's text to the value.

    >>> checked_by("table.dates:requested_form")("--date-format", "%d.%m.%Y")
    '%d.%m.%Y'
    """

    def read(flag: str, text: str) -> Any:
        require("training on a table", "scikit-learn", "polars")
        value = parse(text)
        try:
            resolve_name(f"lamina.{function}")(value, *others)
        except (ValueError, LaminaError) as error:
            raise LaminaError(f"{flag}: {error}") from error
        return value

    return read


def layers(flag: str, text: str) -> tuple[int, ...]:
    """Parse the widths of hidden layers; "none" means a linear model, ().

    Raises:
        LaminaError: the widths are not integers of at least 1.

    >>> layers("--hidden", "256,128"), layers("--hidden", "none")
    ((256, 128), ())
    """
    try:
        units = () if text.strip() == "none" else tuple(int(part) for part in text.split(","))
    except ValueError:
        units = (0,)
    if units and min(units) < 1:
        raise LaminaError(
            f"{flag} takes whole numbers, separated by commas, such as 256,256, or none for a linear model; "
            f"not {text!r}"
        )
    return units


def candidates(flag: str, text: str) -> tuple[str, ...]:
    """Parse names of candidate models, separated by commas.

    Raises:
        LaminaError: a name is unknown.

    >>> candidates("--candidates", "linear, boosting")
    ('linear', 'boosting')
    """
    names = tuple(part.strip() for part in text.split(","))
    if other := next((name for name in names if name not in CANDIDATES), None):
        raise LaminaError(f"{flag}: {unknown('candidate', other, CANDIDATES)}")
    return names


def directions(flag: str, texts: Sequence[str]) -> dict[str, int] | None:
    """Parse monotone columns: the name of each column, and the direction of its effect on predictions.

    Raises:
        LaminaError: an item is not COLUMN=1 or COLUMN=-1, or a column has both directions.

    >>> directions("--monotone", ["rooms=1", "age=-1"])
    {'rooms': 1, 'age': -1}
    """
    known = {"1": 1.0, "+1": 1.0, "-1": -1.0}
    found = _by_name(
        flag, texts, known.get, "write COLUMN=1 or COLUMN=-1", "column {} also has the direction {:g}"
    )
    return {name: int(direction) for name, direction in found.items()} or None


def class_weights(flag: str, texts: Sequence[str]) -> str | dict[str, float] | None:
    """Parse "balanced", or weights by class.

    Raises:
        LaminaError: the texts have neither form or both, a class has two weights, or a weight is negative or not a
            number.

    >>> class_weights("--class-weight", ["balanced"])
    'balanced'
    >>> class_weights("--class-weight", ["yes=10", "a=b=0.5"])
    {'yes': 10.0, 'a=b': 0.5}
    """
    if list(texts) == ["balanced"]:
        return "balanced"
    alone = " alone" if "balanced" in texts else ""
    advice = f"write balanced{alone}, or CLASS=WEIGHT, such as yes=10"
    return _by_name(flag, texts, _weight, advice, "class {} also has the weight {:g}") or None


def number_or_text(text: str) -> float | str:
    """The number in a text, or else the text."""
    return text if (found := number(text)) is None else found


def numbers(text: str) -> tuple[float | str, ...]:
    """The numbers in a text, separated by commas.

    >>> numbers("0.05,0.5,0.95")
    (0.05, 0.5, 0.95)
    """
    return tuple(map(number_or_text, text.split(",")))


def number(text: str) -> float | None:
    """The number in a text, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def _weight(text: str) -> float | None:
    found = number(text)
    return found if found is not None and 0 <= found < float("inf") else None


def _by_name(
    flag: str, texts: Sequence[str], value_of: Callable[[str], float | None], advice: str, twice: str
) -> dict[str, float]:
    """Parse texts NAME=VALUE into a dict; raise `LaminaError` for another form, or a repeated name.

    `value_of` converts a value, or returns None if the value is invalid. The error messages end with `advice`, or with
    `twice` for a repeated name.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, said = text.rpartition("=")
        value = value_of(said)
        if not name or value is None:
            raise LaminaError(f"{flag} {text}: {advice}")
        if found.setdefault(name, value) != value:
            raise LaminaError(f"{flag} {text}: the {twice.format(name, found[name])}; give only one")
    return found
