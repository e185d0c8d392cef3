"""Devices with separate memory: the interface for the rest of lamina, and the drivers.

Importing this package loads no drivers or libraries: they are searched for on first use of a device.
"""
