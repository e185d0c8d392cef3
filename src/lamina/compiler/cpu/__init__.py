"""The processor as a target: register tiles, packing, the matrix unit, cache lines, persistent threads, NumPy's buffers.

`target` is the way in.
"""
