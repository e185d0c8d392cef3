"""The processor as a target: register tiles, packing, the matrix unit, cache lines, threads, NumPy's buffers.

`target` is the way in.
"""
