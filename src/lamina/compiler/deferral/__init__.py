"""Deferred evaluation: operators are queued and computed when a result is read; repeated sequences are compiled.

Importing this package turns on deferral for the importing thread.
"""

import lamina
from lamina.compiler.deferral._switch import by_numpy, eager, start

__all__ = ["by_numpy", "eager"]

start(lamina._imported_by)
