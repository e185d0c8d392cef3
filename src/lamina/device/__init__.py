"""Devices with memory of their own: what the rest of lamina asks of one, and the ones that there are.

Importing this package loads nothing heavy: drivers and libraries are looked for on first use of a device.
"""
