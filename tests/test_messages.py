"""The user's line in messages and warnings, and names that were meant."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from lamina.messages import Shown, closest, unknown, user_location, warn


def called_from(module: str) -> Callable[..., Any]:
    """A function of a module with this name, which calls what it is given."""
    made = ModuleType(module)
    exec("def ask(f, *args):\n    return f(*args)", made.__dict__)
    return made.ask


def test_the_users_line_is_found_outside_lamina_and_libraries() -> None:
    for module in ("lamina.somewhere", "numpy.core", "functools"):
        assert called_from(module)(user_location).startswith(__file__)
    assert user_location().endswith(str(sys._getframe().f_lineno))


def test_a_warning_stands_at_the_users_line() -> None:
    with pytest.warns(UserWarning, match="odd") as caught:
        called_from("lamina.somewhere")(called_from("numpy"), warn, "odd")
        line = sys._getframe().f_lineno - 1
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


def test_a_warning_keeps_its_class() -> None:
    with pytest.warns(DeprecationWarning, match="old"):
        warn(DeprecationWarning("old"))


def test_the_nearest_known_name_is_proposed() -> None:
    assert closest("incme", ["age", "income"]) == " Did you mean 'income'?"
    assert closest("xyz", ["age", "income"]) == ""
    assert (
        unknown("color", "RED", ["blue", "red"])
        == "unknown color 'RED'. Did you mean 'red'? Known: blue, red"
    )
    assert unknown("color", "xyz", ["blue"]) == "unknown color 'xyz'. Known: blue"
    assert unknown("color", 3, ["blue"]) == "unknown color 3. Known: blue"


def test_a_text_is_shown_as_it_is() -> None:
    text = Shown("a <b>\nc")
    assert repr(text) == "a <b>\nc" and text._repr_html_() == "<pre>a &lt;b&gt;\nc</pre>"
