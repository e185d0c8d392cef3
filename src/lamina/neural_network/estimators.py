"""scikit-learn's networks, with what takes their time done by compiled functions."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import sklearn.neural_network as theirs

from lamina.neural_network._training import CompiledEpochs, CompiledEvaluation, epochs_for, evaluation_for

__all__ = ["MLPClassifier", "MLPRegressor"]


class _Compiled:
    """The private methods of scikit-learn's networks through which their training goes; see
    docs/adr/scikit-learn-estimators.md.

    scikit-learn's loop over epochs runs as it is, with all that it decides, says and warns of, on the numbers of the
    rows instead of the rows, and with one batch an epoch: in that one "batch", all of the epoch's steps are taken.
    """

    _epochs: CompiledEpochs | None = None
    _evaluation: CompiledEvaluation | None = None
    """What computes, while a training runs."""

    def _fit_stochastic(self: Any, *arguments: Any, **named: Any) -> None:
        fit = super()._fit_stochastic  # pyright: ignore[reportAttributeAccessIssue]
        given = inspect.signature(fit).bind(*arguments, **named).arguments
        X = given["X"]
        epochs = epochs_for(self, X, given["y"], given.get("sample_weight"))
        if epochs is None:
            fit(**given)
            return
        batch_size = self.batch_size
        self._epochs = epochs
        if batch_size == "auto" or batch_size < epochs.rows:  # a larger one scikit-learn warns of
            self.batch_size = epochs.rows
        try:
            fit(**{**given, "X": np.arange(X.shape[0]).reshape(-1, 1)})
        finally:
            self.batch_size = batch_size
            del self._epochs
            epochs.end()

    def _fit_lbfgs(self: Any, *arguments: Any, **named: Any) -> None:
        fit = super()._fit_lbfgs  # pyright: ignore[reportAttributeAccessIssue]
        given = inspect.signature(fit).bind(*arguments, **named).arguments
        self._evaluation = evaluation_for(self, given["X"], given["y"], given.get("sample_weight"))
        try:
            fit(**given)
        finally:
            del self._evaluation

    def _backprop(self: Any, X: Any, *others: Any) -> Any:
        if self._epochs is not None:
            return self._epochs.train(X.ravel()), [], []
        if self._evaluation is not None:
            return self._evaluation.evaluate()
        return super()._backprop(X, *others)  # pyright: ignore[reportAttributeAccessIssue]

    def _forward_pass_fast(self: Any, X: Any, check_input: bool = True) -> Any:
        if self._epochs is not None:
            X = self._epochs.inputs(X.ravel())
        return super()._forward_pass_fast(X, check_input)  # pyright: ignore[reportAttributeAccessIssue]


class MLPClassifier(_Compiled, theirs.MLPClassifier):
    pass


class MLPRegressor(_Compiled, theirs.MLPRegressor):
    pass
