"""The mechanism: arrays, primitives and the one door `bind`, and the tape."""
