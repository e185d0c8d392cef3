"""Distillation of any fitted model to a network, `distill`."""

from lamina.interchange.distillation.student import distill
from lamina.interchange.distillation.teachers import OnnxModel

__all__ = ["OnnxModel", "distill"]
