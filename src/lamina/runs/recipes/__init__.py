"""Training recipes for images of digits."""

from lamina.runs.recipes._chapter import ChapterNetwork
from lamina.runs.recipes._settings import Settings
from lamina.runs.recipes._training import Progress, Training, evaluate
from lamina.runs.recipes.digits import Digits, load_digits
from lamina.training.loop import Epoch

__all__ = ["ChapterNetwork", "Digits", "Epoch", "Progress", "Settings", "Training", "evaluate", "load_digits"]
