"""Whole trainings as library functions: data in, a trained network and its history out."""

from lamina.recipes.chapter import ChapterNetwork
from lamina.recipes.digits import Digits, load_digits
from lamina.recipes.training import Progress, Settings, Training, evaluate
from lamina.training.loop import Epoch

__all__ = ["ChapterNetwork", "Digits", "Epoch", "Progress", "Settings", "Training", "evaluate", "load_digits"]
