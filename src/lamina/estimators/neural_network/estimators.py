"""scikit-learn's estimators, trained by compiled functions.

They are subclasses of the installed scikit-learn's estimators. Only the arithmetic is different; checks of parameters
and data, splits, shuffles, initial weights, stopping, messages and tags are scikit-learn's
(docs/adr/scikit-learn-estimators.md).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.neural_network as theirs

from lamina.estimators.neural_network import _training as compiled


class _Compiled:
    """A mixin that overrides the four private methods in which scikit-learn's networks train.

    scikit-learn's epoch loop runs unchanged, but it gets row numbers instead of rows, and a single batch per epoch;
    this batch executes all compiled steps of the epoch.
    """

    _epochs: compiled.CompiledEpochs | None = None
    _evaluation: compiled.CompiledEvaluation | None = None
    """The compiled loss and gradients during a training; None: scikit-learn computes them."""

    def _inherited(self) -> Any:
        return super()

    def _fit_stochastic(self: Any, *arguments: Any, **named: Any) -> None:
        fit = self._inherited()._fit_stochastic
        given, data = _data_of(fit, arguments, named)
        epochs = compiled.epochs_for(self, *data)
        if epochs is None:
            fit(**given)
            return
        batch_size = self.batch_size
        self._epochs = epochs
        if batch_size == "auto" or batch_size < epochs.rows:  # scikit-learn itself warns about a larger one
            self.batch_size = epochs.rows
        try:
            fit(**{**given, "X": np.arange(len(data[1])).reshape(-1, 1)})
        finally:
            self.batch_size = batch_size
            del self._epochs
            epochs.end()

    def _fit_lbfgs(self: Any, *arguments: Any, **named: Any) -> None:
        fit = self._inherited()._fit_lbfgs
        given, data = _data_of(fit, arguments, named)
        self._evaluation = compiled.evaluation_for(self, *data)
        try:
            fit(**given)
        finally:
            del self._evaluation

    def _backprop(self: Any, X: Any, *others: Any, **named: Any) -> Any:
        if self._epochs is not None:
            return self._epochs.train(X.ravel()), [], []
        if self._evaluation is not None:
            return self._evaluation.evaluate()
        return self._inherited()._backprop(X, *others, **named)

    def _forward_pass_fast(self: Any, X: Any, check_input: bool = True) -> Any:
        # During a training, X has row numbers.
        rows = X if self._epochs is None else self._epochs.inputs(X.ravel())
        return self._inherited()._forward_pass_fast(rows, check_input)


def _data_of(
    fit: Callable[..., None], arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """The arguments of a call of `fit` by name, and a tuple of X, y and row weights.

    The weights are None before scikit-learn 1.7.
    """
    given = inspect.signature(fit).bind(*arguments, **named).arguments
    return given, (given["X"], given["y"], given.get("sample_weight"))


class MLPClassifier(_Compiled, theirs.MLPClassifier):
    """scikit-learn's `MLPClassifier`, trained by compiled steps.

    All parameters, methods and attributes are those of `sklearn.neural_network.MLPClassifier` in the installed
    version, where they are documented. lamina's additions (dropout, embeddings, tuned presets) are in
    `lamina.MLPClassifier`.

    `X`: (rows, columns), float32 or float64 (other dtypes become float64), or sparse. `y`: (rows,) of labels, or
    (rows, labels) of 0 and 1.

    Raises:
        ValueError: as in scikit-learn, with its messages.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((20,), max_iter=500, learning_rate_init=0.01, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """


class MLPRegressor(_Compiled, theirs.MLPRegressor):
    """scikit-learn's `MLPRegressor`, trained by compiled steps.

    All parameters, methods and attributes are those of `sklearn.neural_network.MLPRegressor` in the installed
    version, where they are documented. lamina's additions are in `lamina.MLPRegressor`.

    `X`: (rows, columns), float32 or float64 (other dtypes become float64), or sparse. `y`: (rows,) or (rows, outputs)
    of numbers.

    Raises:
        ValueError: as in scikit-learn, with its messages.

    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 40).reshape(-1, 1)
    >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit(X, np.sin(3 * X.ravel()))
    >>> model.score(X, np.sin(3 * X.ravel())) > 0.99
    True
    """
