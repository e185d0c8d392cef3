"""Arrays and the functions of arrays, under MXNet 1.x's names. The names come from the families' own `__all__`."""
# ruff: noqa: F403

import sys
from importlib import import_module
from typing import Any

import lamina
from lamina.nd import (
    _adam_updates as adam_updates,
)
from lamina.nd import (
    _counting as counting,
)
from lamina.nd import (
    _ctc as ctc,
)
from lamina.nd import (
    _density as density,
)
from lamina.nd import (
    _fused_updates as fused_updates,
)
from lamina.nd import (
    _interop as interop,
)
from lamina.nd import (
    _normalization as normalization,
)
from lamina.nd import (
    _ordering as ordering,
)
from lamina.nd import (
    _outputs as outputs,
)
from lamina.nd import (
    _probability as probability,
)
from lamina.nd import (
    _sample as sample,
)
from lamina.nd import (
    _sequence as sequence,
)
from lamina.nd import (
    _serialization as serialization,
)
from lamina.nd import (
    _shape as shape,
)
from lamina.nd import (
    _updates as updates,
)
from lamina.nd import (
    activation,
    arithmetic,
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
from lamina.nd._adam_updates import *
from lamina.nd._counting import *
from lamina.nd._ctc import *
from lamina.nd._density import *
from lamina.nd._fused_updates import *
from lamina.nd._interop import *
from lamina.nd._normalization import *
from lamina.nd._ordering import *
from lamina.nd._outputs import *
from lamina.nd._probability import *
from lamina.nd._products import khatri_rao
from lamina.nd._sample import *
from lamina.nd._sequence import *
from lamina.nd._serialization import *
from lamina.nd._shape import *
from lamina.nd._updates import *
from lamina.nd.activation import *
from lamina.nd.arithmetic import *
from lamina.nd.conversion import array
from lamina.nd.creation import *
from lamina.nd.custom import Custom
from lamina.nd.elementwise import *
from lamina.nd.join import *
from lamina.nd.linalg import batch_dot, dot
from lamina.nd.lookup import *
from lamina.nd.ndarray import NDArray
from lamina.nd.neural import *
from lamina.nd.reduce import *
from lamina.nd.slicing import *
from lamina.support.unsupported import no_attribute

__all__ = ["Custom", "NDArray", "array", "batch_dot", "contrib", "dot", "image", "khatri_rao", "linalg"]
__all__ += ["random"]
__all__ += activation.__all__
__all__ += adam_updates.__all__
__all__ += arithmetic.__all__
__all__ += counting.__all__
__all__ += creation.__all__
__all__ += ctc.__all__
__all__ += density.__all__
__all__ += elementwise.__all__
__all__ += fused_updates.__all__
__all__ += interop.__all__
__all__ += join.__all__
__all__ += lookup.__all__
__all__ += neural.__all__
__all__ += normalization.__all__
__all__ += ordering.__all__
__all__ += outputs.__all__
__all__ += probability.__all__
__all__ += reduce.__all__
__all__ += sample.__all__
__all__ += sequence.__all__
__all__ += serialization.__all__
__all__ += shape.__all__
__all__ += slicing.__all__
__all__ += updates.__all__


globals().update({f"linalg_{name}": getattr(linalg, name) for name in linalg.__all__ if "dot" not in name})
__all__ += [f"linalg_{name}" for name in linalg.__all__ if "dot" not in name]


op = sys.modules[__name__]
"""In MXNet the operators have a module of their own besides: `mx.nd.op.broadcast_add`."""


_BESIDE = ("np", "npx", "numpy", "numpy_extension")
"""What a hybrid block reaches as `F.np` and `F.npx`."""


def __dir__() -> list[str]:
    special = (name for name in globals() if name.startswith("__"))
    return sorted({*special, *__all__, "ndarray", "op", *_BESIDE})


def __getattr__(name: str) -> Any:
    if name == "_internal":
        import lamina.nd._internal as internal

        return internal
    if name in _BESIDE:
        return import_module(f"lamina.{name}")
    raise no_attribute("lamina.nd", name)


lamina._defer()
