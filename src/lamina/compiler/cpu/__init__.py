"""The processor as a target: register tiles, packing, the matrix unit, cache lines, and persistent threads."""
