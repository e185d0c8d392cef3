"""All settings of the estimators, each declared once: type, meaning, rule, values by preset, option, distribution.

The classes here are the constructors' parameters: `BaseMLP` and the two estimators inherit them. Derived from the
declarations are `help()` (`_parameters`), the errors for values that can't work, `Settings`, the options of ``lamina
train`` and ``lamina tune`` (`lamina.cli._train_options`), a run's request and its JSON (`lamina.runs.data`), what a
search draws (`search.space`), and the table in docs/estimators.md (``tools/settings_table.py``).

Annotations are evaluated: they hold the declarations.
"""

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, overload

from lamina.core.precision import PRECISIONS, Precision, require_precision
from lamina.estimators import option_values as read
from lamina.estimators import presets
from lamina.estimators.declaring import (
    CANDIDATES,
    JUDGING,
    READING,
    SEARCH,
    About,
    ByTask,
    Draw,
    Option,
    Rule,
    declared,
    declares,
    is_count,
    is_number,
    must,
    must_be_one_of,
)
from lamina.estimators.presets import FEWEST_EPOCHS, KNOWN, PRESETS, RETIRED
from lamina.support.messages import unknown
from lamina.support.schedules import SCHEDULES

__all__ = [
    "DECLARED", "OPTIONS", "ClassifierSettings", "EstimatorSettings", "NetworkSettings", "RegressorSettings",
    "Settings", "StepSettings", "TrainingSettings", "as_list",
]  # fmt: skip

# --- types ------------------------------------------------------------------------------------------------------------

Task = Literal["classification", "regression"]

OPEN: Any = None
"""The default of constructor parameters that take the preset's value."""

if TYPE_CHECKING:
    from typing import Never, Self

    from typing_extensions import TypeVar

    T = TypeVar("T")
    G = TypeVar("G", default=Never)

    class Setting(Generic[T, G]):
        """The type of a setting with values by preset: T in `Settings`; T, G or None in the constructor."""

        @overload
        def __get__(self, instance: None, owner: Any) -> Self: ...
        @overload
        def __get__(self, instance: "Settings", owner: Any) -> T: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> T | G | None: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: object, value: T | G | None) -> None: ...
else:

    class Setting:
        """At runtime, settings are plain attributes with the constructor's type."""

        def __class_getitem__(cls, types: Any) -> Any:
            return reduce(or_, types if isinstance(types, tuple) else (types,)) | None


# --- rules ------------------------------------------------------------------------------------------------------------

_COUNT = must(is_count, "a whole number >= 1")
_COUNT_IF_ANY = must(lambda value: value is None or is_count(value), "a whole number >= 1")
_ABOVE_0 = must(lambda value: value > 0, "> 0")
_FROM_0 = must(lambda value: value >= 0, ">= 0")
_SHARE = must(lambda value: 0 <= value < 1, "at least 0 and below 1")
_SWITCH = must(lambda value: value is None or value in (True, False), "True or False")
_SCHEDULE = must_be_one_of(*SCHEDULES)


def _is_patience(value: Any) -> bool:
    return value is None or value in ("auto", "cycle", math.inf) or is_count(value)


def _is_jobs(value: Any) -> bool:
    """Whether it is a number of jobs for joblib: None, or any integer but 0."""
    return value is None or (
        isinstance(value, numbers.Integral) and not isinstance(value, bool) and value != 0
    )


def as_list(value: Any) -> list[Any]:
    """None, one value or several, as a list."""
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _are_activations(_name: str, value: Any, _owner: Any) -> None:
    from lamina.nd.activation import activation_by_name

    for name in as_list(value):
        activation_by_name(name)


def _are_kinds(_name: str, value: Any, _owner: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(
            "column_kinds is a dict by column of 'numeric', 'categorical', 'date', 'text', 'ordered', 'drop' or a "
            f"list of values in order, not {type(value).__name__}"
        )


def _is_date_format(_name: str, value: Any, _owner: Any) -> None:
    if value is not None:
        from lamina.table.dates import requested_form

        requested_form(value)


def _is_class_weight(_name: str, value: Any, _owner: Any) -> None:
    if value is not None and not isinstance(value, Mapping | list) and value != "balanced":
        raise ValueError(f"class_weight is 'balanced', a dict of weights by class, or None, not {value!r}")


def _are_callbacks(_name: str, value: Any, _owner: Any) -> None:
    watching = ("on_begin", "on_search_begin", "load")  # of trainings, of searches, of stores of trials
    for one in as_list(value):
        if not callable(one) and not any(hasattr(one, name) for name in watching):
            raise ValueError(
                "callbacks are functions of (estimator, epoch), or observers of lamina.training.loop, "
                f"not {one!r}"
            )


def _checked_by(function: str, *of_owner: str) -> Rule:
    """A rule implemented by a function of this package, given the value and attributes of the estimator."""

    def rule(_: str, value: Any, owner: Any) -> None:
        module, _, name = function.rpartition(".")
        check = getattr(import_module(f"lamina.estimators.{module}"), name)
        check(value, *(getattr(owner, attribute) for attribute in of_owner))

    return rule


def _widths(hidden: Any) -> tuple[Any, ...]:
    if isinstance(hidden, numbers.Integral):
        return (hidden,)
    if isinstance(hidden, str) or not hasattr(hidden, "__iter__"):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, as (256, 256), got {hidden!r}")
    return tuple(hidden)


def _activations() -> str:
    from lamina.nd.activation import ACTIVATIONS

    return f"of the hidden layers, one name or a list with one for each: {', '.join(ACTIVATIONS)}."


def _solvers() -> Mapping[str, Any]:
    from lamina.estimators._solvers import SOLVERS

    return SOLVERS


def _is_solver(*of: Any) -> None:
    must_be_one_of(*_solvers())(*of)


# --- what a search draws ----------------------------------------------------------------------------------------------

_DRAWN_WIDTHS = (128, 192, 256)
"""TabArena's go up to 512, which on a CPU take as long as several networks of these sizes."""


def _drawn_layers(rng: Any, usual: Any) -> tuple[int, ...]:
    """From two layers to one more than the preset has, all of equal width."""
    return (int(rng.choice(_DRAWN_WIDTHS)),) * int(rng.integers(2, len(usual.hidden_layer_sizes) + 2))


def _log_uniform(rng: Any, low: float, high: float) -> float:
    """A log-uniform number, rounded to three digits."""
    return float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.3g}")


# --- what a training has ----------------------------------------------------------------------------------------------
# fmt: off
# A declaration's values stand in a line.


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class TrainingSettings:
    """Length of the training, and its rows."""

    preset: Annotated[str, About(
        "where parameters that are None get their values: 'default' is RealMLP-TD (Holzmüller, Grinsztajn, Steinwart, "
        "'Better by Default', 2024, arXiv 2407.04491) and what was measured to be better, 'medium' smaller networks "
        "that take a tenth of its time, 'fast' one or more of them for a second; 'sklearn' is retired, see "
        "lamina.neural_network. 'best' searches from 'default' on: see `time_limit`.",
        option=Option(
            "--preset", "medium: a tenth of the time; fast: seconds; best: of many networks.",
            shown="default", choices=PRESETS, retired=tuple(RETIRED), default="default"))] = "default"
    members: Annotated[Setting[int | None], About(
        "how many networks are trained side by side; their outputs are averaged (Lakshminarayanan, Pritzel, Blundell, "
        "2017). None: 5 for a table of at most 5000 rows (fast: 4; medium, fast: 2 of more than 500 columns), else 2 "
        "(fast: 1 from 20,001 rows on).", None, sklearn=1, rule=_COUNT_IF_ANY)] = OPEN
    max_iter: Annotated[Setting[int | None], About(
        f"the most epochs. None: by the number of training rows, {presets.ENOUGH_STEPS['default']} steps (presets "
        f"'medium' and 'fast': {presets.ENOUGH_STEPS['fast']}), at most {presets.MOST_EPOCHS} epochs, and at least "
        f"{FEWEST_EPOCHS['default']} (medium: {FEWEST_EPOCHS['medium']}, fast: {FEWEST_EPOCHS['fast']}) of more than "
        f"{presets.JUST_STEPS_ROWS} rows. 'fast' of at most 5000 rows, with its own batch_size: 20,000 rows, but at "
        "least 20 epochs (of more than 2000 rows: 32).",
        None, sklearn=200, rule=_COUNT_IF_ANY,
        not_in_search="trials are trained for as many epochs as the table needs",
        option=Option("--epochs", "Maximum number of epochs.", int))] = OPEN
    early_stopping: Annotated[Setting[bool], About(
        "whether rows are held out (unless `fit` gets an `eval_set`), and the epoch that is best on them is kept. "
        "Tables of fewer than 10 rows hold none out.", True, sklearn=False, rule=_SWITCH)] = OPEN
    validation_fraction: Annotated[Setting[float], About(
        "the share of the rows held out, the same of each class. Several members hold out different rows, 1 / members "
        "of all if that is less.",
        0.2, medium=0.1, fast=0.1, sklearn=0.1, rule=must(lambda value: 0 < value < 1, "between 0 and 1"))] = OPEN
    n_iter_no_change: Annotated[Setting[int | float | str | None], About(
        "after how many epochs without improvement the training stops. 'auto': a quarter of them; math.inf, or None "
        "of the preset 'medium': never. 'cycle', or None of the preset 'default': where the third of coslog4's four "
        "cycles ends, after 7/15 of the epochs, if it lowered the validation loss by less than 1 % (or did not "
        "improve another `scoring`).",
        "cycle", medium=None, fast="auto", sklearn=10,
        rule=must(_is_patience, "a whole number >= 1 (or math.inf)"))] = OPEN
    tol: Annotated[Setting[float], About(
        "by how much the validation score (or, without validation rows, the loss) must improve to count for "
        "`n_iter_no_change`.", 0.0, sklearn=1e-4, rule=must(is_number, "a number"))] = OPEN
    linear_path: Annotated[Setting[bool], About(
        "whether members become the mean of their networks and of a ridge or logistic regression of the numeric "
        "inputs, with the weight of lowest loss on the held-out rows, 0 included. Searches, streams, `partial_fit`, "
        "other losses, `monotone` and preprocess=False have no linear path.",
        False, medium=True, fast=True, rule=_SWITCH, not_in_search="trials are networks alone",
        fixed="given")] = OPEN


@dataclass(eq=False, repr=False)
@declares
class NetworkSettings(TrainingSettings):
    """The network's architecture, and the encoding of its inputs."""

    hidden_layer_sizes: Annotated[Setting[tuple[int, ...], Any], About(
        "the widths of the hidden layers, or one width. () gives a linear model.",
        (256, 256, 256), medium=(128, 128), fast=(128, 128), sklearn=(100,), rule=must(is_count, "> 0", each=True),
        convert=_widths,
        option=Option(
            "--hidden", "Units of the hidden layers, with commas; none: a linear model.",
            read=read.layers, stored=list[int]),
        draw=Draw(1, _drawn_layers, compiles=True))] = OPEN
    activation: Annotated[Setting[str | Sequence[str]], About(
        _activations, ByTask("selu", "mish"), sklearn="relu", rule=_are_activations,
        draw=Draw(2, lambda rng, _: str(rng.choice(["selu", "mish"])), compiles=True))] = OPEN
    _: KW_ONLY
    learned_activation: Annotated[Setting[bool], About(
        "whether units learn how much of the activation f they use: x + α(f(x) − x) (RealMLP).",
        True, medium=False, fast=False, sklearn=False, rule=_SWITCH,
        draw=Draw(3, lambda rng, _: bool(rng.integers(2)), compiles=True))] = OPEN
    dropout: Annotated[Setting[float | Sequence[float]], About(
        "the share of hidden units that are dropped (Srivastava et al., 2014), one number or a list with one for each "
        "layer.", 0.15, medium=0.1, fast=0.05, sklearn=0.0,
        rule=must(lambda value: 0 <= value < 1, "at least 0 and below 1", each=True),
        draw=Draw(6, lambda rng, _: round(float(rng.uniform(0, 0.3)), 3)))] = OPEN
    normalization: Annotated[Setting[str | None], About(
        "None, 'batch' (Ioffe and Szegedy, 2015) or 'layer' (Ba et al., 2016), before each activation.",
        None, rule=must_be_one_of(None, "batch", "layer"))] = OPEN
    ntk: Annotated[Setting[bool], About(
        "whether layers compute xW/√d + b, with an initialization that looks at the data (RealMLP), instead of xW + b "
        "with Glorot's.", True, sklearn=False, rule=_SWITCH)] = OPEN
    number_embedding: Annotated[Setting[bool | None], About(
        "whether each number also enters as three learned mixtures of its cosines (RealMLP's PBLD). None of 'medium' "
        "and 'fast': of at most 128 numbers ('fast' of at most 5000 rows: 32).",
        True, medium=None, fast=None, sklearn=False, rule=_SWITCH)] = OPEN
    number_pieces: Annotated[Setting[int | None], About(
        "how many pieces the piecewise linear function has at most that is learned of each number (Gorishniy, "
        "Rubachev, Babenko, 2022), and added to those mixtures: a piece for 100 rows, and 4096 for all numbers "
        "together. None: 64, or as many as the values of a column need whose neighbouring values say different "
        "things; those of a column whose function is smooth decay fast. 0: none.", None, sklearn=0,
        rule=must(lambda value: value is None or value == 0 or is_count(value), "a whole number >= 0"),
        draw=Draw(5, lambda rng, _: (16, None, 0)[int(rng.integers(3))], compiles=True))] = OPEN
    embedding_width: Annotated[Setting[int], About(
        "how many numbers stand for a category of a column with more than 8 of them.", 8, rule=_COUNT)] = OPEN
    input_scale: Annotated[Setting[bool], About(
        "whether each input has a learned scale (RealMLP).", True, sklearn=False, rule=_SWITCH)] = OPEN
    preprocess: Annotated[Setting[bool], About(
        "whether inputs are centred at the median, divided by the interquartile range, and clipped smoothly "
        "(RealMLP). Missing numbers become the median either way.", True, sklearn=False, rule=_SWITCH)] = OPEN
    monotone: Annotated[Mapping[Any, int] | None, About(
        "by the column's name or position, 1 if predictions never fall where the column rises, -1 if they never rise: "
        "exactly, everywhere. Of two classes it is the second one's probability that obeys; several labels and "
        "targets obey all. Such a column enters by a piecewise linear function only. Nothing is said of missing "
        "values: a prediction where the number is missing may be above or below all others.",
        option=Option(
            "--monotone", "COLUMN=1: predictions never fall with it; COLUMN=-1: they never rise; repeatable.",
            list[str], shown="", read=read.directions, stored=dict[str, int], default={}))] = None


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class StepSettings(NetworkSettings):
    """The steps: changes of the network's weights."""

    solver: Annotated[Setting[str], About(
        lambda: ", ".join(f"{name!r} ({solver.meaning})" for name, solver in _solvers().items()) + ".",
        "adam", rule=_is_solver)] = OPEN
    batch_size: Annotated[Setting[int, str], About(
        "rows a step, at most those of the table. 'auto' is the preset's value. None of 'fast': 64 of at most 2000 "
        "rows, 128 of at most 5000, or a fifth of the table if that is less.",
        256, sklearn=200, rule=_COUNT, convert=lambda value: None if value == "auto" else value)] = OPEN
    drop_last: Annotated[Setting[bool], About(
        "whether an epoch leaves out the rows that do not fill a batch.", True, sklearn=False, rule=_SWITCH)] = OPEN
    learning_rate: Annotated[Setting[str], About(
        "the schedule of the learning rate: constant, coslog4 (RealMLP), flat_cos, one_cycle (Smith and Topin, 2018), "
        "cosine, linear.",
        "coslog4", medium="one_cycle", fast="one_cycle", sklearn="constant", rule=_SCHEDULE)] = OPEN
    # medium's single cycle ends with many short steps; fast has too few to recover from steps as long as default's
    learning_rate_init: Annotated[Setting[float], About(
        "the learning rate (None of 'fast': 0.05 of at most 5000 rows) that the schedule multiplies.",
        ByTask(0.04, 0.2), medium=0.1, fast=ByTask(0.04, 0.1), sklearn=1e-3, rule=_ABOVE_0,
        option=Option("--lr", "The learning rate.", float, key="learning_rate"),
        draw=Draw(7, lambda rng, usual: float(f"{usual.learning_rate_init * _log_uniform(rng, 0.5, 2.0):.3g}")))] = OPEN
    alpha: Annotated[Setting[float], About(
        "the L2 penalty of scikit-learn: ½·alpha·‖W‖², divided by the rows of the batch.",
        0.0, sklearn=1e-4, rule=_FROM_0)] = OPEN
    weight_decay: Annotated[Setting[float], About(
        "decoupled weight decay (Loshchilov and Hutter, 2019) of all but biases, times the learning rate.",
        0.02, sklearn=0.0, rule=_FROM_0,
        draw=Draw(8, lambda rng, _: _log_uniform(rng, 0.005, 0.05)))] = OPEN
    regularization_schedule: Annotated[Setting[str], About(
        "a schedule that multiplies `dropout` and `weight_decay`.",
        "flat_cos", sklearn="constant", rule=_SCHEDULE)] = OPEN
    beta_1: Annotated[Setting[float], About("Adam's decay of the mean of gradients.", 0.9, rule=_SHARE)] = OPEN
    beta_2: Annotated[Setting[float], About(
        "Adam's decay of the mean of squared gradients.", 0.95, sklearn=0.999, rule=_SHARE,
        draw=Draw(4, lambda rng, _: float(rng.choice([0.95, 0.97, 0.99])), compiles=True))] = OPEN
    epsilon: Annotated[Setting[float], About(
        "what Adam adds to the root of that mean.",
        1e-8, rule=must(lambda value: is_number(value) and value > 0, "> 0"))] = OPEN
    momentum: Annotated[float, About(
        "of solver='sgd'.", rule=must(lambda value: 0 <= value <= 1, "between 0 and 1"))] = 0.9
    nesterovs_momentum: Annotated[bool, About("whether that is Nesterov's momentum.")] = True
    shards: Annotated[Setting[int | None], About(
        "into how many parts each batch is cut, which the processes that mpirun starts share: the network is the same "
        "bit by bit on any number of them. Gradients are summed in an order that `shards` fixes; dropout and batch "
        "normalization are a shard's own. None: batches are not cut. See docs/scale.md.",
        None, rule=_COUNT_IF_ANY, not_in_search="trials are trained in one process",
        option=Option(
            "--shards", "Number of parts of each batch, which the processes of mpirun share.",
            int, shown="not cut"))] = OPEN
    precision: Annotated[Precision, About(
        "what a GPU's tensor cores may round the operands of a step's large products to: 'float32' (not at all), "
        "'tf32' (11 significant bits) or 'bfloat16' (8); sums and weights stay float32. Elsewhere products are "
        "computed in float32, with a warning where `device` is not 'auto'. docs/guide.md has the bounds.",
        rule=lambda _, value, owner: require_precision(value, type(owner).__name__), fixed="never",
        option=Option(
            "--precision", f"On a GPU, products of {' or '.join(PRECISIONS)}.",
            shown="float32", choices=PRECISIONS, stored=Precision, default="float32", tunes=True))] = "float32"


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class _ClassTraining:
    label_smoothing: Annotated[Setting[float], About(
        "the share of the target that is spread over all classes (Szegedy et al., 2016). RealMLP-TD has 0.1, which "
        "costs log-loss.", 0.0, rule=_SHARE)] = OPEN
    calibrate: Annotated[Setting[bool], About(
        "whether outputs are multiplied by the factor that gives the validation rows the smallest log-loss "
        "(temperature scaling; Guo et al., 2017). Epochs are then judged by the calibrated outputs.",
        True, sklearn=False, rule=_SWITCH)] = OPEN


# fmt: on
@dataclass(eq=False, repr=False, init=False)
class Settings(_ClassTraining, StepSettings):
    """All settings of a training; frozen.

    >>> settings = Settings(preset="fast", task="regression", dropout=0.3)
    >>> settings.dropout, settings.learning_rate_init
    (0.3, 0.1)
    >>> settings.replace(max_iter=7).epochs
    7
    """

    def __init__(self, preset: str = "default", task: Task = "classification", **given: Any) -> None:
        """Create settings, with the preset's values where none are given; only values that can't be converted raise.

        Args:
            preset: one of `KNOWN`.
            task: "classification" or "regression".
            given: values by name; None means the preset's.

        Raises:
            ValueError: there is no such preset, or a value can't be converted.
            TypeError: there is no such setting.
        """
        if preset not in KNOWN:
            raise ValueError(unknown("preset", preset, KNOWN))
        values: dict[str, Any] = {"preset": preset}
        for name, about in declared(type(self)).items():
            value = given.pop(name, getattr(type(self), name))
            if value is not None and about.convert is not None:
                value = about.convert(value)
            if value is None and about.has_presets:
                value = about.value(preset, task)
            values.setdefault(name, value)
        if given:
            raise TypeError(f"there is no setting {min(given)!r}")
        vars(self).update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(
            f"cannot assign to {name!r}; settings.replace({name}=…) is a copy"
        )

    @property
    def epochs(self) -> int:
        """`max_iter`, after it was determined from the number of rows."""
        assert self.max_iter is not None
        return self.max_iter

    def replace(self, **changes: Any) -> "Settings":
        """A copy with other values, which may be None.

        Raises:
            TypeError: there is no such setting.
        """
        if others := changes.keys() - vars(self).keys():
            raise TypeError(f"there is no setting {min(others)!r}")
        changed = copy(self)
        vars(changed).update(changes)
        return changed


# --- what an estimator has besides ------------------------------------------------------------------------------------
# fmt: off


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class EstimatorSettings:
    """Further settings of `fit`: loss, seed, device and others."""

    loss: Annotated[Any, About(
        "a name (see above), or a function of nd arrays `loss(outputs, target)` that returns a value a row; outputs "
        "are (rows, k), the target is (rows,) class numbers, or (rows, k) labels or standardized numbers.")] = None
    random_state: Annotated[Any, About(
        "the seed of all randomness, or a NumPy RandomState. With the same seed the result is the same bit by bit, "
        "whatever the number of threads.", fixed="never",
        option=Option("--seed", "The seed of all randomness.", int, "0", read=read.seed, default=0, tunes=True))] = None
    verbose: Annotated[Any, About(
        "shows each epoch's loss, validation score, and the time left: as a bar on a terminal, else as lines.",
        fixed="never")] = False
    warm_start: Annotated[bool, About(
        "whether `fit` goes on with the network of the last `fit`, whose columns the table must have.",
        not_in_search="a search begins anew")] = False
    column_kinds: Annotated[Mapping[Any, Any] | None, About(
        "by the column's name or position, what it is where the inferred kind is wrong: 'numeric', 'categorical', "
        "'date', 'text', 'drop', a list of its values from the lowest to the highest, or 'ordered' if they are of a "
        "known scale.",
        rule=_are_kinds)] = None
    date_format: Annotated[str | None, About(
        "how dates are written, where the form that is found is wrong: 'day-first', 'month-first', 'year-first'; a "
        "form as for datetime.strptime, such as '%d.%m.%Y'; or the unit of numbers since 1970, 's', 'ms', 'us' or "
        "'ns', in columns of the kind 'date'. Columns that are not so written are read as without it.",
        rule=_is_date_format, fixed="given",
        option=Option(
            "--date-format",
            "How dates are written, as for strptime ('%d.%m.%Y'); of numbers since 1970 their unit: s, ms, us, ns.",
            shown="found from each column", read=read.date_format, tunes=True, panel=READING))] = None
    scoring: Annotated[Any, About(
        "the validation score, higher is better: one of the names above, one of sklearn.metrics.get_scorer_names(), "
        "what make_scorer made, or a function of (y_true, predictions), of a classifier (y_true, probabilities). "
        "None: the negative loss (sklearn: accuracy, r2).", rule=_checked_by("scoring.check_scoring", "_own_scores"),
        option=Option(
            "--scoring", "What validation chooses by: a name of scikit-learn's, as f1, average_precision or r2.",
            shown="the loss", read=read.scoring, tunes=True, panel=JUDGING))] = None
    time_gap: Annotated[float, About(
        "with `time` of `fit`: how much later than rows that train those are, at least, that are held out; in the unit "
        "of `time`, for dates in days.",
        rule=_FROM_0, fixed="given",
        option=Option(
            "--time-gap", "With --time: how much later held-out rows are, at least; for dates in days.",
            float, "0", default=0.0, tunes=True))] = 0.0
    callbacks: Annotated[Any, About(
        "a function, or a list of them, called after each epoch with the estimator and what is known of the epoch "
        "(`number`, `loss`, `score`, `is_best`, `seconds`); a true result ends the training. An `Observer` of "
        "`lamina.training.loop` among them sees the training's steps, beginning and end, too.",
        rule=_are_callbacks, fixed="never")] = None
    time_limit: Annotated[float | str | None, About(
        "how long `fit` may take: seconds, or text such as '90s', '5m', '1h30m'. In this time networks of other "
        "settings than the preset's are trained, too, as far as none are given; those that are best together on the "
        "rows that they held out are averaged: see docs/estimators.md. Ctrl-C leaves the best so far. None: one "
        "training.", fixed="never",
        option=Option(
            "--time-limit",
            "Time limit of a search, e.g. 5m, from the command's start to its end; the best networks are averaged.",
            shown="none", read=read.seconds, stored=float, tunes=True, panel=SEARCH))] = None
    trials: Annotated[int | None, About(
        "how many configurations such a search has at most: with the same number, and no time limit, the result is "
        "the same bit by bit. None: as many as the time allows, or 16 of preset 'best' without a limit.",
        fixed="never",
        rule=must(lambda value: value is None or (_is_jobs(value) and value >= 1), "a whole number >= 1"),
        option=Option(
            "--trials", "Number of networks that a search trains.",
            int, "16 without a time limit", tunes=True, panel=SEARCH))] = None
    candidates: Annotated[str | Sequence[str] | None, About(
        f"what a search may average with networks, one name or several: {', '.join(CANDIDATES)}. 'linear' is ridge or "
        "logistic regression, 'neighbours' the mean of near training rows, 'boosting' scikit-learn's "
        "HistGradientBoosting; the last three are libraries to be installed. None: networks alone. See "
        "docs/estimators.md.", fixed="given",
        rule=must(lambda value: all(one in CANDIDATES for one in as_list(value)), f"of {', '.join(CANDIDATES)}"),
        option=Option(
            "--candidates", f"What a search may average with networks, with commas: {', '.join(CANDIDATES)}.",
            shown="networks alone", read=read.candidates, stored=list[str], tunes=True, panel=SEARCH))] = None
    n_jobs: Annotated[int | None, About(
        "how many members are trained at a time by joblib's backend (threads, processes, a cluster: docs/scale.md), "
        "as scikit-learn counts them: None is 1, unless joblib.parallel_config says otherwise, and 1 has them side by "
        "side in one step. Of a search (`time_limit`, `trials`) it is how many trials are trained at a time, in "
        "threads unless joblib.parallel_config says otherwise. The result has the same bits.",
        rule=must(_is_jobs, "a whole number >= 1, or -1 for one on each core"), fixed="never",
        option=Option(
            "--jobs -j",
            "Number of networks that a search trains at a time; -1: one for each core. It gives the same network.",
            int, "1", read=lambda _, jobs: jobs, kept=False, tunes=True, panel=SEARCH))] = None
    device: Annotated[str, About(
        "where the network is trained: 'cpu', 'gpu', 'gpu:1' …, or 'auto': a GPU if there is one and the work is "
        "large enough. Afterwards it is on the CPU, so that predictions and files need no GPU; `device_` says what "
        "was taken. `partial_fit` stays on the CPU.", fixed="never",
        option=Option(
            "--device", "Where to train: cpu, gpu, gpu:1 …, auto (a GPU, if it is worth it).",
            shown="cpu", kept=False, tunes=True))] = "cpu"


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class ClassifierSettings(_ClassTraining):
    """Settings of classifiers only."""

    class_weight: Annotated[Any, About(
        "a dict of weights by class, or 'balanced': by the inverse of the classes' frequencies; multiplied with "
        "`sample_weight`. The loss of validation rows has them too; accuracy, F1 and other scores don't.",
        rule=_is_class_weight,
        option=Option(
            "--class-weight",
            "balanced: rare classes weigh as much in the loss as frequent ones; or CLASS=WEIGHT, repeatable.",
            list[str], "all rows alike", read=read.class_weights, stored=str | dict[str, float],
            tunes=True, panel=JUDGING))] = None
    threshold: Annotated[float | str | None, About(
        "of two classes, from which probability of the positive class on it is predicted: a number, or 'f1' or "
        "'balanced', which choose the one with the best F1 or balanced accuracy on the validation rows; `threshold_` "
        "says which. None: the likelier class. Probabilities don't change. `positive_class_` is the second class or, "
        "of texts, the rarer one.", rule=_checked_by("threshold.check_threshold"), fixed="given",
        option=Option(
            "--threshold",
            "Of two classes: the probability of the rare one from which it is predicted, as 0.3; f1, balanced: the "
            "best on validation rows.",
            shown="the likelier class", read=read.threshold, stored=str | float, tunes=True, panel=JUDGING))] = None


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class RegressorSettings:
    """Settings of regressors only."""

    quantile: Annotated[float | Sequence[float], About(
        "the level of loss='quantile' (Koenker and Bassett, 1978), or a list of levels, ascending: then predictions "
        "have a column for each, and never cross.", rule=_checked_by("quantiles.checked_levels", "loss"),
        option=Option(
            "--quantile", "Of numbers: predict these quantiles instead of the mean, as 0.05,0.5,0.95.",
            shown="the mean", read=read.levels, key="quantiles", stored=list[float]))] = 0.5


# fmt: on
# --- derived ----------------------------------------------------------------------------------------------------------


DECLARED: Mapping[str, About] = {
    name: about
    for kind in (StepSettings, RegressorSettings, ClassifierSettings, EstimatorSettings)
    for name, about in declared(kind).items()
}
"""All settings, by name."""

OPTIONS = {name: about.option for name, about in DECLARED.items() if about.option is not None}
"""The options of the command line, by the settings' names."""
