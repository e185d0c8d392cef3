"""The CPU target: register tiles, packing, the matrix unit, cache blocking, threads, NumPy's buffers.

`target` is the entry point.
"""
