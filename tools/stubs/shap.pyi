from collections.abc import Sequence

import numpy as np

class Explanation:
    def __init__(
        self,
        values: np.ndarray,
        *,
        base_values: np.ndarray,
        data: np.ndarray,
        feature_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
    ) -> None: ...
