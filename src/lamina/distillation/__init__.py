"""What any fitted model predicts, learned by a network: `distill`."""

from lamina.distillation.student import distill
from lamina.distillation.teachers import OnnxModel

__all__ = ["OnnxModel", "distill"]
