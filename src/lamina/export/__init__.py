"""Export of trained networks to files for other programs; each exporter is imported on first use.

`describe` converts a model to a `Prediction` (plain arrays and names), from which every exporter works.
"""

from __future__ import annotations

from lamina.export._describe import describe
from lamina.export._prediction import Classes, Column, Composite, Numbers, Prediction, Table

__all__ = ["Classes", "Column", "Composite", "Numbers", "Prediction", "Table", "describe"]
