"""Arrays and the functions of arrays, under MXNet 1.x's names. Public names are those in each submodule's `__all__`."""
# ruff: noqa: F403

import sys
from importlib import import_module
from typing import Any

import lamina
from lamina.nd import (
    _interop,
    _outputs,
    _sample,
    _sequence,
    _shape,
    activation,
    contrib,
    creation,
    elementwise,
    image,
    join,
    linalg,
    lookup,
    neural,
    random,
    reduce,
    slicing,
)
from lamina.nd._interop import *
from lamina.nd._linalg import khatri_rao
from lamina.nd._outputs import *
from lamina.nd._sample import *
from lamina.nd._sequence import *
from lamina.nd._shape import *
from lamina.nd.activation import *
from lamina.nd.conversion import array
from lamina.nd.creation import *
from lamina.nd.elementwise import *
from lamina.nd.join import *
from lamina.nd.linalg import batch_dot, dot
from lamina.nd.lookup import *
from lamina.nd.ndarray import NDArray
from lamina.nd.neural import *
from lamina.nd.operators import Custom
from lamina.nd.reduce import *
from lamina.nd.slicing import *
from lamina.support.unsupported import no_attribute

__all__ = ["Custom", "NDArray", "array", "batch_dot", "contrib", "dot", "image", "khatri_rao", "linalg"]
__all__ += ["random"]
__all__ += activation.__all__
__all__ += creation.__all__
__all__ += elementwise.__all__
__all__ += _interop.__all__
__all__ += join.__all__
__all__ += lookup.__all__
__all__ += neural.__all__
__all__ += _outputs.__all__
__all__ += reduce.__all__
__all__ += _sample.__all__
__all__ += _sequence.__all__
__all__ += _shape.__all__
__all__ += slicing.__all__


globals().update({f"linalg_{name}": getattr(linalg, name) for name in linalg.__all__ if "dot" not in name})
__all__ += [f"linalg_{name}" for name in linalg.__all__ if "dot" not in name]


op = sys.modules[__name__]
"""MXNet's module of all operators, as in `mx.nd.op.broadcast_add`."""


_BESIDE = ("np", "npx", "numpy", "numpy_extension")
"""Modules beside `lamina.nd`, for `F.np` and `F.npx` in a hybrid block."""


_UPDATES = (
    "adam_update", "ftml_update", "ftrl_update", "lamb_update_phase1", "lamb_update_phase2", "mp_lamb_update_phase1",
    "mp_lamb_update_phase2", "mp_nag_mom_update", "mp_sgd_mom_update", "mp_sgd_update", "multi_lars",
    "multi_mp_sgd_mom_update", "multi_mp_sgd_update", "multi_sgd_mom_update", "multi_sgd_update", "nag_mom_update",
    "preloaded_multi_mp_sgd_mom_update", "preloaded_multi_mp_sgd_update", "preloaded_multi_sgd_mom_update",
    "preloaded_multi_sgd_update", "reset_arrays", "rmsprop_update", "rmspropalex_update", "sgd_mom_update",
    "sgd_update", "signsgd_update", "signum_update",
)  # fmt: skip
"""Functions loaded from `lamina.mxnet.updates` on first access."""
__all__ += [name for name in _UPDATES]  # noqa: C416 - a form that type checkers understand


def __dir__() -> list[str]:
    special = (name for name in globals() if name.startswith("__"))
    return sorted({*special, *__all__, "ndarray", "op", *_BESIDE})


def __getattr__(name: str) -> Any:
    if name == "_internal":
        return import_module("lamina.mxnet.internal")
    if name in _UPDATES:
        return getattr(import_module("lamina.mxnet.updates"), name)
    if name in _BESIDE:
        return import_module(f"lamina.{name}")
    raise no_attribute("lamina.nd", name)


lamina._defer()
