"""Deferred evaluation: operators are noted, and computed when somebody looks; what repeats is compiled by itself."""

from lamina.deferral._switch import eager, start

__all__ = ["eager", "start"]
