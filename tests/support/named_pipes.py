"""Named pipes, as a shell's ``<(…)`` gives programs to read."""

import os
import threading
from contextlib import suppress
from pathlib import Path


def pipe_with(path: Path, content: bytes) -> Path:
    """A named pipe that gives its content to the first who reads it, and to others nothing, so that none waits."""
    os.mkfifo(path)

    def give() -> None:
        with suppress(BrokenPipeError):  # whoever reads has read enough
            path.write_bytes(content)
        while path.exists():
            path.write_bytes(b"")  # waits for another who reads

    threading.Thread(target=give, daemon=True).start()
    return path
