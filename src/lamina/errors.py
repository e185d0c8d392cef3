"""Every error that lamina raises on purpose. The command line shows a `LaminaError` as one line."""

from __future__ import annotations

__all__ = [
    "AnomalyError",
    "AutogradError",
    "ContextError",
    "DTypeError",
    "DataError",
    "DataUnavailableError",
    "DeviceError",
    "DeviceMemoryError",
    "LabelWarning",
    "LaminaError",
    "MXNetError",
    "MatrixError",
    "MissingPackageError",
    "NonFiniteLossError",
    "NonFiniteWarning",
    "OutsideError",
    "ParameterError",
    "ShapeError",
    "StaleGradientError",
    "TraceError",
    "UnfitParameterError",
]


class LaminaError(RuntimeError):
    """Base class: something was used in a way that cannot work; the message says what and what to do.

    A `RuntimeError`, as `MXNetError` is.
    """


MXNetError = LaminaError
"""MXNet's name for `LaminaError`: programs catch ``mx.MXNetError``."""


class DataError(LaminaError, ValueError):
    """A data file is missing, truncated, corrupt, or not what it was said to be."""


class DataUnavailableError(LaminaError, OSError):
    """A data set is neither on this machine nor on its mirrors; the message says where to put it."""


class MissingPackageError(LaminaError, ImportError):
    """An optional package is needed and not installed; the message says how to install it."""


class ShapeError(LaminaError, ValueError):
    """Shapes that do not fit; the message names the operator and all shapes."""


class MatrixError(LaminaError, ValueError):
    """A matrix has no inverse or no such factorization."""


class DTypeError(LaminaError, TypeError):
    """Element types that do not fit."""


class ContextError(LaminaError, ValueError):
    """A device that does not exist or has no backend, or arrays on different devices."""


class DeviceError(LaminaError, RuntimeError):
    """A device failed, or can't do what it was told; the message says which one, and what its driver says."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device's memory is full; the message gives the requested, held and free bytes."""


class AutogradError(LaminaError, RuntimeError):
    """A requested gradient was never recorded, was freed, or would be wrong."""


class NonFiniteLossError(LaminaError, FloatingPointError):
    """Training diverged: a loss became infinite or NaN; the message says at which step."""


class LabelWarning(UserWarning):
    """A loss was given labels that are no class; the message says which, where, and how many classes there are."""


class NonFiniteWarning(RuntimeWarning):
    """Weights or a loss of a loop of the user's became infinite or NaN; the message says which, and when."""


class AnomalyError(LaminaError, FloatingPointError):
    """Inside `lamina.detect_anomaly`, an operator made NaN or infinity of finite numbers; the message says which."""


class OutsideError(LaminaError, AttributeError):
    """A name of MXNet's that lamina leaves out on purpose; the message says what there is instead."""


class StaleGradientError(LaminaError, RuntimeError):
    """A gradient was read that a compiled step consumed without storing it."""


class ParameterError(LaminaError, ValueError):
    """A parameter is not initialized, or its name, shape or dtype does not fit."""


class UnfitParameterError(ParameterError, AssertionError):
    """A request that does not fit a parameter or trainer. MXNet asserts this, and programs catch `AssertionError`."""


class TraceError(LaminaError, RuntimeError):
    """Something was done inside `lamina.compile` that needs a value which does not exist yet."""
