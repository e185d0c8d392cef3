from collections.abc import Callable
from typing import Any

def delayed(obj: Any, *, pure: bool) -> Callable[..., Any]: ...
