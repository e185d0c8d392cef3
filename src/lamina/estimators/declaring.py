"""Classes and functions for the declarations of settings in `lamina.estimators.settings`.

The command line's help reads the declarations, so this module doesn't import NumPy or scikit-learn.
"""

from __future__ import annotations

import inspect
import numbers
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from functools import cache
from typing import Any, Literal, TypeVar

from lamina.estimators.presets import KNOWN

_Kind = TypeVar("_Kind", bound=type)


@dataclass(frozen=True)
class ByTask:
    """A setting's value that differs between classification and regression."""

    classification: Any
    regression: Any


# --- rules ------------------------------------------------------------------------------------------------------------

Rule = Callable[[str, Any, Any], None]
"""A check of a setting, from its name, value and estimator; raises `ValueError` for an invalid value."""


def must(be: Callable[[Any], bool], words: str, *, each: bool = False) -> Rule:
    """A rule that a setting's value meets the condition `be`; `words` describe the condition in the error message.

    With `each`, every element of a tuple or list must meet the condition.

    >>> must(is_count, "a whole number >= 1")("members", 0.5, None)
    Traceback (most recent call last):
    ValueError: members must be a whole number >= 1, got 0.5
    """

    def rule(name: str, value: Sequence[Any] | float | str | None, _: Any) -> None:
        values = value if each and isinstance(value, tuple | list) else [value]
        if not all(_holds(be, one) for one in values):
            raise ValueError(f"{name} must be {words}, got {value!r}")

    return rule


def must_be_one_of(*values: Any) -> Rule:
    """A rule that a setting's value is among `values`."""
    return must(values.__contains__, f"one of {', '.join(map(repr, values))}")


def _holds(be: Callable[[Any], bool], value: Any) -> bool:
    try:
        return bool(be(value))
    except (TypeError, ValueError):  # such as a text instead of a number, or an array
        return False


def is_count(value: Any) -> bool:
    """Whether `value` is an integer of at least 1."""
    return isinstance(value, numbers.Integral) and int(value) >= 1


def is_number(value: Any) -> bool:
    """Whether `value` is a number, excluding booleans."""
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


# --- the command line, and searches -----------------------------------------------------------------------------------

LIBRARIES = ("lightgbm", "xgboost", "catboost")
CANDIDATES = ("linear", "neighbours", "boosting", *LIBRARIES)
"""The models, other than networks, that a search can train and average; some need libraries of these names."""

TRAINING, SEARCH, JUDGING, READING = "How to train", "How to search", "What counts", "How to read files"
"""The help panels of `lamina train --help` for settings."""


@dataclass(frozen=True)
class Option:
    """A setting as an option of ``lamina train``.

    Attributes:
        flags: the option's names, e.g. ``--lr``, or ``--jobs -j``.
        help: the description in the help, a sentence.
        kind: the command-line type: int, float, str, or list[str] for a repeatable option.
        shown: the default as the help shows it; "": the help shows no default.
        read: a function from the flag (for error messages) and the option's text to the value, which raises
            `LaminaError` if the text is invalid. None: the value is a positive number, one of `choices`, or the text.
        choices: the possible values, for shell completion.
        retired: old values that still work, but are not offered.
        key: the name in a run's settings.json, if different from the flag's.
        stored: the type in settings.json, if different from `kind`.
        default: the value in settings.json if the option is not given.
        kept: whether a run's settings.json stores the option; false for options of a single command, such as the
            device.
        tunes: whether `lamina tune` has the option, too.
        panel: the title of the panel in the help.
    """

    flags: str
    help: str
    kind: Any = str
    shown: str = "by preset"
    _: KW_ONLY
    read: Callable[[str, Any], Any] | None = None
    choices: Sequence[str] = ()
    retired: Sequence[str] = ()
    key: str = ""
    stored: Any = None
    default: Any = None
    kept: bool = True
    tunes: bool = False
    panel: str = TRAINING

    @property
    def flag(self) -> str:
        """The flag in its long form, e.g. ``--jobs``."""
        return self.flags.split()[0]

    @property
    def name(self) -> str:
        """The name in a run's settings, as a Python identifier."""
        return self.key or self.flag.removeprefix("--").replace("-", "_")

    @property
    def type(self) -> Any:
        """The type in a run's settings."""
        kind = self.stored or self.kind
        return kind | None if self.default is None else kind


@dataclass(frozen=True)
class Draw:
    """The distribution of a setting in a search.

    Attributes:
        place: the position of this setting in the order of random draws. New settings come last, so that the values
            drawn for older settings don't change.
        draw: a function from a random generator and the preset's settings to a value.
        compiles: whether a change of the value needs recompilation; if so, several consecutive trials use the same
            value.
    """

    place: int
    draw: Callable[[Any, Any], Any]
    compiles: bool = False


# --- a declaration ----------------------------------------------------------------------------------------------------

_SAME = object()


@dataclass(frozen=True)
class About:
    """The declaration of a setting apart from its name and type, in ``Annotated[type, About(…)]``.

    Attributes:
        words: the description, for `help()` and the documentation; a function that returns it, if this needs imports.
        realmlp, medium, fast, sklearn: the value in each preset; a preset without a value has the value of `realmlp`,
            and the presets "default" and "best" those of `medium`. A setting without any of these values has the
            constructor's default in all presets.
        rule: the rule for valid values.
        convert: a function from the user's value to the value used in training; if it returns None, the preset's
            value is used.
        option: the option on the command line.
        draw: the distribution in a search.
        not_in_search: the reason why a search can't be combined with the setting; "" if it can.
        fixed: when a resumed search must have the same value as before: "always", "given" (only if the user set
            the setting), or "never". Settings added later have "given", so that older searches can be resumed.
    """

    words: str | Callable[[], str]
    realmlp: Any = _SAME
    _: KW_ONLY
    medium: Any = _SAME
    fast: Any = _SAME
    sklearn: Any = _SAME
    rule: Rule | None = None
    convert: Callable[[Any], Any] | None = None
    option: Option | None = None
    draw: Draw | None = None
    not_in_search: str = ""
    fixed: Literal["always", "given", "never"] = "always"

    @property
    def has_presets(self) -> bool:
        """Whether the setting has values by preset."""
        return self.realmlp is not _SAME

    @property
    def meaning(self) -> str:
        """The setting's description."""
        return self.words if isinstance(self.words, str) else self.words()

    def check(self, name: str, value: Any, owner: Any = None) -> None:
        """Raise `ValueError` if `value` is invalid.

        Some rules depend on the estimator, `owner`.
        """
        if self.rule is not None:
            self.rule(name, value, owner)

    def value(self, preset: str, task: str) -> Any:
        """The setting's value in a preset."""
        value = getattr(self, "medium" if preset in ("default", "best") else preset, _SAME)
        value = self.realmlp if value is _SAME else value
        return getattr(value, task) if isinstance(value, ByTask) else value


_ABOUT = "about"


def declares(cls: _Kind) -> _Kind:
    """Prepare a class for `dataclass`: move each `About` from a field's annotation to the field's metadata.

    Signatures then show only the type.
    """
    for name, annotation in cls.__annotations__.items():
        for about in getattr(annotation, "__metadata__", ()):
            cls.__annotations__[name] = annotation.__origin__
            setattr(cls, name, field(default=getattr(cls, name), metadata={_ABOUT: about}))
    return cls


@cache
def declared(kind: type) -> Mapping[str, About]:
    """The settings among a dataclass's fields, by name, in the order of declaration."""
    return {one.name: one.metadata[_ABOUT] for one in fields(kind) if _ABOUT in one.metadata}


# --- docstrings -------------------------------------------------------------------------------------------------------
_ATTRIBUTES = {
    "classes_": "the classes in order (of a classifier; several labels: their positions).",
    "coefs_, intercepts_": "the weights (in, out) and biases (out,) of each layer of the first member, "
    "float32.",
    "loss_curve_": "the mean training loss of each epoch.",
    "loss_, best_loss_": "the last and the smallest training loss (`best_loss_` is None with validation rows).",
    "validation_scores_, best_validation_score_, best_epoch_": "each epoch's score, the best score, and the epoch "
    "with the best score (the last of equal ones), whose network is kept; None without validation rows. "
    "`best_validation_score_` includes the linear path and the classes' own factors, if there are any.",
    "n_iter_, t_": "the number of trained epochs, and the total number of rows seen.",
    "device_": "the device of the training: 'cpu(0)', 'gpu(0)' …",
    "n_features_in_, feature_names_in_": "the number of columns in training, and their names if there are any.",
    "fitted_": "everything that predictions need: `encoder`, `network`, `target`.",
    "trials_": "after a search, a record of each trial: its `number`, `settings`, `score`, `seconds`, `epochs`, "
    "whether it is `complete`, and its `share` in the average. The attributes about epochs are then those of the best "
    "network with a share, and `best_validation_score_` is the average's score.",
    "blend_score_": "the score of a search's average with linear models and boosted trees; None if the loss "
    "would not be 0.5 % lower, or was not measured.",
    "n_layers_, n_outputs_, out_activation_": "the number of layers including input and output, the number of outputs, "
    "and the name of the function from outputs to predictions.",
}

_Estimator = TypeVar("_Estimator", bound=type)


def documented(cls: _Estimator) -> _Estimator:
    """Insert parameters and attributes into an estimator's docstring, before the example."""
    text = inspect.cleandoc(cls.__doc__ or "")
    before, example, rest = text.partition(">>> ")
    signature: Any = inspect.signature(cls)
    about = declared(cls)
    parameters = "\n".join(
        _entry(name, f"{about[name].meaning} {_default(about[name], given.default, cls)}")
        for name, given in signature.parameters.items()
    )
    attributes = "\n".join(_entry(name, meaning) for name, meaning in _ATTRIBUTES.items())
    cls.__doc__ = f"{before}Args:\n{parameters}\n\nAttributes:\n{attributes}\n\n{example}{rest}"
    return cls


def _entry(name: str, text: str) -> str:
    lines = textwrap.wrap(f"{name}: {text.strip()}", 100, break_on_hyphens=False)
    return textwrap.indent("\n".join([lines[0], *(f"    {line}" for line in lines[1:])]), "    ")


def _default(about: About, default: Any, cls: Any) -> str:
    """A sentence that names a parameter's default: the constructor's value, or the presets' values."""
    if not about.has_presets:
        return f"Default: {default!r}."
    usual, *others = ((name, about.value(name, cls._task)) for name in KNOWN if name != "best")
    differing = [f"{name}: {value!r}" for name, value in others if value != usual[1]]
    return f"Default: {usual[1]!r}" + (f" ({', '.join(differing)})." if differing else ".")
