"""The compiled replacement of scikit-learn's arithmetic while one of its estimators is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler import compilation_enabled
from lamina.compiler.deferral import eager
from lamina.core.interrupts import interrupts_later
from lamina.core.memory import aligned_empty
from lamina.estimators.neural_network._programs import (
    MOMENTS,
    Kind,
    loss_and_gradients,
    taking_rows,
    training_step,
    training_step_on_rows,
)
from lamina.nd.ndarray import NDArray

__all__ = ["CompiledEpochs", "CompiledEvaluation", "epochs_for", "evaluation_for"]

WORTH_SECONDS = 0.3
"""A training that would take scikit-learn less time is left to it: compiling takes about as long."""
_STEP_SECONDS, _SECONDS_A_PRODUCT, _SECONDS_A_PARAMETER = 1e-4, 1e-10, 1e-8
"""What a step costs NumPy: calls; each multiplication of forward and backward; each parameter's update."""
_GROUP_BYTES, _MOST_STEPS = 4 << 20, 64
"""Of rows picked at one time, and for how many steps: a part of what the last cache holds, and a few milliseconds.

A step at a time, as the second cache would have it, costs a sixteenth more: Python comes between any two. So does twice
as much, which comes from farther away.
"""
_ROWS_IN_PLACE_BYTES = 1 << 19
"""Of a batch, from which a step reads its rows in the table: a smaller one stays in a core's cache when it is copied.

Such a program is of one size of table, so that the folds of a search may need two; it would not pay for narrow tables.
"""
_LEAST_FILLED = 0.02
"""Of sparse rows. Emptier ones SciPy multiplies sooner than a dense product does."""


def epochs_for(estimator: Any, X: Any, y: np.ndarray, weights: np.ndarray | None) -> CompiledEpochs | None:
    """Compiled steps for the training that begins; None where scikit-learn's own arithmetic is to do it."""
    rows = X.shape[0]
    if estimator.early_stopping:
        rows = max(1, rows - math.ceil(estimator.validation_fraction * rows))
    batch = min(200, rows) if estimator.batch_size == "auto" else int(np.clip(estimator.batch_size, 1, rows))
    # Of `partial_fit`, and of `fit` with `warm_start`, also what was trained before: `t_` counts rows.
    steps = (estimator.t_ + rows * estimator.max_iter) / batch
    if not _is_worth(estimator, X, batch, steps):
        return None
    return CompiledEpochs(estimator, X, y, weights, rows, batch)


def evaluation_for(
    estimator: Any, X: Any, y: np.ndarray, weights: np.ndarray | None
) -> CompiledEvaluation | None:
    """Compiled loss and gradients for L-BFGS; None where scikit-learn's own arithmetic is to do it."""
    if not _is_worth(estimator, X, X.shape[0], estimator.max_iter):
        return None
    return CompiledEvaluation(estimator, X, y, weights)


def _is_worth(estimator: Any, X: Any, batch: int, steps: float) -> bool:
    """By sizes and settings alone, so that the same training gives the same bits whatever was done before."""
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
    """The rows of a program's next steps, step after step: memory of its own that is filled again and again.

    Rows beyond those that are `put` have weight 0, so that the last batch of an epoch needs no program of its own.

    `stacks` are what the steps get: inputs (or, with a `table` of them, the numbers of its rows), targets, weights.
    """

    def __init__(
        self, X: Any, y: np.ndarray, weights: np.ndarray | None, batch: int, dtype: np.dtype
    ) -> None:
        self._weights, self._batch = weights, batch
        can_take = all(_can_be_taken(x, dtype) for x in (X, y))
        is_wide = batch * X.shape[1] * dtype.itemsize >= _ROWS_IN_PLACE_BYTES
        self.table, self._copied = (nd.from_numpy(X), (y,)) if can_take and is_wide else (None, (X, y))
        sizes = [*(x.shape[1] for x in self._copied), 1]
        self.steps = max(1, min(_MOST_STEPS, _GROUP_BYTES // (batch * sum(sizes) * dtype.itemsize)))
        self.rows = self.steps * batch
        self._parts = [aligned_empty((self.rows, size), dtype) for size in sizes]
        self._numbers = aligned_empty((self.rows,), np.dtype(np.int32))
        self._numbers_stack = _stack(self._numbers, self.steps)
        copies = [_stack(x, self.steps) for x in self._parts]
        self.stacks = [self._numbers_stack, *copies][-3:]  # no numbers where inputs are among the copies
        self._take = taking_rows() if can_take else None
        self._places = copies[:-1]
        self._tables = [nd.from_numpy(x) for x in self._copied] if can_take else []
        self._weighted = -1

    def put(self, rows: np.ndarray) -> list[int]:
        """These rows of what is trained on; how many there are in each step."""
        count, steps = len(rows), -(-len(rows) // self._batch)
        self._put_inputs(rows, steps)
        weights = self._weights
        w, used = self._parts[-1], steps * self._batch
        if weights is not None:
            w[:count, 0] = weights[rows]
        elif self._weighted != count:
            w[:count] = 1
        self._weighted = count
        for part in self._parts:
            part[count:used] = 0
        return [min(self._batch, count - start) for start in range(0, count, self._batch)]

    def _put_inputs(self, rows: np.ndarray, steps: int) -> None:
        if self._take is not None:
            self._numbers[: len(rows)] = rows
            self._numbers[len(rows) : steps * self._batch] = rows[-1]
            self._take.run_stacks([self._numbers_stack, *self._places], [()] * steps, *self._tables)
            return
        for part, source in zip(self._parts, self._copied, strict=False):
            taken = source[rows]
            part[: len(rows)] = taken if isinstance(taken, np.ndarray) else taken.toarray()


def _stack(rows: np.ndarray, steps: int) -> NDArray:
    return nd.from_numpy(rows.reshape(steps, -1, *rows.shape[1:]))


def _can_be_taken(table: Any, dtype: np.dtype) -> bool:
    """Whether a compiled function takes rows of it: it lies row by row, and their numbers are int32."""
    is_plain = isinstance(table, np.ndarray) and table.dtype == dtype and table.flags.c_contiguous
    return is_plain and table.size > 0 and len(table) <= np.iinfo(np.int32).max


def _kind(estimator: Any, X: Any, rows: int, dtype: np.dtype) -> Kind:
    output, loss = estimator.out_activation_, estimator.loss
    units = (X.shape[1], *(len(x) for x in estimator.intercepts_))
    name = "binary_log_loss" if loss == "log_loss" and output == "logistic" else loss
    return Kind(estimator.activation, output, name, units, str(dtype), rows)


class CompiledEpochs:
    """Epochs of a stochastic solver on compiled steps. They change the estimator's `coefs_` and `intercepts_`, and the
    moments of its scikit-learn optimizer, in place.

    `rows`: how many of X are trained on; `batch`: how many a step takes.
    """

    def __init__(
        self, estimator: Any, X: Any, y: np.ndarray, weights: np.ndarray | None, rows: int, batch: int
    ) -> None:
        self._estimator, self.rows, self._batch = estimator, rows, batch
        self._data = X if isinstance(X, np.ndarray) else X.tocsr(), y, weights
        self.optimizer: Any = None

    def _begin(self) -> None:
        """Take over the optimizer that scikit-learn has made by now."""
        estimator, optimizer, X = self._estimator, self._estimator._optimizer, self._data[0]
        solver = estimator.solver
        if solver == "sgd" and optimizer.nesterov:
            solver = "sgd with Nesterov"
        dtype = estimator.coefs_[0].dtype
        self._data = X, np.require(self._data[1], dtype, "C"), self._data[2]
        kind = _kind(estimator, X, self._batch, dtype)
        held = [(estimator, "coefs_"), (estimator, "intercepts_"), *((optimizer, x) for x in MOMENTS[solver])]
        # A user's weights may lie anyhow; moments may be more exact than what they move.
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
        estimator._optimizer = SteppedOptimizer(optimizer)

    @eager()
    def train(self, order: np.ndarray) -> float:
        """Train on the rows in this order; the mean loss of all."""
        if self.optimizer is None:
            self._begin()
        group, total = self._group, 0.0
        for start in range(0, len(order), group.rows):
            counts = group.put(order[start : start + group.rows])
            for loss, count in zip(self._take_steps(len(counts)), counts, strict=True):
                total += loss * count
        return total / len(order)

    def _take_steps(self, count: int) -> list[float]:
        """Take `count` steps on the group's rows; their losses.

        Ctrl-C is heard before or after, so that the optimizer counts the steps that the weights have taken.
        """
        alpha = float(self._estimator.alpha)
        with interrupts_later():
            numbers = [(alpha, *self._steps.numbers(ahead)) for ahead in range(1, count + 1)]
            losses = self._program.run_stacks(self._group.stacks, numbers, *self._arrays)
            self._steps.taken(count)
        return losses.asnumpy().ravel().tolist()

    def inputs(self, rows: np.ndarray) -> Any:
        """These rows of X."""
        return self._data[0][rows]

    def end(self) -> None:
        """Give the optimizer back."""
        if self.optimizer is not None:
            self._estimator._optimizer = self.optimizer


class SteppedOptimizer:
    """scikit-learn's optimizer while compiled steps do its work: it finds the parameters updated."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def update_params(self, params: Sequence[np.ndarray], grads: Sequence[np.ndarray]) -> None:
        """Done already."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)


class _AdamSteps:
    """scikit-learn's Adam: the numbers of the steps that come, and the count of those that were taken."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def numbers(self, ahead: int) -> tuple[float, ...]:
        """The numbers of the step that is `ahead` steps ahead."""
        optimizer = self._optimizer
        rate = self._rate(optimizer.t + ahead)
        return float(rate), float(optimizer.beta_1), float(optimizer.beta_2), float(optimizer.epsilon)

    def taken(self, steps: int) -> None:
        """Record `steps` completed steps."""
        optimizer = self._optimizer
        optimizer.t += steps
        optimizer.learning_rate = self._rate(optimizer.t)

    def _rate(self, t: int) -> Any:
        """With both corrections (the end of the paper's section 2)."""
        optimizer = self._optimizer
        return optimizer.learning_rate_init * np.sqrt(1 - optimizer.beta_2**t) / (1 - optimizer.beta_1**t)


class _SGDSteps:
    """scikit-learn's SGD, whose numbers change between epochs only."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def numbers(self, _ahead: int) -> tuple[float, ...]:
        return float(self._optimizer.learning_rate), float(self._optimizer.momentum), 0.0, 0.0

    def taken(self, steps: int) -> None:
        """It does not count them."""


class CompiledEvaluation:
    """Loss and gradients of all rows, for L-BFGS."""

    def __init__(self, estimator: Any, X: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
        self._estimator, self._input_dtype = estimator, X.dtype
        self._dtype = np.dtype(np.float64)  # in which SciPy keeps the parameters
        self._program = loss_and_gradients(_kind(estimator, X, X.shape[0], self._dtype))
        w = np.ones(len(y)) if weights is None else weights
        parts = X if isinstance(X, np.ndarray) else X.toarray(), y, w.reshape(-1, 1)
        self._arguments = [nd.from_numpy(np.ascontiguousarray(part, self._dtype)) for part in parts]

    @eager()
    def evaluate(self) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
        """The loss and its gradients by weights and by intercepts, at the estimator's present ones."""
        estimator = self._estimator
        parameters = [
            nd.from_numpy(np.asarray(x, self._dtype)) for x in (*estimator.coefs_, *estimator.intercepts_)
        ]
        loss, gradients = self._program(*self._arguments, float(estimator.alpha), *parameters)
        # What scikit-learn would have computed in: SciPy's versions differ in what they keep float32 parameters as.
        dtype = np.result_type(self._input_dtype, *estimator.coefs_)
        arrays = [x.asnumpy().astype(dtype, copy=False) for x in gradients]
        layers = len(estimator.coefs_)
        return float(loss.asscalar()), arrays[:layers], arrays[layers:]
