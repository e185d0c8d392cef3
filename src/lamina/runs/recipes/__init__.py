"""Training recipes for images of digits."""

from lamina.runs.recipes._networks import ChapterNetwork
from lamina.runs.recipes._training import Digits, Progress, Settings, Training, evaluate, load_digits
from lamina.training.loop import Epoch

__all__ = ["ChapterNetwork", "Digits", "Epoch", "Progress", "Settings", "Training", "evaluate", "load_digits"]
