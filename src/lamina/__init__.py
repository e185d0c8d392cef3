"""lamina: multilayer perceptrons from scratch, compiled to machine code."""

from importlib import import_module
from threading import get_ident
from typing import TYPE_CHECKING, Any

from lamina.errors import MXNetError
from lamina.support.module_names import MXNET
from lamina.support.tracebacks import show_at_users_lines
from lamina.support.unsupported import no_attribute

if TYPE_CHECKING:
    from lamina import autograd, distributed, gluon, mxnet, nd, optimizer
    from lamina import nd as ndarray
    from lamina.autograd import detect_anomaly, set_detect_anomaly
    from lamina.compiler import compile, get_num_threads, set_num_threads
    from lamina.compiler.deferral import eager
    from lamina.device.context import Context, cpu, cpu_pinned, current_context, gpu, num_gpus
    from lamina.estimators import MLPClassifier, MLPRegressor
    from lamina.estimators.persistence import load, save
    from lamina.export.library import export_library
    from lamina.export.onnx_file import export_onnx
    from lamina.export.page_file import export_page
    from lamina.gluon import initializer, metric
    from lamina.gluon import initializer as init
    from lamina.interchange import from_sklearn, import_onnx, load_state_dict
    from lamina.interchange.distillation import distill
    from lamina.mxnet import io, np, npx, test_utils
    from lamina.nd import random
    from lamina.nd import random as rnd
    from lamina.optimizer import lr_scheduler
    from lamina.primitives.contract import set_eager_products

__all__ = [
    "Context", "MLPClassifier", "MLPRegressor", "MXNetError", "autograd", "compile", "cpu", "cpu_pinned",
    "current_context", "detect_anomaly", "distill", "distributed", "eager", "export_library", "export_onnx",
    "export_page", "from_sklearn", "get_num_threads", "gluon", "gpu", "import_onnx", "init", "initializer", "io",
    "load", "load_state_dict", "lr_scheduler", "metric", "mxnet", "nd", "ndarray", "np", "npx", "num_gpus", "optimizer",
    "random", "rnd", "save", "set_detect_anomaly", "set_eager_products", "set_num_threads", "test_utils",
]  # fmt: skip
__version__ = "0.1.0"

show_at_users_lines()
del show_at_users_lines

_imported_by = get_ident()


def _defer() -> None:  # pyright: ignore[reportUnusedFunction]
    """Defer operators of the thread that imported lamina from now on; `lamina.nd` calls this function once."""
    import_module("lamina.compiler.deferral")


_MODULES = frozenset({*MXNET, "autograd", "distributed", "gluon", "mxnet", "nd", "optimizer"})
_NAMES_OF = {
    "lamina.autograd": "detect_anomaly set_detect_anomaly",
    "lamina.compiler": "compile get_num_threads set_num_threads",
    "lamina.compiler.deferral": "eager",
    "lamina.device.context": "Context cpu cpu_pinned current_context gpu num_gpus",
    "lamina.estimators": "MLPClassifier MLPRegressor",
    "lamina.estimators.persistence": "load save",
    "lamina.export.library": "export_library",
    "lamina.export.onnx_file": "export_onnx",
    "lamina.export.page_file": "export_page",
    "lamina.interchange": "from_sklearn import_onnx load_state_dict",
    "lamina.interchange.distillation": "distill",
    "lamina.mxnet.attribute": "AttrScope",
    "lamina.mxnet.util": "is_np_array is_np_shape np_array np_shape set_np_shape use_np use_np_array use_np_shape",
    "lamina.primitives.contract": "set_eager_products",
}
_NAMES = {name: module for module, names in _NAMES_OF.items() for name in names.split()}
"""The module of each public name, imported on first use to make ``import lamina`` and ``lamina --help`` fast."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"lamina.{name}")
    if name in _NAMES:
        value = globals()[name] = getattr(import_module(_NAMES[name]), name)
        return value
    raise no_attribute("lamina", name)


def __dir__() -> list[str]:
    special = (name for name in globals() if name.startswith("__"))
    return sorted({*special, *__all__, *_MODULES, *_NAMES})
