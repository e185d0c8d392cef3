"""What `verbose` shows while an estimator trains."""

from __future__ import annotations

import sys

from lamina.training.display import Display, shows_bar
from lamina.training.loop import Epoch

__all__ = ["progress"]


def progress(epochs: int, metric: str, sign: int) -> Display:
    """A bar on a terminal or in a notebook, elsewhere a line an epoch, for logs.

    `metric` is what the validation score is called, shown times `sign`: −1 for a loss.
    """

    def said(epoch: Epoch) -> str:
        parts = [f"loss {epoch.loss:.4f}"]
        if epoch.score is not None:
            parts.append(f"validation {metric} {sign * epoch.score:.4f}{' (best)' if epoch.is_best else ''}")
        return ", ".join(parts)

    def line(epoch: Epoch) -> str:
        left = epoch.seconds / epoch.number * (epochs - epoch.number)
        times = f"{epoch.seconds:.1f} s, at most {left:.1f} s left"
        return f"epoch {epoch.number}/{epochs}: {said(epoch)}, {times}"

    line_or_none = None if shows_bar(sys.stdout) else line
    return Display(sys.stdout, lambda _loop, epoch: said(epoch), line_or_none, stays=True)
