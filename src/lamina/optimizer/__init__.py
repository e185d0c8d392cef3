"""Optimizers: each written once, for eager and compiled steps alike."""

from lamina.optimizer.adam import LAMB, Adam, Adamax, AdamW, Nadam
from lamina.optimizer.adaptive import AdaDelta, AdaGrad, Ftrl, RMSProp
from lamina.optimizer.momentum import NAG, SGD, Signum
from lamina.optimizer.optimizer import Optimizer, create, register

__all__ = [
    "LAMB",
    "NAG",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Nadam",
    "Optimizer",
    "RMSProp",
    "Signum",
    "create",
    "register",
]
