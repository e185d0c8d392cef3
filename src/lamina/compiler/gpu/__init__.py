"""Graphics processors as a target: one launch computes several kernels, a thread an element, a row's part or a tile's.

`target` is the way in, `emulator` a device for tests. docs/adr/gpu-code.md says why things are as they are.
"""
