"""Deferred evaluation: operators are queued and computed when a result is read; repeated sequences are compiled.

It starts when it is imported, for the thread that imported lamina.
"""

import lamina
from lamina.compiler.deferral._switch import eager, start

__all__ = ["eager"]

start(lamina._imported_by)
