from typing import Any

preprocessing: Any
