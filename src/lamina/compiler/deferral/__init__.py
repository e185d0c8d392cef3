"""Deferred evaluation: operators are noted, and computed when somebody looks; what repeats is compiled by itself.

It starts when it is imported, for the thread that imported lamina.
"""

import lamina
from lamina.compiler.deferral._switch import eager, start

__all__ = ["eager"]

start(lamina._imported_by)
