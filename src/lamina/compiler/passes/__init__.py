"""Passes: a flat, typed, verified graph is rewritten, fused into kernels and planned, for any target.

Nothing here knows a machine, nor LLVM.
"""
