"""lamina: multilayer perceptrons from scratch, compiled to machine code."""
