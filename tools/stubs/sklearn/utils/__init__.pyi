from dataclasses import dataclass
from typing import Any

import numpy as np

@dataclass
class InputTags:
    sparse: bool = False
    categorical: bool = False
    string: bool = False
    allow_nan: bool = False

@dataclass
class TargetTags:
    required: bool
    multi_output: bool = False

@dataclass
class TransformerTags:
    preserves_dtype: list[str] = ...

@dataclass
class ClassifierTags:
    multi_label: bool = False

@dataclass
class Tags:
    target_tags: TargetTags
    transformer_tags: TransformerTags = ...  # None without the mixins of these names
    classifier_tags: ClassifierTags = ...
    non_deterministic: bool = False
    input_tags: InputTags = ...

def check_random_state(seed: Any) -> np.random.RandomState: ...
def _safe_indexing(X: Any, indices: np.ndarray, *, axis: int = 0) -> Any: ...
