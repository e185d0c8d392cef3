"""Named pipes, as a shell's ``<(…)`` gives programs to read."""

import os
import threading
from pathlib import Path

_MANY = 20


def pipe_with(path: Path, content: bytes) -> Path:
    """A named pipe that gives its content to the first who reads it, and to others nothing, so that none waits."""
    os.mkfifo(path)

    def give() -> None:
        for part in (content, *[b""] * _MANY):
            path.write_bytes(part)

    threading.Thread(target=give, daemon=True).start()
    return path
