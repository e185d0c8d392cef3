"""The passes, which rewrite a flat, typed, verified graph, fuse it into kernels, and plan these.

Passes are independent of the machine and of LLVM.
"""
