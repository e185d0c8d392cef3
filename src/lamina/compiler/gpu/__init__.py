"""GPUs as a target: each launch runs several kernels, with a thread for each element, part of a row, or part of a tile.

`target` is the entry point. docs/adr/gpu-code.md explains the design.
"""
