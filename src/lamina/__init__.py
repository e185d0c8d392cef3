"""lamina: multilayer perceptrons from scratch, compiled to machine code."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina import autograd, nd, random
from lamina.compiler import compile, get_num_threads, set_num_threads
from lamina.context import Context, cpu, cpu_pinned, current_context, gpu, num_gpus

if TYPE_CHECKING:
    from lamina import gluon, init, initializer, io, lr_scheduler, metric, optimizer, test_utils
    from lamina.estimators import MLPClassifier, MLPRegressor
    from lamina.estimators.persistence import load, save

__all__ = [
    "Context",
    "MLPClassifier",
    "MLPRegressor",
    "autograd",
    "compile",
    "cpu",
    "cpu_pinned",
    "current_context",
    "get_num_threads",
    "gluon",
    "gpu",
    "init",
    "initializer",
    "io",
    "load",
    "lr_scheduler",
    "metric",
    "nd",
    "num_gpus",
    "optimizer",
    "random",
    "save",
    "set_num_threads",
    "test_utils",
]
__version__ = "0.1.0"

_ON_FIRST_USE = {"gluon", "init", "initializer", "io", "lr_scheduler", "metric", "optimizer", "test_utils"}
"""Modules that are imported when they are first used, so that ``import lamina`` stays quick."""


_ESTIMATORS = {"MLPClassifier", "MLPRegressor"}
_PERSISTENCE = {"load", "save"}


def __getattr__(name: str) -> Any:
    if name in _ON_FIRST_USE:
        return import_module(f"lamina.{name}")
    if name in _ESTIMATORS:
        return getattr(import_module("lamina.estimators"), name)
    if name in _PERSISTENCE:
        return getattr(import_module("lamina.estimators.persistence"), name)
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")
