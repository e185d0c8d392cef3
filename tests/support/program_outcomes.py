"""What random programs give, and whether two outcomes are the same but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["compare", "outcome"]

LONGEST_SUM = 40 * 40
FACTOR = 16.0


def outcome(function: Any, arguments: list[Any], world: dict[str, Any], gradients: bool) -> Any:
    """What a call returns and leaves in its arguments and in the world; or the type of its error."""
    try:
        result = function(*arguments)
    except Exception as error:
        return type(error), str(error)
    if isinstance(result, dict):
        result = result["a"]
    left = [*arguments[:3], *world["weights"], *([w.grad for w in world["weights"]] if gradients else [])]
    return [x.asnumpy() for x in [*result, *left]]


def compare(plain: list[np.ndarray], fused: list[np.ndarray], want: list[np.ndarray] | None) -> None:
    for x, y in zip(plain, fused, strict=True):
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
    if want is None:
        for i, (x, y) in enumerate(zip(plain, fused, strict=True)):
            np.testing.assert_array_equal(y, x, err_msg=f"result {i}")
        return
    largest = max([1.0, *(float(np.abs(w[np.isfinite(w)]).max(initial=0)) for w in want)])
    own = LONGEST_SUM * np.finfo(np.float32).eps * largest
    allowed = own
    for i, (w, x, y) in enumerate(zip(want, plain, fused, strict=True)):
        finite = np.isfinite(w) & np.isfinite(x)
        allowed = max(allowed, FACTOR * float(np.abs(x - w)[finite].max(initial=0)) + own)
        np.testing.assert_allclose(y, x, rtol=0, atol=allowed, err_msg=f"result {i}")
