"""lamina: multilayer perceptrons from scratch, compiled to machine code."""

from lamina import autograd, nd
from lamina.context import Context, cpu, cpu_pinned, current_context, gpu, num_gpus

__all__ = ["Context", "autograd", "cpu", "cpu_pinned", "current_context", "gpu", "nd", "num_gpus"]
__version__ = "0.1.0"
