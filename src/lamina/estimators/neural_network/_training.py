"""The compiled replacement for scikit-learn's arithmetic in training."""

from __future__ import annotations

import atexit
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import nd
from lamina.compiler import CompiledFunction, compilation_enabled, compile
from lamina.compiler.deferral import eager
from lamina.core.interrupts import interrupts_later
from lamina.core.memory import aligned_empty
from lamina.nd.ndarray import NDArray
from lamina.optimizer.adam import adam_step
from lamina.optimizer.momentum import momentum_step, nesterov_step
from lamina.optimizer.optimizer import write

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    _Table = np.ndarray | csr_array

WORTH_SECONDS = 0.3
"""Minimum duration of a training by scikit-learn for which compiling is worthwhile: compiling takes as long."""
_STEP_SECONDS, _SECONDS_A_PRODUCT, _SECONDS_A_PARAMETER = 1e-4, 1e-10, 1e-8
"""NumPy's costs of a step, in seconds: its calls, each multiplication forward and backward, each parameter's update."""
_GROUP_BYTES, _MOST_STEPS = 4 << 20, 64
"""Limits of a group of steps, whose rows are copied together: the rows' bytes, and the number of steps.

The rows fit in the last-level cache, and the steps take a few milliseconds. Groups of one step, whose rows fit in the
second-level cache, take a sixteenth more time, because of Python between steps. Groups of twice the size also take a
sixteenth more, since they exceed the last-level cache.
"""
_ROWS_IN_STEP_BYTES = 1 << 19
"""Minimum batch, in bytes, whose rows the step itself copies from the table; smaller batches are copied in groups.

A program that copies from the table is specific to the table's size, so that a search's folds may need two programs.
Tables with few columns don't gain from it.
"""
_LEAST_FILLED = 0.02
"""Minimum density of sparse rows; for sparser rows, SciPy's product is faster than a dense product."""


def epochs_for(estimator: Any, X: _Table, y: np.ndarray, weights: np.ndarray | None) -> CompiledEpochs | None:
    """Compiled epochs for a training with a stochastic solver; None to use scikit-learn's arithmetic."""
    rows = X.shape[0]
    if estimator.early_stopping:
        rows = max(1, rows - math.ceil(estimator.validation_fraction * rows))
    batch = min(200, rows) if estimator.batch_size == "auto" else int(np.clip(estimator.batch_size, 1, rows))
    # `t_` is the number of rows seen by earlier calls of `partial_fit`, or of `fit` with `warm_start`.
    steps = (estimator.t_ + rows * estimator.max_iter) / batch
    if not _is_worth(estimator, X, batch, steps):
        return None
    return CompiledEpochs(estimator, X, y, weights, rows, batch)


def evaluation_for(
    estimator: Any, X: _Table, y: np.ndarray, weights: np.ndarray | None
) -> CompiledEvaluation | None:
    """The compiled loss and gradients for L-BFGS; None to use scikit-learn's arithmetic."""
    if not _is_worth(estimator, X, X.shape[0], estimator.max_iter):
        return None
    return CompiledEvaluation(estimator, X, y, weights)


def _is_worth(estimator: Any, X: _Table, batch: int, steps: float) -> bool:
    """Whether compiling saves time.

    Only sizes and settings decide, so that equal trainings give equal bits.
    """
    if not compilation_enabled():
        return False
    if not isinstance(X, np.ndarray) and X.nnz < _LEAST_FILLED * X.shape[0] * X.shape[1]:
        return False
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    if {x.dtype for x in arrays} not in ({np.dtype(np.float64)}, {np.dtype(np.float32)}):
        return False
    step = _STEP_SECONDS + sum(x.size for x in arrays) * (_SECONDS_A_PARAMETER + batch * _SECONDS_A_PRODUCT)
    return steps * step >= WORTH_SECONDS


class _Group:
    """The training rows of the next steps, copied into memory that is reused for later steps.

    The last batch of an epoch is padded with rows of weight 0, so that its size needs no separate program. `stacks`
    has the steps' arguments: the inputs, or row numbers if the program copies the inputs from `table`; the targets; the
    weights.
    """

    def __init__(
        self, X: Any, y: np.ndarray, weights: np.ndarray | None, batch: int, dtype: np.dtype
    ) -> None:
        self._weights, self._batch = weights, batch
        can_take = all(_can_be_taken(x, dtype) for x in (X, y))
        is_wide = batch * X.shape[1] * dtype.itemsize >= _ROWS_IN_STEP_BYTES
        self.table = nd.from_numpy(X) if can_take and is_wide else None
        self._copied: tuple[Any, ...] = (X, y) if self.table is None else (y,)
        sizes = [*(x.shape[1] for x in self._copied), 1]
        self.steps = max(1, min(_MOST_STEPS, _GROUP_BYTES // (batch * sum(sizes) * dtype.itemsize)))
        self.rows = self.steps * batch
        self._parts = [aligned_empty((self.rows, size), dtype) for size in sizes]
        self._numbers = aligned_empty((self.rows,), np.dtype(np.int32))
        stacks = [_stack(x, self.steps) for x in (self._numbers, *self._parts)]
        self.stacks = stacks[-3:]  # without row numbers if the inputs are copied
        self._weighted = -1

    def put(self, rows: np.ndarray) -> list[int]:
        """Load the training rows at these positions; return the number of rows in each step."""
        count, used = len(rows), -(-len(rows) // self._batch) * self._batch
        self._numbers[:count], self._numbers[count:used] = rows, rows[-1]
        for part, source in zip(self._parts, self._copied, strict=False):
            if hasattr(source, "toarray"):  # sparse
                part[:count] = source[rows].toarray()
            elif source.dtype == part.dtype:
                np.take(source, rows, axis=0, out=part[:count], mode="clip")  # needs no other memory
            else:
                part[:count] = source[rows]
        w, weights = self._parts[-1], self._weights
        if weights is not None:
            w[:count, 0] = weights[rows]
        elif self._weighted != count:
            w[:count] = 1
        self._weighted = count
        for part in self._parts:
            part[count:used] = 0
        return [min(self._batch, count - start) for start in range(0, count, self._batch)]


def _stack(rows: np.ndarray, steps: int) -> NDArray:
    return nd.from_numpy(rows.reshape(steps, -1, *rows.shape[1:]))


def _can_be_taken(table: _Table, dtype: np.dtype) -> bool:
    """Whether a compiled function can copy the table's rows.

    The table must be in row-major memory, and its row numbers must fit int32.
    """
    is_plain = isinstance(table, np.ndarray) and table.dtype == dtype and table.flags.c_contiguous
    return is_plain and table.size > 0 and len(table) <= np.iinfo(np.int32).max


def _kind(estimator: Any, X: _Table, rows: int, dtype: np.dtype) -> Kind:
    output, loss = estimator.out_activation_, estimator.loss
    units = (X.shape[1], *(len(x) for x in estimator.intercepts_))
    name = "binary_log_loss" if loss == "log_loss" and output == "logistic" else loss
    return Kind(estimator.activation, output, name, units, str(dtype), rows)


class CompiledEpochs:
    """Compiled epochs of a stochastic solver.

    The steps update the estimator's `coefs_` and `intercepts_`, and the optimizer's moments, in place.
    `rows` is the number of training rows, `batch` the number of rows per step.
    """

    def __init__(
        self, estimator: Any, X: _Table, y: np.ndarray, weights: np.ndarray | None, rows: int, batch: int
    ) -> None:
        self._estimator, self.rows, self._batch = estimator, rows, batch
        self._data = X if isinstance(X, np.ndarray) else X.tocsr(), y, weights
        self.optimizer: Any = None

    def _begin(self) -> None:
        """Prepare the steps; scikit-learn's optimizer does nothing meanwhile, since they update the parameters."""
        estimator, optimizer, X = self._estimator, self._estimator._optimizer, self._data[0]
        solver = estimator.solver
        if solver == "sgd" and optimizer.nesterov:
            solver = "sgd with Nesterov"
        dtype = estimator.coefs_[0].dtype
        self._data = X, np.require(self._data[1], dtype, "C"), self._data[2]
        kind = _kind(estimator, X, self._batch, dtype)
        held = [(estimator, "coefs_"), (estimator, "intercepts_"), *((optimizer, x) for x in MOMENTS[solver])]
        # A user's weights may have any memory layout; moments may have a wider dtype than the weights.
        for owner, name in held:
            setattr(owner, name, [np.require(x, dtype, ["C", "W"]) for x in getattr(owner, name)])
        self._arrays = [nd.from_numpy(x) for owner, name in held for x in getattr(owner, name)]
        self._group = _Group(*self._data, self._batch, dtype)
        if self._group.table is None:
            self._program = training_step(kind, solver)
        else:
            self._program = training_step_on_rows(kind, solver)
            self._arrays.insert(0, self._group.table)
        self._steps = _AdamSteps(optimizer) if solver == "adam" else _SGDSteps(optimizer)
        self.optimizer = optimizer
        optimizer.update_params = _leave

    @eager()
    def train(self, order: np.ndarray) -> float:
        """Train an epoch on the rows in this order; return the mean loss."""
        if self.optimizer is None:
            self._begin()
        group, total = self._group, 0.0
        for start in range(0, len(order), group.rows):
            counts = group.put(order[start : start + group.rows])
            for loss, count in zip(self._take_steps(len(counts)), counts, strict=True):
                total += loss * count
        return total / len(order)

    def _take_steps(self, count: int) -> list[float]:
        """Take `count` steps on the group's rows; return the losses.

        An interrupt (Ctrl-C) is delayed until the end of the steps, so that the optimizer's step count matches the
        weights.
        """
        alpha = float(self._estimator.alpha)
        with interrupts_later():
            numbers = [(alpha, *self._steps.numbers(ahead)) for ahead in range(1, count + 1)]
            losses = self._program.run_stacks(self._group.stacks, numbers, *self._arrays)
            self._steps.taken(count)
        return losses.asnumpy().ravel().tolist()

    def inputs(self, rows: np.ndarray) -> Any:
        """The rows of X at these positions."""
        return self._data[0][rows]

    def end(self) -> None:
        """Let scikit-learn's optimizer update parameters again."""
        if self.optimizer is not None:
            del self.optimizer.update_params


def _leave(_params: object, _grads: object) -> None:
    """Leave the parameters as they are, in place of an optimizer's `update_params`."""


class _SGDSteps:
    """The scalar arguments of SGD's steps (learning rate, momentum), which change only between epochs."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def numbers(self, ahead: int) -> tuple[float, ...]:
        """The scalar arguments of the step that is `ahead` steps from now."""
        return float(self._optimizer.learning_rate), float(self._optimizer.momentum), 0.0, 0.0

    def taken(self, steps: int) -> None:
        """Record `steps` completed steps, if the solver needs their number."""


class _AdamSteps(_SGDSteps):
    """The scalar arguments of Adam's steps (learning rate, betas, epsilon), and the number of completed steps."""

    def numbers(self, ahead: int) -> tuple[float, ...]:
        optimizer = self._optimizer
        rate = self._rate(optimizer.t + ahead)
        return float(rate), float(optimizer.beta_1), float(optimizer.beta_2), float(optimizer.epsilon)

    def taken(self, steps: int) -> None:
        optimizer = self._optimizer
        optimizer.t += steps
        optimizer.learning_rate = self._rate(optimizer.t)

    def _rate(self, t: int) -> Any:
        """The learning rate with both bias corrections (end of section 2 of Kingma and Ba, 2015)."""
        optimizer = self._optimizer
        return optimizer.learning_rate_init * np.sqrt(1 - optimizer.beta_2**t) / (1 - optimizer.beta_1**t)


class CompiledEvaluation:
    """The loss and the gradients for all rows, for L-BFGS."""

    def __init__(self, estimator: Any, X: _Table, y: np.ndarray, weights: np.ndarray | None) -> None:
        self._estimator, self._input_dtype = estimator, X.dtype
        self._dtype = np.dtype(np.float64)  # the dtype of SciPy's parameters
        self._program = loss_and_gradients(_kind(estimator, X, X.shape[0], self._dtype))
        w = np.ones(len(y)) if weights is None else weights
        parts = X if isinstance(X, np.ndarray) else X.toarray(), y, w.reshape(-1, 1)
        self._arguments = [nd.from_numpy(np.ascontiguousarray(part, self._dtype)) for part in parts]

    @eager()
    def evaluate(self) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
        """The loss for the estimator's current parameters, and the gradients of weights and of intercepts."""
        estimator = self._estimator
        own = (*estimator.coefs_, *estimator.intercepts_)
        parameters = [nd.from_numpy(np.asarray(x, self._dtype)) for x in own]
        loss, gradients = self._program(*self._arguments, float(estimator.alpha), *parameters)
        # scikit-learn's dtype here; it depends on the SciPy version, which may keep float32 parameters as float64.
        dtype = np.result_type(self._input_dtype, *estimator.coefs_)
        arrays = [x.asnumpy().astype(dtype, copy=False) for x in gradients]
        layers = len(estimator.coefs_)
        return float(loss.asscalar()), arrays[:layers], arrays[layers:]


# --- Compiled functions for scikit-learn's networks: training steps, and loss with gradients -------------------------


_KEPT = 32
"""Maximum number of cached programs, for searches that alternate between layer sizes."""
_NUMBERS = 5
"""Number of scalar arguments of a step: alpha, learning rate, two solver settings, epsilon."""

Parameters = Sequence[NDArray]


@dataclass(frozen=True)
class Kind:
    """The properties that determine a compiled program.

    They are the names of scikit-learn's functions, the layer sizes, the dtype, and the number of rows per step.
    """

    activation: str
    output: str
    loss: str
    units: tuple[int, ...]
    dtype: str
    rows: int


MOMENTS = {"adam": ("ms", "vs"), "sgd": ("velocities",), "sgd with Nesterov": ("velocities",)}
"""Each solver's state: attributes of scikit-learn's optimizers, each a list with one array per parameter."""


@lru_cache(_KEPT)
def training_step(kind: Kind, solver: str) -> CompiledFunction[..., Any]:
    """A compiled function that takes a solver step on a batch, and returns the loss before it.

    The loss includes the L2 penalty. The function's arguments are inputs (rows, columns), targets (rows, outputs), the
    rows' weights (rows, 1), alpha, the learning rate, two solver settings (Adam's betas; or the momentum and 0), and
    epsilon; then the arrays to update: weights, intercepts, and the solver's moments of each of these.
    """
    return compile(_step(kind, solver))


def training_step_on_rows(kind: Kind, solver: str) -> CompiledFunction[..., Any]:
    """A `training_step` that copies the inputs from a table.

    The function's arguments have row numbers instead of inputs, and the table before the arrays to update. Each
    training has a separate function, which keeps the table in memory; compiled programs are cached.
    """
    step = _step(kind, solver)

    def step_on_rows(rows: NDArray, y: NDArray, w: NDArray, *others: Any) -> NDArray:
        numbers, (table, *arrays) = others[:_NUMBERS], others[_NUMBERS:]
        return step(nd.take(table, rows), y, w, *numbers, *arrays)

    return compile(step_on_rows)


def _step(kind: Kind, solver: str) -> Callable[..., NDArray]:
    count, moments = 2 * (len(kind.units) - 1), len(MOMENTS[solver])
    update = _UPDATES[solver]

    def step(
        x: NDArray, y: NDArray, w: NDArray, alpha: float, rate: float, a: float, b: float, epsilon: float,
        *arrays: NDArray,
    ) -> NDArray:  # fmt: skip
        parameters = arrays[:count]
        loss, gradients = _loss_and_gradients(kind, x, y, w, alpha, parameters)
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            state = tuple([arrays[count * (k + 1) + i] for k in range(moments)])
            write(parameter, state, update(parameter, gradient, state, rate, a, b, epsilon))
        return loss

    return step


@lru_cache(_KEPT)
def loss_and_gradients(kind: Kind) -> Callable[..., tuple[NDArray, list[NDArray]]]:
    """A function that returns the loss of all rows, with the L2 penalty, and its gradients.

    The function's arguments are inputs, targets, row weights, alpha, and the network's weights and intercepts.
    """

    def evaluate(
        x: NDArray, y: NDArray, w: NDArray, alpha: float, *parameters: NDArray
    ) -> tuple[NDArray, list[NDArray]]:
        return _loss_and_gradients(kind, x, y, w, alpha, parameters)

    return compile(evaluate)


for _kept in (training_step, loss_and_gradients):
    atexit.register(_kept.cache_clear)  # before the modules that free the programs' memory are unloaded


def _loss_and_gradients(
    kind: Kind, x: NDArray, y: NDArray, w: NDArray, alpha: float, parameters: Parameters
) -> tuple[NDArray, list[NDArray]]:
    layers = len(kind.units) - 1
    weights, intercepts = parameters[:layers], parameters[layers:]
    values = [x]
    for i, (weight, intercept) in enumerate(zip(weights, intercepts, strict=True)):
        function = _ACTIVATIONS[kind.activation if i < layers - 1 else kind.output]
        values.append(function(nd.dot(values[-1], weight) + intercept))
    total = nd.sum(w)
    share = 1.0 / total  # multiplied with gradients, since divisions would take as long as Adam's arithmetic
    squares: Any = sum(nd.sum(weight * weight) for weight in weights)
    loss = _LOSSES[kind.loss](y, values[-1], w) / total + (0.5 * alpha) * squares / total
    # All pairs of output function and loss have this derivative by the function's input, even for clipped values.
    delta = (values[-1] - y) * w
    of_weights, of_intercepts = list[NDArray](), list[NDArray]()
    for i in reversed(range(layers)):
        of_weights.append((nd.dot(values[i], delta, transpose_a=True) + alpha * weights[i]) * share)
        of_intercepts.append(nd.sum(delta, axis=0) * share)
        if i:
            delta = _SLOPES[kind.activation](values[i], nd.dot(delta, weights[i], transpose_b=True))
    return loss, of_weights[::-1] + of_intercepts[::-1]


# --- functions by scikit-learn's names --------------------------------------------------------------------------------

_ACTIVATIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "identity": lambda z: z,
    "exp": nd.exp,
    "tanh": nd.tanh,
    "logistic": nd.sigmoid,
    "relu": nd.relu,
    "softmax": nd.softmax,
}
_SLOPES: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "identity": lambda value, delta: delta,
    "tanh": lambda value, delta: delta * (1.0 - value * value),
    "logistic": lambda value, delta: delta * value * (1.0 - value),
    "relu": lambda value, delta: nd.where(value == 0.0, nd.zeros_like(delta), delta),
}
"""For each activation, the gradient of its input, from its value and the gradient of this value."""


def _clipped(p: NDArray) -> NDArray:
    dtype: Any = p.dtype
    epsilon = float(np.finfo(dtype).eps)
    return nd.clip(p, epsilon, 1.0 - epsilon)


def _poisson(y: NDArray, p: NDArray, w: NDArray) -> NDArray:
    logarithm = nd.where(y == 0.0, nd.zeros_like(y), y * nd.log(y / p))
    return nd.sum((logarithm - y + p) * w)


def _sum_of_rows(terms: NDArray) -> NDArray:
    """The sum of all elements, first within rows.

    A row's sum has hardly any rounding error, since most of the row's terms are 0.
    """
    return nd.sum(nd.sum(terms, axis=1))


def _binary_log_loss(y: NDArray, p: NDArray, w: NDArray) -> NDArray:
    p = _clipped(p)
    return -_sum_of_rows((y * nd.log(p) + (1.0 - y) * nd.log(1.0 - p)) * w)


_LOSSES: dict[str, Callable[[NDArray, NDArray, NDArray], NDArray]] = {
    "squared_error": lambda y, p, w: (0.5 / y.shape[1]) * nd.sum((y - p) * (y - p) * w),
    "poisson": _poisson,
    "log_loss": lambda y, p, w: -_sum_of_rows(y * nd.log(_clipped(p)) * w),
    "binary_log_loss": _binary_log_loss,
}
"""For each loss, its weighted sum over rows, from targets, outputs and weights, as in scikit-learn."""

_Update = Callable[[NDArray, NDArray, tuple[NDArray, ...], float, float, float, float], Any]
_UPDATES: dict[str, _Update] = {
    "adam": lambda p, g, s, rate, a, b, e: adam_step(p, g, s, rate=rate, betas=(a, b), epsilon=e),
    "sgd": lambda p, g, s, rate, a, _b, _e: momentum_step(p, g, s, rate=rate, momentum=a),
    "sgd with Nesterov": lambda p, g, s, rate, a, _b, _e: nesterov_step(p, g, s, rate=rate, momentum=a),
}
