"""IDX files for tests of what reads them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

_CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def write_idx(path: Path, array: np.ndarray, *, compress: bool | None = None) -> None:
    """Write `array` as an IDX file, packed by gzip if `compress`, by default if its name ends in ".gz"."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _CODES[array.dtype.name], array.ndim, *array.shape)
    content = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    is_packed = path.suffix == ".gz" if compress is None else compress
    path.write_bytes(gzip.compress(content, mtime=0) if is_packed else content)
