"""All errors that lamina raises deliberately; the command line prints a `LaminaError` as one line."""

from __future__ import annotations

import errno

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
    "MissingFileError",
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
    """A base class of lamina's errors, whose messages explain the problem and its solution.

    Like MXNet's `MXNetError`, it is a `RuntimeError`.
    """


MXNetError = LaminaError
"""MXNet's name for `LaminaError`, for programs that catch ``mx.MXNetError``."""


class DataError(LaminaError, ValueError):
    """An error for a data file that is missing, truncated, corrupt, or in an unexpected format."""


class DataUnavailableError(LaminaError, OSError):
    """An error for a data set that is neither on this machine nor can be downloaded.

    The message names a folder for its files.
    """


# FileNotFoundError first, so that tools that copy exceptions can make one.
class MissingFileError(FileNotFoundError, LaminaError):
    """An error for a file that does not exist; the message has its name, and `errno` is `errno.ENOENT`."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.errno = errno.ENOENT


class MissingPackageError(LaminaError, ImportError):
    """An error for a missing optional package; the message has the command that installs it."""


class ShapeError(LaminaError, ValueError):
    """An error for shapes that do not fit together; the message names the operator and all shapes."""


class MatrixError(LaminaError, ValueError):
    """An error for a matrix that does not have the requested inverse or factorization."""


class DTypeError(LaminaError, TypeError):
    """An error for element types that do not fit together, or are not supported."""


class ContextError(LaminaError, ValueError):
    """An error for a device that does not exist or has no backend, or for arrays on different devices."""


class DeviceError(LaminaError, RuntimeError):
    """An error for a device that failed or can't run an operation; the message quotes the driver."""


class DeviceMemoryError(DeviceError, MemoryError):
    """An error for a full device memory; the message has the requested, allocated and free bytes."""


class AutogradError(LaminaError, RuntimeError):
    """An error for a requested gradient that was never recorded, was freed, or would be wrong."""


class NonFiniteLossError(LaminaError, FloatingPointError):
    """An error for an infinite or NaN loss in training; the message names the step."""


class LabelWarning(UserWarning):
    """A warning of labels that are not class indices.

    The message shows a label, its position, and the number of classes.
    """


class NonFiniteWarning(RuntimeWarning):
    """A warning of infinite or NaN weights or losses in a user's training loop; the message names value and step."""


class AnomalyError(LaminaError, FloatingPointError):
    """An error for an operator inside `lamina.detect_anomaly` that made NaN or infinity from finite numbers."""


class OutsideError(LaminaError, AttributeError):
    """An error for a name of MXNet that lamina excludes on purpose; the message names the replacement."""


class StaleGradientError(LaminaError, RuntimeError):
    """An error for reading a gradient that a compiled step used without storing it."""


class ParameterError(LaminaError, ValueError):
    """An error for a parameter that is not initialized, or has an unsuitable name, value, shape or dtype."""


class UnfitParameterError(ParameterError, AssertionError):
    """An error for a request that does not fit a parameter or trainer.

    It is an `AssertionError`, too, since MXNet uses `assert` in these cases and programs may catch its error.
    """


class TraceError(LaminaError, RuntimeError):
    """An error for an operation inside `lamina.compile` on a value that is unknown before the compiled step runs."""
