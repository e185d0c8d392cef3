from collections.abc import Mapping
from typing import Any

import numpy as np

def compute_class_weight(
    class_weight: Mapping[Any, float] | str | None, *, classes: np.ndarray, y: np.ndarray
) -> np.ndarray: ...
def compute_sample_weight(class_weight: Any, y: np.ndarray) -> np.ndarray: ...
