"""MXNet's ``mx.runtime``, the optional features of the build; lamina lacks most features of MXNet."""

from __future__ import annotations

import os
from typing import NamedTuple

from lamina.device.context import num_gpus

__all__ = ["Feature", "Features", "feature_list"]

_NAMES = (
    "CUDA", "CUDNN", "NCCL", "CUDA_RTC", "TENSORRT", "CPU_SSE", "CPU_SSE2", "CPU_SSE3", "CPU_SSE4_1", "CPU_SSE4_2",
    "CPU_SSE4A", "CPU_AVX", "CPU_AVX2", "OPENMP", "SSE", "F16C", "JEMALLOC", "BLAS_OPEN", "BLAS_ATLAS", "BLAS_MKL",
    "BLAS_APPLE", "LAPACK", "MKLDNN", "OPENCV", "CAFFE", "PROFILER", "DIST_KVSTORE", "CXX14", "INT64_TENSOR_SIZE",
    "SIGNAL_HANDLER", "DEBUG", "TVM_OP",
)  # fmt: skip


class Feature(NamedTuple):
    """A feature's name, and whether it is on."""

    name: str
    enabled: bool

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


def feature_list() -> list[Feature]:
    """All features of MXNet 1.9.

    LAPACK and large arrays are on; CUDA is on if there is a GPU, DEBUG if the variable LAMINA_DEBUG is set.
    """
    on = {"LAPACK", "INT64_TENSOR_SIZE"}
    if num_gpus():
        on.add("CUDA")
    if os.environ.get("LAMINA_DEBUG"):
        on.add("DEBUG")
    return [Feature(name, name in on) for name in _NAMES]


class Features(dict[str, Feature]):
    """The features of `feature_list` by name.

    >>> Features().is_enabled("LAPACK")
    True
    """

    def __init__(self) -> None:
        super().__init__((feature.name, feature) for feature in feature_list())

    def __repr__(self) -> str:
        return str(list(self.values()))

    def is_enabled(self, feature_name: str) -> bool:
        """Whether a feature is on; raises `RuntimeError` for a name that MXNet does not have."""
        found = self.get(feature_name.upper())
        if found is None:
            raise RuntimeError(f"feature {feature_name!r} is unknown; known: {', '.join(self)}")
        return found.enabled
