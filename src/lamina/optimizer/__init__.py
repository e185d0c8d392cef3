"""Optimizers: the mathematics of each as a pure function, and a class with MXNet's interface that calls the function.

Such a function, for example `adam_step`, takes a weight, its gradient, the state (a tuple of arrays like the weight)
and hyperparameters, and returns the new weight and state, without side effects. It consists of operators of
`lamina.nd`, so it works in eager and compiled steps alike. An `Optimizer` calls it for `lamina.gluon.Trainer`, counts
updates and stores the settings; the estimators and the digits' recipe call it themselves.

To add an optimizer, write a module here: its step, with paper and year in the docstring, and a subclass of `Optimizer`
under ``@optimizers.register("name")`` whose `create_state` makes the state and whose `update` passes the step's result
to `write`. Import the class below. To offer the step as a `solver` of the estimators, add an entry to `SOLVERS` in
``estimators/_solvers.py``. The formula in NumPy goes into ``tests/optimizer/test_formulas.py``.
"""

from typing import Any

from lamina.optimizer.adam import LAMB, Adam, Adamax, AdamW, Nadam
from lamina.optimizer.adaptive import AdaDelta, AdaGrad, Ftrl, RMSProp
from lamina.optimizer.momentum import NAG, SGD, Signum
from lamina.optimizer.muon import Muon
from lamina.optimizer.optimizer import Optimizer, create, register
from lamina.optimizer.rare import DCASGD, FTML, LARS, SGLD, Test
from lamina.optimizer.updater import Updater, get_updater
from lamina.support.unsupported import no_attribute

__all__ = [
    "DCASGD", "FTML", "LAMB", "LARS", "NAG", "SGD", "SGLD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "Adamax", "Ftrl",
    "Muon", "Nadam", "Optimizer", "RMSProp", "Signum", "Test", "Updater", "create", "get_updater", "register",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.optimizer", name)
