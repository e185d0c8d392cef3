"""GPUs as a target: each launch executes several kernels. `target` is the entry point.

A thread computes an element, a part of a row, or a part of a tile. docs/adr/gpu-code.md explains the design.
"""
