"""Arrays with NumPy's semantics, under the names of MXNet's ``mx.np``.

Scalars have shape (), empty arrays are allowed, comparisons return bools, and dtypes may be mixed. The arrays wrap
arrays of `lamina.nd` and share their operators; computations are recorded by autograd, deferred and compiled in the
same way.

>>> from lamina import autograd, np
>>> w = np.array([1, 2])
>>> w.attach_grad()
>>> with autograd.record():
...     loss = ((np.dot(np.ones((3, 2)), w) - 1) ** 2).mean()
>>> loss.backward()
>>> loss, w.grad
(array(4.), array([4., 4.]))
"""
# ruff: noqa: F403

from typing import Any

import numpy as _numpy

from lamina.mxnet.np import _creation, _elementwise, _reduce, _select, _shape, linalg, random
from lamina.mxnet.np._array import ndarray
from lamina.mxnet.np._creation import *
from lamina.mxnet.np._elementwise import *
from lamina.mxnet.np._numpys import OWN as _OWN
from lamina.mxnet.np._numpys import of_numpy as _of_numpy
from lamina.mxnet.np._products import dot, einsum, inner, kron, matmul, outer, tensordot, vdot
from lamina.mxnet.np._reduce import *
from lamina.mxnet.np._select import *
from lamina.mxnet.np._shape import *
from lamina.support.unsupported import names_of_others

_BY_NUMPY = (
    "allclose", "apply_along_axis", "apply_over_axes", "argpartition", "argwhere", "array_equal", "array_equiv",
    "blackman", "choose", "corrcoef", "correlate", "cov", "cross", "cumprod", "diag_indices_from", "digitize",
    "fill_diagonal", "frexp", "gcd", "genfromtxt", "hamming", "hanning", "heaviside", "histogram", "histogram2d",
    "histogram_bin_edges", "histogramdd", "i0", "insert", "interp", "intersect1d", "isclose", "isin", "ix_", "lcm",
    "left_shift", "lexsort", "median", "min_scalar_type", "modf", "nanargmax", "nanargmin", "nancumprod",
    "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanquantile", "nanstd", "nanvar",
    "packbits", "partition", "percentile", "piecewise", "poly", "polyadd", "polydiv", "polyfit", "polyint",
    "polymul", "polysub", "polyval", "promote_types", "quantile", "real", "resize", "result_type", "right_shift",
    "roots", "searchsorted", "setdiff1d", "setxor1d", "signbit", "spacing", "tril_indices", "tril_indices_from",
    "trim_zeros", "triu_indices", "triu_indices_from", "union1d", "unique", "unpackbits", "unravel_index", "unwrap",
    "vander",
)  # fmt: skip
"""Functions computed by NumPy, without gradients and only outside training steps."""

globals().update({name: _of_numpy(name) for name in _BY_NUMPY if hasattr(_numpy, name)})
in1d: Any = _of_numpy("in1d", lambda ar1, ar2, **kwargs: _numpy.isin(_numpy.ravel(ar1), ar2, **kwargs))
bincount: Any = _of_numpy(
    "bincount",
    lambda x, weights=None, minlength=0: _numpy.bincount(x.astype(int), weights, minlength).astype(
        _numpy.int32 if weights is None else weights.dtype
    ),
    "The counts of the integers 0, 1, 2 …, int32 as in MXNet; with weights, the sums of the weights.",
)
trapz: Any = _of_numpy("trapz", getattr(_numpy, "trapezoid", None) or getattr(_numpy, "trapz", None))

float16, float32, float64 = _numpy.float16, _numpy.float32, _numpy.float64
int8, int32, int64, uint8, bool_ = _numpy.int8, _numpy.int32, _numpy.int64, _numpy.uint8, _numpy.bool_
bool = bool  # noqa: PLW0127 - MXNet has it under this name
pi, e, inf, nan, newaxis = _numpy.pi, _numpy.e, _numpy.inf, _numpy.nan, None
NaN = NAN = nan
PINF, NINF, PZERO, NZERO = inf, -inf, 0.0, -0.0
finfo, iinfo, set_printoptions = _numpy.finfo, _numpy.iinfo, _numpy.set_printoptions

__all__ = [  # noqa: RUF022 - constants, then names
    "NAN", "NINF", "NZERO", "NaN", "PINF", "PZERO", "bool", "bool_", "dot", "e", "einsum", "finfo", "float16",
    "float32", "float64", "iinfo", "inf", "inner", "int32", "int64", "int8", "kron", "linalg", "matmul", "nan",
    "ndarray", "newaxis", "outer", "pi", "random", "set_printoptions", "tensordot", "trapz", "uint8", "vdot",
    "bincount", "in1d",
]  # fmt: skip
__all__ += _elementwise.__all__
__all__ += _creation.__all__
__all__ += _reduce.__all__
__all__ += _select.__all__
__all__ += _shape.__all__
__all__ += [name for name in _BY_NUMPY if name in globals()]
_OWN.update({name: globals()[name] for name in __all__})
_OWN.update({f"linalg.{name}": getattr(linalg, name) for name in linalg.__all__})


__getattr__ = names_of_others("lamina.np")
