"""Deferred evaluation: operators are noted, and computed when somebody looks; what repeats is compiled by itself."""

from lamina.deferral._interrupts import interrupts_later
from lamina.deferral._switch import eager, start

__all__ = ["eager", "interrupts_later", "start"]
