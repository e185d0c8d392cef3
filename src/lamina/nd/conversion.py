"""`array`, which makes an array from nested lists, numbers, NumPy arrays or other arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array, placed
from lamina.core.primitive import bind, new_array
from lamina.core.state import state
from lamina.device.context import Context, usable
from lamina.errors import TraceError
from lamina.primitives import ELEMENT_TYPES, cast, element_type
from lamina.support.messages import user_location

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray


def array(source_array: Any, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """A new array with a copy of `source_array` (nested lists, a number, a NumPy array, an NDArray …).

    The default `dtype` is float32, or for an NDArray its dtype, as in MXNet. A single number gives shape (1,). Raises
    `TypeError` if `source_array` does not consist of numbers, or has rows of unequal length.

    >>> from lamina import nd
    >>> nd.array([1, 2, 3]).dtype
    <class 'numpy.float32'>
    """
    context = usable(ctx)
    source = source_array
    if isinstance(source, Array):
        if state.trace is not None:
            if context is not source._context:
                source = source.as_in_context(context)  # pyright: ignore[reportAttributeAccessIssue]
            return bind(cast, source, dtype=element_type(dtype or source.dtype))
        source, dtype = source._numbers(), dtype or source.dtype
    kept = element_type(dtype)
    if state.trace is not None and isinstance(source, np.ndarray) and source.flags.c_contiguous:
        live = _read_by_the_step(source, context)
        if live is not None and not context.is_host:
            raise TraceError(
                f"{user_location()}: a NumPy array of shape {source.shape} becomes an array on {context} inside "
                "lamina.compile, which can't read it again at each call; pass it as an argument, made by nd.array"
            )
        if live is not None:
            return bind(cast, live, dtype=kept)
    try:
        if source is None:  # NumPy would convert it to nan
            raise TypeError("None is not a number")
        data = np.array(source, dtype=kept, order="C")
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"array: cannot make an array of {kept} from a {type(source).__name__}: {error}"
        ) from None
    return new_array(placed(data if data.ndim else data.reshape(1), context), context)


def _read_by_the_step(source: np.ndarray, context: Context) -> NDArray | None:
    """An array on the memory of `source`, which a compiled step reads anew at each call.

    Returns None if the compiler does not support the dtype.
    """
    if source.dtype not in ELEMENT_TYPES:
        return None
    return new_array(source if source.ndim else source.reshape(1), context)
