"""Optimizers, each with a pure function for its mathematics and a class with MXNet's interface.

A pure function, for example `adam_step`, takes a weight, its gradient, the state (a tuple of arrays like the weight)
and hyperparameters, and returns the new weight and state, without side effects. The function consists of operators of
`lamina.nd` and works in eager and compiled steps alike. An `Optimizer` calls the function for `lamina.gluon.Trainer`,
counts updates and stores the settings; the estimators and the digits' recipe call the function directly.

To add an optimizer, write a module in this package with its step, whose docstring names paper and year, and a subclass
of `Optimizer` under ``@optimizers.register("name")``. The subclass's `create_state` makes the state, and its `update`
passes the step's result to `write`. Import the class below. To offer the step as a `solver` of the estimators, add an
entry to `SOLVERS` in ``estimators/_solvers.py``. Add the formula in NumPy to ``tests/optimizer/test_formulas.py``.
"""

from lamina.optimizer.adam import LAMB, Adam, Adamax, AdamW, Nadam
from lamina.optimizer.adaptive import FTML, AdaDelta, AdaGrad, Ftrl, RMSProp
from lamina.optimizer.momentum import DCASGD, LARS, NAG, SGD, SGLD, Signum, Test
from lamina.optimizer.muon import Muon
from lamina.optimizer.optimizer import Optimizer, Updater, create, get_updater, register
from lamina.support.unsupported import names_of_others

__all__ = [
    "DCASGD", "FTML", "LAMB", "LARS", "NAG", "SGD", "SGLD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "Ftrl",
    "Muon", "Nadam", "Optimizer", "RMSProp", "Signum", "Test", "Updater", "create", "get_updater", "register",
]  # fmt: skip


__getattr__ = names_of_others("lamina.optimizer")
