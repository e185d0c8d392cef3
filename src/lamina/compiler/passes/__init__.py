"""Passes, for any target: a flat, typed, verified graph is rewritten, fused into kernels and planned.

Passes know neither machines nor LLVM.
"""
