"""The models that are served, each in the newest version that its run has.

A version is an object of its own. A request is read and computed by the version that was there when it came, so that a
new one changes no answer halfway; the old one goes when the last request that holds it has been answered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from lamina.errors import LaminaError
from lamina.serve._limits import Limits
from lamina.serve._model import Model, load_model
from lamina.training.run_folder import model_file

__all__ = ["Slot", "named_runs", "watch"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_Stamp = tuple[int, int, int, int] | None


class Slot:
    """A name, a run, and its newest version that could be loaded.

    Args:
        name: of the model in addresses.
        path: the run's folder, or its model file.
        limits: of the requests to it.

    Raises:
        LaminaError: there is no run, or its model is damaged.
    """

    def __init__(self, name: str, path: Path, limits: Limits) -> None:
        self.name, self.path, self._limits = name, path, limits
        self._stamp = self._seen()
        self.model: Model = load_model(path, limits)

    def _seen(self) -> _Stamp:
        """File identity, used to detect replacement; None while there is no file."""
        try:
            found = model_file(self.path).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def changed_model(self) -> Model | None:
        """The new version, if the file has changed.

        A file that can't be loaded is tried once; the version before it stays.

        Raises:
            LaminaError: it can't be loaded, or says something else than the one before it is about.
        """
        stamp = self._seen()
        if stamp is None or stamp == self._stamp:
            return None
        self._stamp = stamp
        model = load_model(self.path, self._limits)
        return None if model.version == self.model.version else model


def named_runs(runs: Sequence[str]) -> dict[str, Path]:
    """The runs by their models' names: NAME=RUN, or the last part of the path.

    Raises:
        LaminaError: a name is not fit for an address, or is there twice.

    >>> {name: path.as_posix() for name, path in named_runs(["runs/income-1", "prices=runs/houses-3"]).items()}
    {'income-1': 'runs/income-1', 'prices': 'runs/houses-3'}
    """
    named: dict[str, Path] = {}
    for run in runs:
        name, sign, path = run.partition("=")
        if not sign or Path(run).exists():
            path = run
            last = Path(run).resolve()
            name = (
                last.parent.name
                if last.name == "model.safetensors"
                else last.name.removesuffix(".safetensors")
            )
        if not _NAME.fullmatch(name):
            raise LaminaError(f"{name!r} can't be part of an address; name the model, as in income={path}")
        if name in named:
            raise LaminaError(f"two models would be called {name!r}; name one of them, as in {name}-2={path}")
        named[name] = Path(path)
    return named


async def watch(
    slots: Sequence[Slot],
    seconds: float,
    apart: Callable[[Callable[[], Model | None]], Awaitable[Model | None]],
    tell: Callable[[Slot, Exception | None], object],
) -> None:
    """Look for new versions for ever.

    Args:
        slots: the slots to watch.
        seconds: how long from one look to the next.
        apart: runs a function in another thread, so that requests go on meanwhile.
        tell: called for each new version, and for one that can't be loaded, with the reason.
    """
    while True:
        await asyncio.sleep(seconds)
        for slot in slots:
            try:
                model = await apart(slot.changed_model)
            except (LaminaError, OSError, ValueError, MemoryError) as error:
                tell(slot, error)
                continue
            if model is not None:
                slot.model = model
                tell(slot, None)
