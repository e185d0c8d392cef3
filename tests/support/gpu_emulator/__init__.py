"""A software GPU for finding kernel bugs, which ``LAMINA_DEVICE=emulator`` names where this is imported."""

from __future__ import annotations

from importlib import import_module

from lamina.device.choice import OWN_DEVICES, Found

OWN_DEVICES["emulator"] = Found(
    "emulator", "emulator", lambda number: import_module("gpu_emulator.device").Emulator(number), is_gpu=False
)
