"""The passes, which rewrite a flat, typed, verified graph, fuse it into kernels, and plan the kernels.

Passes are independent of the machine and of LLVM.
"""
