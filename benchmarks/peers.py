"""What the benchmarks share: an environment of their own, and peers that take turns in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from environment import prepare as environment
from environment import processor

__all__ = ["Peer", "environment", "processor", "serve", "take_turns"]


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
