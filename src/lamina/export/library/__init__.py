"""Export of a trained network as a C library: object file, header and shared library; see `export_library`."""

from lamina.export.library._write import TARGETS, export_library, write_library

__all__ = ["TARGETS", "export_library", "write_library"]
