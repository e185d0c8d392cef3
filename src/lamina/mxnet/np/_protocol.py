"""NumPy's protocols: NumPy's functions on ``np.ndarray`` call `lamina.np`, as in MXNet."""

from __future__ import annotations

from typing import Any

from lamina.mxnet.np._numpys import given_to_numpy


def by_function(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call the function of `lamina.np` with the same name, or if it is missing, NumPy's on the arrays' values."""
    own = _own(function)
    return given_to_numpy(function, args, kwargs) if own is None else own(*args, **kwargs)


def by_ufunc(ufunc: Any, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """Call the function of `lamina.np` for a ufunc, as in ``numpy.exp(x)``, or NumPy's ufunc on the values."""
    out = kwargs.pop("out", None)
    if out is not None:
        kwargs["out"] = out[0]
    own = _own(ufunc) if method == "__call__" else None
    return given_to_numpy(getattr(ufunc, method), inputs, kwargs) if own is None else own(*inputs, **kwargs)


def _own(function: Any) -> Any:
    import lamina.mxnet.np as own

    module = getattr(function, "__module__", None) or ""
    space: Any = own.linalg if module.startswith("numpy.linalg") else own
    name = function.__name__
    return getattr(space, name) if name in space.__all__ else None
