"""Devices with their own memory: the interface for the rest of lamina, and the drivers.

Importing this package loads nothing heavy: drivers and libraries are looked for on first use of a device.
"""
