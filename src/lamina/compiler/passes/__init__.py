"""Passes: a flat, typed, verified graph is rewritten, fused into kernels and planned, for any target.

Passes know neither machines nor LLVM.
"""
