"""MXNet's NumPy extension, with the switch to NumPy arrays, neural network functions, files and devices.

>>> from lamina import np, npx
>>> npx.softmax(np.zeros((1, 4)))
array([[0.25, 0.25, 0.25, 0.25]])
"""
# ruff: noqa: F403

from lamina.device.context import Context, cpu, cpu_pinned, current_context, gpu, gpu_memory_info, num_gpus
from lamina.mxnet.npx import _functions, mode, random
from lamina.mxnet.npx._functions import *
from lamina.mxnet.npx.mode import *
from lamina.mxnet.npx.random import seed
from lamina.nd import waitall
from lamina.support.unsupported import names_of_others

__all__ = [
    "Context", "cpu", "cpu_pinned", "current_context", "gpu", "gpu_memory_info", "num_gpus", "random", "seed",
    "waitall",
]  # fmt: skip
__all__ += mode.__all__
__all__ += _functions.__all__


__getattr__ = names_of_others("lamina.npx")
