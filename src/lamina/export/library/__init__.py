"""A trained network as a library for C: machine code, an object file and a header. See `export_library`."""

from lamina.export.library._write import TARGETS, export_library, write_library

__all__ = ["TARGETS", "export_library", "write_library"]
