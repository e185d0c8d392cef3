from typing import Any, overload

import numpy as np

def column_or_1d(y: Any, *, warn: bool = False) -> np.ndarray: ...
def _check_sample_weight(
    sample_weight: Any, X: np.ndarray, *, dtype: Any = None, ensure_non_negative: bool = False
) -> np.ndarray: ...
@overload
def validate_data(
    _estimator: object, /, X: Any, *, reset: bool = True, skip_check_array: bool = False, **check_params: Any
) -> Any: ...
@overload
def validate_data(_estimator: object, /, X: Any, y: Any, **check_params: Any) -> tuple[Any, np.ndarray]: ...
