"""What the benchmarks share: an environment of their own, and peers that take turns in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["Peer", "environment", "processor", "serve", "take_turns"]

HERE = Path(__file__).resolve().parent


def environment(*packages: str) -> Path:
    """The Python of ``benchmarks/.venv``, made on first use, with lamina (from this checkout) and `packages`."""
    python = HERE / ".venv" / "bin" / "python"
    if not python.exists():
        print("setting up benchmarks/.venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", HERE / ".venv"], check=True)
    done = HERE / ".venv" / "installed.json"
    installed: list[str] = json.loads(done.read_text()) if done.exists() else []
    wanted = [name for name in ("lamina", *packages) if name not in installed]
    if wanted:
        print(f"installing {', '.join(wanted)} into benchmarks/.venv", file=sys.stderr)
        arguments = [
            part for name in wanted for part in (["-e", HERE.parent] if name == "lamina" else [name])
        ]
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *arguments], check=True)
        done.write_text(json.dumps([*installed, *wanted]))
    return python


class Peer:
    """A process that runs one epoch whenever it is asked to, and answers with the seconds."""

    def __init__(self, python: Path, script: str, name: str, threads: int) -> None:
        limits = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LAMINA_NUM_THREADS"), str(threads)
        )
        self.name = name
        self.seconds: list[float] = []
        self._process = subprocess.Popen(
            [python, script, "--peer", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits},
        )
        self.version = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early; its message is above")
        return json.loads(line)

    def epoch(self) -> float:
        """Run an epoch; its seconds."""
        assert self._process.stdin is not None
        print("epoch", file=self._process.stdin, flush=True)
        self.seconds.append(self._answer())
        return self.seconds[-1]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    @property
    def median(self) -> float:
        """Median seconds of the epochs so far."""
        return median(self.seconds)


def serve(version: str, epoch: Callable[[], float]) -> None:
    """The other side of `Peer`: say the version, then run an epoch for every line."""
    print(json.dumps(version), flush=True)
    for _ in sys.stdin:
        print(json.dumps(epoch()), flush=True)


def take_turns(peers: Mapping[str, Peer], epochs: int) -> None:
    """Let the peers run their epochs one after the other in turn, so that a busy machine slows all alike."""
    for number in range(1, epochs + 1):
        seconds = "   ".join(f"{name} {peer.epoch():.3f} s" for name, peer in peers.items())
        print(f"epoch {number:>2}   {seconds}", file=sys.stderr)
    for peer in peers.values():
        peer.close()


def processor() -> str:
    """The processor's name, as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
