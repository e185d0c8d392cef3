"""The core: arrays, primitives, their single entry point `bind`, and the tape."""
