"""The declarations of all settings of the estimators.

A declaration has the setting's type, description, valid values, value in each preset, command-line option and
distribution in a search. The fields of the classes here are the constructors' parameters, which `BaseMLP` and the two
estimators inherit. The declarations also define `help()` (`_parameters`), errors for invalid values, `Settings`, the
options of ``lamina train`` and ``lamina tune`` (`lamina.cli._train_options`), a run's settings and their JSON
(`lamina.runs.data`), a search's random values (`search.plan`), and the table in docs/estimators.md
(``tools/settings_table.py``).

This module does not postpone the evaluation of annotations, since they contain the declarations.
"""

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, cast, overload

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
        """The type of a setting with defaults by preset: T in `Settings`; T, G or None in constructors."""

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
        """The runtime form of the type.

        `Setting[T, G]` is the type in constructors: T, G or None.
        """

        def __class_getitem__(cls, types: tuple[Any, Any] | type) -> Any:
            return types[0] | types[1] | None if isinstance(types, tuple) else types | None


# --- rules ------------------------------------------------------------------------------------------------------------

_COUNT = must(is_count, "a whole number >= 1")
_COUNT_IF_ANY = must(lambda value: value is None or is_count(value), "a whole number >= 1")
_ABOVE_0 = must(lambda value: value > 0, "> 0")
_FROM_0 = must(lambda value: value >= 0, ">= 0")
_SHARE = must(lambda value: 0 <= value < 1, "at least 0 and below 1")
_SWITCH = must(lambda value: value is None or value in (True, False), "True or False")
_SCHEDULE = must_be_one_of(*SCHEDULES)


def _is_patience(value: Any) -> bool:
    return value is None or value in ("auto", "cycle", "mean", math.inf) or is_count(value)


def _is_jobs(value: Any) -> bool:
    """Whether `value` is a valid `n_jobs` of joblib: None, or any integer except 0."""
    return value is None or (
        not isinstance(value, bool) and isinstance(value, numbers.Integral) and value != 0
    )


def as_list(value: Sequence[Any] | str | None) -> list[Any]:
    """Return the value as a list: [] for None, and [value] for a single value."""
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _are_activations(_name: str, value: Any, _owner: Any) -> None:
    from lamina.nd.activation import activation_by_name

    for name in as_list(value):
        activation_by_name(name)


def _are_kinds(_name: str, value: Any, _owner: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(
            "column_kinds must be a dict by column of 'numeric', 'categorical', 'date', 'text', 'ordered', 'drop' or a "
            f"list of values in order, not {type(value).__name__}"
        )


def _is_date_format(_name: str, value: Any, _owner: Any) -> None:
    if value is not None:
        from lamina.table.dates import requested_form

        requested_form(value)


def _is_class_weight(_name: str, value: Any, _owner: Any) -> None:
    if value is not None and not isinstance(value, Mapping | list) and value != "balanced":
        raise ValueError(f"class_weight must be 'balanced', a dict of weights, or None, not {value!r}")
    if not isinstance(value, Mapping):
        return
    for label, weight in cast("Mapping[Any, Any]", value).items():
        if not (is_number(weight) and 0 <= weight < math.inf):
            raise ValueError(
                f"class_weight: the weight of {label!r} must be a finite number >= 0, got {weight!r}"
            )


def _are_callbacks(_name: str, value: Any, _owner: Any) -> None:
    watching = ("on_begin", "on_search_begin", "load")  # methods of Observer, SearchObserver, TrialStore
    for one in as_list(value):
        if not callable(one) and not any(hasattr(one, name) for name in watching):
            raise ValueError(
                "callbacks must be functions of (estimator, epoch), an Observer of lamina.training.loop, or a "
                f"SearchObserver or TrialStore of lamina.estimators.search.trial, not {one!r}"
            )


def _checked_by(function: str, *of_owner: str) -> Rule:
    """A rule that calls a function of this package, named `function`, to check a value.

    The function's arguments are the value, and the estimator's attributes with the names in `of_owner`.
    """

    def rule(_: str, value: Any, owner: Any) -> None:
        resolve_name(f"lamina.estimators.{function}")(value, *(getattr(owner, name) for name in of_owner))

    return rule


def _widths(hidden: Any) -> tuple[Any, ...]:
    if isinstance(hidden, numbers.Integral):
        return (hidden,)
    if isinstance(hidden, str) or not hasattr(hidden, "__iter__"):
        raise ValueError(f"hidden_layer_sizes must be whole numbers, such as (256, 256), got {hidden!r}")
    return tuple(hidden)


def _activations() -> str:
    from lamina.nd.activation import ACTIVATIONS

    return f"the activation of the hidden layers, a name or a name for each layer: {', '.join(ACTIVATIONS)}."


def _solvers() -> Mapping[str, Any]:
    from lamina.estimators._solvers import SOLVERS

    return SOLVERS


def _is_solver(*of: Any) -> None:
    must_be_one_of(*_solvers())(*of)


# --- what a search draws ----------------------------------------------------------------------------------------------

_DRAWN_WIDTHS = (128, 192, 256)
"""Hidden widths in a search. TabArena's widths go up to 512, but such a network takes a CPU as long as several here."""


def _drawn_layers(rng: Any, usual: Any) -> tuple[int, ...]:
    """Random hidden layers of equal width.

    There are at least two, and at most one more than in a preset's settings, `usual`.
    """
    return (int(rng.choice(_DRAWN_WIDTHS)),) * int(rng.integers(2, len(usual.hidden_layer_sizes) + 2))


def _log_uniform(rng: Any, low: float, high: float) -> float:
    """A random number from the log-uniform distribution, rounded to three significant digits."""
    return float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.3g}")


# --- what a training has ----------------------------------------------------------------------------------------------
# fmt: off
# Unformatted, so that a declaration's values stay on one line.


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class TrainingSettings:
    """The settings for the number of networks, the duration of the training, and the validation rows."""

    preset: Annotated[str, About(
        "the source of values for parameters that are None: 'medium' averages a few small networks, 'default' twice "
        "as many or more; 'fast' trains one or a few of these in about a second; 'best' is a search, see "
        "`time_limit`; 'realmlp' is RealMLP-TD (Holzmüller, Grinsztajn, Steinwart, 'Better by Default', 2024, arXiv "
        "2407.04491) with measured improvements. 'sklearn' is retired: use lamina.neural_network.",
        option=Option(
            "--preset", "medium: half of default's time; fast: seconds; best: a search over many networks.",
            shown="default", choices=PRESETS, retired=tuple(RETIRED), default="default"))] = "default"
    members: Annotated[Setting[int | None], About(
        "the number of networks trained together; their outputs are averaged (Lakshminarayanan, Pritzel, Blundell, "
        "2017). None: 10 for at most 5000 rows and 500 columns, otherwise 5 (medium and realmlp: 5 and 2; fast: 4 and "
        "2, with more than 20,000 rows 1; realmlp however many columns).", None, sklearn=1, rule=_COUNT_IF_ANY)] = OPEN
    max_iter: Annotated[Setting[int | None], About(
        f"the maximum number of epochs. None: enough for {presets.ENOUGH_STEPS['default']} steps (preset "
        f"'realmlp': {presets.ENOUGH_STEPS['realmlp']}), at most {presets.MOST_EPOCHS} epochs, and at least "
        f"{FEWEST_EPOCHS['default']} (realmlp: {FEWEST_EPOCHS['realmlp']}, fast: {FEWEST_EPOCHS['fast']}) for more "
        f"than {presets.JUST_STEPS_ROWS} rows. 'fast' with at most 5000 rows and its own batch_size: enough to see "
        "20,000 rows, and at least 20 epochs (for more than 2000 rows, 32).",
        None, sklearn=200, rule=_COUNT_IF_ANY,
        not_in_search="trials are trained for as many epochs as the table needs",
        option=Option("--epochs", "Maximum number of epochs.", int))] = OPEN
    early_stopping: Annotated[Setting[bool], About(
        "whether to hold out rows for validation (unless `fit` gets an `eval_set`) and keep the network of the best "
        "epoch. With fewer than 10 rows, none are held out.", True, sklearn=False, rule=_SWITCH)] = OPEN
    validation_fraction: Annotated[Setting[float], About(
        "the share of rows to hold out, stratified by class. Each member holds out different rows, at most 1 / members "
        "of the table.",
        0.2, medium=0.1, fast=0.1, sklearn=0.1, rule=must(lambda value: 0 < value < 1, "between 0 and 1"))] = OPEN
    n_iter_no_change: Annotated[Setting[int | float | str | None], About(
        "the number of epochs without improvement after which training stops. 'auto': a quarter of all epochs; "
        "math.inf: never. 'mean', or None with 'default' and 'medium': a 16th of all epochs (at least 8), in which "
        "neither the validation score nor its mean over the last 8th of all epochs improves, while the training loss "
        "is below the validation loss (with another `scoring`: whatever the losses). 'cycle', or None with 'realmlp': "
        "at the end of the third of coslog4's four cycles, after 7/15 of the epochs, if that cycle lowered the "
        "validation loss by less than 1 % (or did not improve a given `scoring`).",
        "cycle", medium="mean", fast="auto", sklearn=10,
        rule=must(_is_patience, "a whole number >= 1, math.inf, or 'mean', 'auto' or 'cycle'"))] = OPEN
    tol: Annotated[Setting[float], About(
        "the minimum improvement of the validation score (without validation rows, of the loss) that counts for "
        "`n_iter_no_change`.", 0.0, sklearn=1e-4, rule=must(is_number, "a number"))] = OPEN
    linear_path: Annotated[Setting[bool], About(
        "whether to average each member's network with a ridge or logistic regression, with the mean of the "
        "weights (possibly 0) that held-out rows make likely. Streams, `partial_fit`, losses other than the "
        "default, `monotone`, preprocess=False, and trials of a search with schedule coslog4 have no linear path.",
        False, medium=True, fast=True, rule=_SWITCH, fixed="never")] = OPEN


@dataclass(eq=False, repr=False)
@declares
class NetworkSettings(TrainingSettings):
    """The settings for the network's architecture, and for the encoding of its inputs."""

    hidden_layer_sizes: Annotated[Setting[tuple[int, ...], Any], About(
        "the widths of the hidden layers, or the width of a single layer. () gives a linear model.",
        (256, 256, 256), medium=(128, 128), fast=(128, 128), sklearn=(100,), rule=must(is_count, "> 0", each=True),
        convert=_widths,
        option=Option(
            "--hidden", "Widths of the hidden layers, separated by commas; none: a linear model.",
            read=read.layers, stored=list[int]),
        draw=Draw(1, _drawn_layers, compiles=True))] = OPEN
    activation: Annotated[Setting[str | Sequence[str]], About(
        _activations, ByTask("selu", "mish"), sklearn="relu", rule=_are_activations,
        draw=Draw(2, lambda rng, _: str(rng.choice(["selu", "mish"])), compiles=True))] = OPEN
    _: KW_ONLY
    learned_activation: Annotated[Setting[bool], About(
        "whether each unit learns the weight α of its activation f: x + α(f(x) − x) (RealMLP).",
        True, medium=False, fast=False, sklearn=False, rule=_SWITCH,
        draw=Draw(3, lambda rng, _: bool(rng.integers(2)), compiles=True))] = OPEN
    dropout: Annotated[Setting[float | Sequence[float]], About(
        "the share of hidden units to drop in training (Srivastava et al., 2014): a number, or a list with a number "
        "for each layer. None with 'default' and 'medium': 0.05 for more than 2000 rows.",
        0.15, medium=0.1, fast=0.05, sklearn=0.0,
        rule=must(lambda value: 0 <= value < 1, "at least 0 and below 1", each=True),
        draw=Draw(6, lambda rng, _: round(float(rng.uniform(0, 0.3)), 3)))] = OPEN
    normalization: Annotated[Setting[str | None], About(
        "the normalization before each activation: None, 'batch' (Ioffe, Szegedy, 2015) or 'layer' (Ba et al., 2016).",
        None, rule=must_be_one_of(None, "batch", "layer"))] = OPEN
    ntk: Annotated[Setting[bool], About(
        "whether layers compute xW/√d + b with a data-dependent initialization (RealMLP), instead of xW + b with "
        "Glorot's initialization.", True, sklearn=False, rule=_SWITCH)] = OPEN
    number_embedding: Annotated[Setting[bool | None], About(
        "whether each numeric input has an embedding: three learned mixtures of its cosines (RealMLP's PBLD). None, "
        "except with 'realmlp': if there are at most 128 numeric inputs ('fast' with at most 5000 rows: 32).",
        True, medium=None, fast=None, sklearn=False, rule=_SWITCH)] = OPEN
    number_pieces: Annotated[Setting[int | None], About(
        "the maximum number of pieces of a learned piecewise linear function, added to each number's embedding "
        "(Gorishniy, Rubachev, Babenko, 2022); at most a piece per 100 rows, and 4096 for all numbers together. None: "
        "64, or more for a column whose neighbouring values predict different targets (of few values, each repeated "
        "one is learned like a category); for a column with a smooth effect the pieces decay fast. 0: no such "
        "function.", None, sklearn=0,
        rule=must(lambda value: value is None or value == 0 or is_count(value), "a whole number >= 0"),
        draw=Draw(5, lambda rng, _: (16, None, 0)[int(rng.integers(3))], compiles=True))] = OPEN
    embedding_width: Annotated[Setting[int], About(
        "the width of the embedding of a column with more than 8 categories.", 8, rule=_COUNT)] = OPEN
    input_scale: Annotated[Setting[bool], About(
        "whether each input has a learned scale (RealMLP).", True, sklearn=False, rule=_SWITCH)] = OPEN
    preprocess: Annotated[Setting[bool], About(
        "whether inputs are centred at the median, divided by the interquartile range, and clipped smoothly "
        "(RealMLP). Missing numbers become the median either way.", True, sklearn=False, rule=_SWITCH)] = OPEN
    monotone: Annotated[Mapping[Any, int] | None, About(
        "a dict by column name or position: 1 if predictions must never fall as the column rises, -1 if they must "
        "never rise; this holds exactly, for all values. With two classes it applies to the second class's "
        "probability, with several labels or targets to each. Such a column enters the network only by a piecewise "
        "linear function. Missing values are unconstrained: their predictions may be above or below all others.",
        option=Option(
            "--monotone", "COLUMN=1: predictions never fall as it rises; COLUMN=-1: they never rise; repeatable.",
            list[str], shown="", read=read.directions, stored=dict[str, int], default={}))] = None


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class StepSettings(NetworkSettings):
    """The settings for the optimizer's steps."""

    solver: Annotated[Setting[str], About(
        lambda: ", ".join(f"{name!r} ({solver.meaning})" for name, solver in _solvers().items()) + ".",
        "adam", rule=_is_solver)] = OPEN
    batch_size: Annotated[Setting[int, str], About(
        "the number of rows per step, at most the table's. 'auto' is the preset's value. None with 'fast': 64 for at "
        "most 2000 rows, 128 for at most 5000, or a fifth of the table if that is less.",
        256, sklearn=200, rule=_COUNT, convert=lambda value: None if value == "auto" else value)] = OPEN
    drop_last: Annotated[Setting[bool], About(
        "whether each epoch skips its last, incomplete batch.", True, sklearn=False, rule=_SWITCH)] = OPEN
    learning_rate: Annotated[Setting[str], About(
        "the schedule of the learning rate: constant, coslog4 (RealMLP), flat_cos, one_cycle (Smith and Topin, 2018), "
        "cosine, linear.",
        "coslog4", medium="one_cycle", fast="one_cycle", sklearn="constant", rule=_SCHEDULE)] = OPEN
    # medium's single cycle ends with many short steps; fast has too few to recover from steps as long as realmlp's
    learning_rate_init: Annotated[Setting[float], About(
        "the base learning rate, multiplied by the schedule. None with 'fast': 0.05 for at most 5000 rows.",
        ByTask(0.04, 0.2), medium=0.1, fast=ByTask(0.04, 0.1), sklearn=1e-3, rule=_ABOVE_0,
        option=Option("--lr", "The learning rate.", float, key="learning_rate"),
        draw=Draw(7, lambda rng, usual: float(f"{usual.learning_rate_init * _log_uniform(rng, 0.5, 2.0):.3g}")))] = OPEN
    alpha: Annotated[Setting[float], About(
        "the factor of scikit-learn's L2 penalty: ½·alpha·‖W‖², divided by the number of rows in the batch.",
        0.0, sklearn=1e-4, rule=_FROM_0)] = OPEN
    weight_decay: Annotated[Setting[float], About(
        "decoupled weight decay (Loshchilov, Hutter, 2019) of all parameters but biases, times the learning rate.",
        0.02, sklearn=0.0, rule=_FROM_0,
        draw=Draw(8, lambda rng, _: _log_uniform(rng, 0.005, 0.05)))] = OPEN
    regularization_schedule: Annotated[Setting[str], About(
        "the schedule that multiplies `dropout` and `weight_decay`.",
        "flat_cos", sklearn="constant", rule=_SCHEDULE)] = OPEN
    beta_1: Annotated[Setting[float], About("Adam's decay rate of the mean gradient.", 0.9, rule=_SHARE)] = OPEN
    beta_2: Annotated[Setting[float], About(
        "Adam's decay rate of the mean squared gradient.", 0.95, sklearn=0.999, rule=_SHARE,
        draw=Draw(4, lambda rng, _: float(rng.choice([0.95, 0.97, 0.99])), compiles=True))] = OPEN
    epsilon: Annotated[Setting[float], About(
        "the constant that Adam adds to the root of the mean squared gradient.",
        1e-8, rule=must(lambda value: is_number(value) and value > 0, "> 0"))] = OPEN
    momentum: Annotated[float, About(
        "the momentum of solver='sgd'.", rule=must(lambda value: 0 <= value <= 1, "between 0 and 1"))] = 0.9
    nesterovs_momentum: Annotated[bool, About("whether solver='sgd' uses Nesterov's momentum.")] = True
    shards: Annotated[Setting[int | None], About(
        "the number of parts of each batch, shared among the processes that mpirun starts; the network has the same "
        "bits for any number of processes. Gradients are summed in an order fixed by `shards`; dropout and batch "
        "normalization are separate in each shard. None: batches are not split. See docs/scale.md.",
        None, rule=_COUNT_IF_ANY, not_in_search="trials are trained in one process",
        option=Option(
            "--shards", "Number of parts of each batch, shared among mpirun's processes.",
            int, shown="not split"))] = OPEN
    precision: Annotated[Precision, About(
        "the rounding of operands in a step's large products: 'float32' (none), 'tf32' (11 significant bits; GPUs with "
        "tensor cores) or 'bfloat16' (8 bits; also CPUs with Intel's AMX or AMD's Zen 4); sums and weights stay "
        "float32. On other devices products are computed in float32, with a warning unless `device` is 'auto'. "
        "docs/guide.md has error bounds.",
        rule=lambda _, value, owner: require_precision(value, type(owner).__name__), fixed="never",
        option=Option(
            "--precision", f"Precision of products: {' or '.join(PRECISIONS)}; on CPUs float32 or bfloat16.",
            shown="float32", choices=PRECISIONS, stored=Precision, default="float32", tunes=True))] = "float32"


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class _ClassTraining:
    label_smoothing: Annotated[Setting[float], About(
        "the share of the target that is spread over all classes (Szegedy et al., 2016). RealMLP-TD uses 0.1, which "
        "makes the log-loss worse.", 0.0, rule=_SHARE)] = OPEN
    calibrate: Annotated[Setting[bool], About(
        "whether to calibrate outputs on the validation rows, by one factor (temperature scaling; Guo et al., 2017) "
        "and each of several classes (docs/adr/calibration.md). Epochs are compared by outputs times the factor.",
        True, sklearn=False, rule=_SWITCH)] = OPEN


# fmt: on
@dataclass(eq=False, repr=False, init=False)
class Settings(_ClassTraining, StepSettings):
    """All settings of a training, immutable.

    >>> settings = Settings(preset="fast", task="regression", dropout=0.3)
    >>> settings.dropout, settings.learning_rate_init
    (0.3, 0.1)
    >>> settings.replace(max_iter=7).epochs
    7
    """

    def __init__(self, preset: str = "default", task: Task = "classification", **given: Any) -> None:
        """Create settings from the values in `given` and, for all others, the preset's values.

        Args:
            preset: one of `KNOWN`.
            task: "classification" or "regression".
            given: values by the setting's name, which are converted, but not checked; None means the preset's value.

        Raises:
            ValueError: the preset is unknown, or a value can't be converted.
            TypeError: the setting is unknown.
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
            f"cannot assign to {name!r}; settings.replace({name}=…) returns a changed copy"
        )

    @property
    def epochs(self) -> int:
        """The value of `max_iter`, which must not be None."""
        assert self.max_iter is not None
        return self.max_iter

    def replace(self, **changes: Any) -> "Settings":
        """A copy with other values of these settings; values may be None.

        Raises:
            TypeError: a setting is unknown.
        """
        if others := changes.keys() - vars(self).keys():
            raise TypeError(f"there is no setting {min(others)!r}")
        changed = copy(self)
        vars(changed).update(changes)
        return changed


def settings_of(estimator: Any) -> Settings:
    """An estimator's training settings, checked and completed with the preset's values."""
    return estimator._resolved()


# --- what an estimator has besides ------------------------------------------------------------------------------------
# fmt: off


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class EstimatorSettings:
    """Further settings of `fit`: loss, seed, device and others."""

    loss: Annotated[Any, About(
        "a name (see above), or a function of nd arrays `loss(outputs, target)` that returns a value per row; outputs "
        "are (rows, k); the target is class numbers (rows,), or labels or standardized numbers (rows, k).")] = None
    random_state: Annotated[Any, About(
        "the seed of all randomness, or a NumPy RandomState. The same seed gives the same bits, for any number of "
        "threads.", fixed="never",
        option=Option("--seed", "The seed of all randomness.", int, "0", read=read.seed, default=0, tunes=True))] = None
    verbose: Annotated[Any, About(
        "whether to show each epoch's loss, validation score and time left: a bar on a terminal, otherwise lines.",
        fixed="never")] = False
    warm_start: Annotated[bool, About(
        "whether `fit` continues with the network of the last `fit`; the table must have the same columns.",
        not_in_search="a search starts with new networks")] = False
    column_kinds: Annotated[Mapping[Any, Any] | None, About(
        "a dict by column name or position, for columns whose kind is inferred wrongly: 'numeric', 'categorical', "
        "'date', 'text', 'drop' (not used), a list of the values from lowest to highest, or 'ordered' for values of a "
        "known scale, such as weekdays.",
        rule=_are_kinds)] = None
    date_format: Annotated[str | None, About(
        "the format of dates, if it is detected wrongly: 'day-first', 'month-first', 'year-first'; a format as for "
        "datetime.strptime, such as '%d.%m.%Y'; or, for numbers since 1970 in columns of the kind 'date', the unit "
        "'s', 'ms', 'us' or 'ns'; or 'excel'. Columns in other formats are read as if it were not given.",
        rule=_is_date_format, fixed="given",
        option=Option(
            "--date-format",
            "Format of dates, as for strptime ('%d.%m.%Y'); or the unit of numbers since 1970: s, ms, us, ns; excel.",
            shown="detected in each column", read=read.checked_by("table.dates:requested_form"),
            tunes=True, panel=READING))] = None
    scoring: Annotated[Any, About(
        "the validation score, higher is better: a name from above or from sklearn.metrics.get_scorer_names(), a "
        "scorer from make_scorer, or a function of (y_true, predictions), for classifiers (y_true, probabilities). "
        "None: the negative loss (sklearn: accuracy, r2).", rule=_checked_by("scoring:check_scoring", "_own_scores"),
        option=Option(
            "--scoring", "Validation score: a name from scikit-learn, such as f1, average_precision or r2.",
            shown="the loss", read=read.checked_by("estimators.scoring:check_scoring", ("log_loss", "loss")),
            tunes=True, panel=JUDGING))] = None
    time_gap: Annotated[float, About(
        "with `time` in `fit`: the minimum distance between the last training row and the first held-out row, in the "
        "unit of `time`, for dates in days.",
        rule=_FROM_0, fixed="given",
        option=Option(
            "--time-gap", "With --time: minimum distance from training to held-out rows; for dates in days.",
            float, "0", default=0.0, tunes=True))] = 0.0
    callbacks: Annotated[Any, About(
        "a function, or a list of functions, called after each epoch with the estimator and a record of the epoch "
        "(`number`, `loss`, `score`, `is_best`, `seconds`); a true result ends the training. The list may also have "
        "`Observer`s of `lamina.training.loop`, which see the training's beginning, steps and end.",
        rule=_are_callbacks, fixed="never")] = None
    time_limit: Annotated[float | str | None, About(
        "the time limit of `fit`: seconds, or text such as '90s', '5m', '1h30m'. Within it, a search also trains "
        "networks with other values for settings that were not given; the networks whose average is best on held-out "
        "rows are kept: see docs/estimators.md. Ctrl-C ends the search with the best average so far. None: a single "
        "training.", fixed="never",
        option=Option(
            "--time-limit",
            "Search within this time, e.g. 5m, from the command's start to its end; the best networks are averaged.",
            shown="none", read=read.seconds, stored=float, tunes=True, panel=SEARCH))] = None
    trials: Annotated[int | None, About(
        "the maximum number of configurations in a search; without a time limit, the same number gives the same bits. "
        "None: as many as the time allows, or 16 with preset 'best' and no time limit.",
        fixed="never",
        rule=must(lambda value: value is None or (_is_jobs(value) and value >= 1), "a whole number >= 1"),
        option=Option(
            "--trials", "Number of configurations in a search.",
            int, "16 without a time limit", tunes=True, panel=SEARCH))] = None
    candidates: Annotated[str | Sequence[str] | None, About(
        f"what a search may average with networks, one name or several: {', '.join(CANDIDATES)}. 'linear' is ridge or "
        "logistic regression, 'neighbours' the mean of near training rows, 'boosting' scikit-learn's "
        "HistGradientBoosting; the last three are libraries to be installed. None: networks alone. See "
        "docs/estimators.md.", fixed="given",
        rule=must(lambda value: all(one in CANDIDATES for one in as_list(value)), f"among {', '.join(CANDIDATES)}"),
        option=Option(
            "--candidates", f"What a search may average with networks, with commas: {', '.join(CANDIDATES)}.",
            shown="networks alone", read=read.candidates, stored=list[str], tunes=True, panel=SEARCH))] = None
    n_jobs: Annotated[int | None, About(
        "the number of members trained in parallel by joblib (threads, processes, a cluster: docs/scale.md), counted "
        "as in scikit-learn; 1, or None unless joblib.parallel_config says otherwise, trains them together in one "
        "step. In a search (`time_limit`, `trials`), the number of parallel trials, in threads unless "
        "joblib.parallel_config says otherwise; None: one per thread, but 1 with callbacks or functions of your own, "
        "or little time. Any number gives the same bits.",
        rule=must(_is_jobs, "a whole number >= 1, or -1 for one on each core"), fixed="never",
        option=Option(
            "--jobs -j",
            "Number of parallel trials in a search. Any number gives the same network.",
            int, "one per core; 1 if time is short",
            read=lambda _, jobs: jobs, kept=False, tunes=True, panel=SEARCH))] = None
    device: Annotated[str, About(
        "the device for training: 'cpu', 'gpu', 'gpu:1' …, or 'auto': a GPU if there is one and the work is large "
        "enough. `device_` is the device that was used. The trained network is on the CPU, so that predictions and "
        "files need no GPU. `partial_fit` always uses the CPU.", fixed="never",
        option=Option(
            "--device", "Device for training: cpu, gpu, gpu:1 …, auto (a GPU if the work is large enough).",
            shown="cpu", kept=False, tunes=True))] = "cpu"


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class ClassifierSettings(_ClassTraining):
    """Settings of classifiers only."""

    class_weight: Annotated[Any, About(
        "a dict of weights by class, or 'balanced': the inverse of the classes' frequencies; multiplied with "
        "`sample_weight`. Class weights apply to the validation loss, too, but not to accuracy, F1 or other scores.",
        rule=_is_class_weight,
        option=Option(
            "--class-weight",
            "balanced: rare and frequent classes have equal weight in the loss; or CLASS=WEIGHT, repeatable.",
            list[str], "equal row weights", read=read.class_weights, stored=str | dict[str, float],
            tunes=True, panel=JUDGING))] = None
    threshold: Annotated[float | str | None, About(
        "for two classes, the minimum probability at which the positive class is predicted: a number, or 'f1' or "
        "'balanced' for the threshold with the best F1 or balanced accuracy on validation rows, kept in `threshold_`. "
        "None: the likelier class is predicted. Probabilities don't change. `positive_class_` is the second class or, "
        "for texts, the rarer one.", rule=_checked_by("meaning:check_threshold"), fixed="given",
        option=Option(
            "--threshold",
            "For two classes: minimum probability for predicting the rare one, e.g. 0.3; f1, balanced: the best one "
            "on validation rows.",
            shown="the likelier class",
            read=read.checked_by("estimators.meaning:check_threshold", parse=read.number_or_text),
            stored=str | float, tunes=True, panel=JUDGING))] = None


@dataclass(eq=False, repr=False, kw_only=True)
@declares
class RegressorSettings:
    """Settings of regressors only."""

    quantile: Annotated[float | Sequence[float], About(
        "the level for loss='quantile' (Koenker, Bassett, 1978), or an ascending list of levels: then predictions "
        "have a column for each level, and never cross.", rule=_checked_by("targets:checked_levels", "loss"),
        option=Option(
            "--quantile", "For numeric targets: predict these quantiles, e.g. 0.05,0.5,0.95, instead of the mean.",
            shown="the mean",
            read=read.checked_by("estimators.targets:checked_levels", "quantile", parse=read.numbers),
            key="quantiles", stored=list[float]))] = 0.5


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
