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
    """Base class of lamina's errors; the message says what was wrong and what to do.

    It is a `RuntimeError`, as MXNet's `MXNetError` is.
    """


MXNetError = LaminaError
"""MXNet's name for `LaminaError`: programs catch ``mx.MXNetError``."""


class DataError(LaminaError, ValueError):
    """A data file is missing, truncated, corrupt, or not of the expected format."""


class DataUnavailableError(LaminaError, OSError):
    """A data set is neither on this machine nor can it be downloaded; the message says where to put its files."""


class MissingPackageError(LaminaError, ImportError):
    """An optional package is needed and not installed; the message says how to install it."""


class ShapeError(LaminaError, ValueError):
    """Shapes do not fit together; the message names the operator and all shapes."""


class MatrixError(LaminaError, ValueError):
    """A matrix does not have the requested inverse or factorization."""


class DTypeError(LaminaError, TypeError):
    """Element types do not fit together, or are not supported."""


class ContextError(LaminaError, ValueError):
    """A device does not exist or has no backend, or arrays are on different devices."""


class DeviceError(LaminaError, RuntimeError):
    """A device failed, or can't do what was requested; the message names it and quotes its driver."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device's memory is full; the message gives the requested, held and free bytes."""


class AutogradError(LaminaError, RuntimeError):
    """A requested gradient was never recorded, was freed, or would be wrong."""


class NonFiniteLossError(LaminaError, FloatingPointError):
    """Training diverged: a loss became infinite or NaN; the message says at which step."""


class LabelWarning(UserWarning):
    """A loss got labels that are not class numbers; the message shows one, its position, and the number of classes."""


class NonFiniteWarning(RuntimeWarning):
    """Weights or a loss in a user's training loop became infinite or NaN; the message says which, and when."""


class AnomalyError(LaminaError, FloatingPointError):
    """An operator inside `lamina.detect_anomaly` made NaN or infinity from finite numbers; the message names it."""


class OutsideError(LaminaError, AttributeError):
    """A program uses a name of MXNet that lamina leaves out on purpose; the message names the replacement."""


class StaleGradientError(LaminaError, RuntimeError):
    """A program read a gradient that a compiled step used without storing it."""


class ParameterError(LaminaError, ValueError):
    """A parameter is not initialized, or its name, shape or dtype does not fit."""


class UnfitParameterError(ParameterError, AssertionError):
    """A request does not fit a parameter or trainer.

    It is an `AssertionError`, too, since MXNet uses `assert` for these and programs may catch it.
    """


class TraceError(LaminaError, RuntimeError):
    """An operation inside `lamina.compile` needs a value that does not exist before the compiled step runs."""
