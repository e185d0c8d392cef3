"""Ways out of lamina: a trained network in files that other programs use. Each is imported when it is used.

`describe` says what a model predicts, as plain arrays and names (`Prediction`); each way out walks that.
"""

from __future__ import annotations

from lamina.export._describe import describe
from lamina.export._prediction import Classes, Column, Numbers, Pictures, Prediction, Table

__all__ = ["Classes", "Column", "Numbers", "Pictures", "Prediction", "Table", "describe"]
