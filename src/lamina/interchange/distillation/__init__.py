"""What any fitted model predicts, learned by a network: `distill`."""

from lamina.interchange.distillation.student import distill
from lamina.interchange.distillation.teachers import OnnxModel

__all__ = ["OnnxModel", "distill"]
