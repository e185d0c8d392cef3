"""Folders of runs: locked by the process that trains the run, and filled with complete files only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from lamina.errors import LaminaError
from lamina.support.files.atomic import exchange, sync
from lamina.support.files.staging import aside, lock

MODEL, CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
"""The model, which identifies a run's folder; and an unfinished run's checkpoint, unless that is the model itself."""

MODELS = (".safetensors", ".params", "-symbol.json")
"""The ends of models' file names, which distinguish models from tables."""

METRICS, SETTINGS = "metrics.jsonl", "settings.json"
"""The file with one JSON object per epoch; and the file of the run's options, for users and other programs."""

TRIALS = "trials"
"""The subfolder for the trials of a search."""

_ASIDE = ".lamina-run-"


def model_file(path: Path) -> Path:
    """The path of a run's model file, from the path of the run's folder or of the file."""
    return path / MODEL if path.is_dir() else path


class RunFolder:
    """The locked folder of a run that this process trains; see `new_run` and `held_run`.

    Attributes:
        path: the folder's path.
        replaces: the run that `publish` replaces, if any.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replaces: Path | None = None
        self._filled: set[str] = set()

    def put(self, fill: Callable[[Path], object]) -> None:
        """Call `fill` to create files in a hidden folder, and move them to the run's folder, the model last.

        If `fill` raises, also because of Ctrl-C, nothing changes. The next process removes the leftovers of a killed
        process.

        Raises:
            OSError: a file can't be written; the error names the run's folder, since the hidden one is gone.
        """
        try:
            with aside(self.path, _ASIDE, Path.mkdir) as filled:
                fill(filled)
                for path in filled.iterdir():
                    sync(path)
                self._filled |= {path.name for path in filled.iterdir()}
                for path in sorted(filled.iterdir(), key=lambda path: path.name == MODEL):
                    os.replace(path, self.path / path.name)
                filled.rmdir()
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), os.fspath(self.path)) from error
        sync(self.path)

    def put_trained(self, fill: Callable[[Path], object]) -> None:
        """`put`, for the result of a training; on a full disk, put it in a new temporary folder instead.

        Raises:
            LaminaError: the run's folder can't be filled; the error names the temporary folder.
            OSError: nor can the temporary folder; the error names the run's.
        """
        try:
            self.put(fill)
        except OSError as error:
            saved = RunFolder(Path(mkdtemp(prefix="lamina-run-")))
            with suppress(OSError):
                saved.put(fill)
            saved.remove()  # if it stayed empty
            if not saved.has(MODEL):
                raise
            where = f"the trained run is in {saved.path} instead: move it to a disk with space"
            raise LaminaError(f"{self.path}: {error.strerror}; {where}") from error

    def publish(self) -> None:
        """Replace the run `replaces`, if any, by this run atomically, and remove the replaced run."""
        if self.replaces is None:
            return
        before = self.path
        exchange(Path(os.path.realpath(self.replaces)), before)
        self.path, self.replaces = self.replaces, None
        sync(before.parent)
        shutil.rmtree(before, ignore_errors=True)

    @property
    def resuming(self) -> str:
        """The options of `lamina train` that resume this run."""
        return f"--resume {self.path}" if self.replaces is None else f"--resume {self.replaces} --replace"

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """Yield a hidden folder for temporary files, and remove it afterwards.

        The next process removes the leftovers of a killed process.
        """
        with aside(self.path, _ASIDE, Path.mkdir) as path:
            yield path
            shutil.rmtree(self.path / path.name, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Whether the folder has a file of this name."""
        return (self.path / name).is_file()

    def remove_without_model(self) -> None:
        """Remove this process's files if there is neither a model nor a checkpoint.

        This happens if, for example, the disk was full at the start.
        """
        if not self.has(MODEL) and not self.has(CHECKPOINT):
            for name in self._filled:
                (self.path / name).unlink(missing_ok=True)

    def remove(self, *names: str) -> None:
        """Remove files if they exist, and then the folder if it is empty."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)
        _release(None, [self.path])


@contextmanager
def new_run(out: Path | None, name: str, *, replace: bool = False) -> Generator[RunFolder]:
    """Create and lock the folder `out`, or the next free ``runs/NAME-N``; remove it if it stays empty.

    The folder exists from the start, so that a second process with the same `out` fails before training.
    With `replace` and a run in `out`, a hidden folder beside that run is used until `RunFolder.publish`.

    Raises:
        LaminaError: `out` is a file or a non-empty folder (with `replace`: without a run), or another process
            trains there.
    """
    if replace and out is None:
        raise LaminaError("--replace needs --out with the run to replace: lamina train … --out RUN --replace")
    if replace and out is not None and out.is_dir() and any(out.iterdir()):
        with _replacement(out, begun=False) as folder:
            yield folder
        return
    wanted = Path("runs") if out is None else out
    made = [folder for folder in (wanted, *wanted.parents) if not folder.exists()]
    if out is None:
        path, held = _next_free(wanted, name)
        made.insert(0, path)
    else:
        path, held = out, _claimed(out)
    with ExitStack() as stack:
        stack.callback(_release, held, made)
        folder = RunFolder(path)
        stack.callback(folder.remove_without_model)
        yield folder


@contextmanager
def held_run(path: Path, out: Path | None = None, *, replace: bool = False) -> Generator[RunFolder]:
    """Lock the folder of a run to resume; with `replace`, the hidden folder of the run's replacement.

    Raises:
        LaminaError: there is no run, another process trains it, or the user asks for another folder, `out`.
    """
    if out is not None:
        raise LaminaError("--resume continues in the run's own folder; leave out --out")
    if not path.is_dir():
        raise LaminaError(f"there is no run {path}")
    if replace:
        with _replacement(path, begun=True) as folder:
            yield folder
        return
    with ExitStack() as stack:
        stack.callback(_release, _hold(path), [])
        yield RunFolder(path)


@contextmanager
def _replacement(out: Path, *, begun: bool) -> Generator[RunFolder]:
    """Lock a run's folder, and a hidden folder beside it for a training that replaces the run.

    With `begun`, the hidden folder is that of an interrupted training, which continues; otherwise the folder is new.
    """
    run = Path(os.path.realpath(out))
    path = run.with_name(f".{run.name}.replacement")
    with ExitStack() as stack:
        stack.callback(_release, _hold(run, out), [])
        if not begun:
            if not {path.name for path in run.iterdir()} & {CHECKPOINT, MODEL}:
                raise LaminaError(f"{out} is not empty, and contains no run to replace; choose another --out")
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        elif not path.is_dir():
            raise LaminaError(
                f"no training that replaces {out} was interrupted; leave out --resume to begin one"
            )
        folder = RunFolder(path)
        folder.replaces = out
        stack.callback(_release, _hold(path), [path])
        stack.callback(folder.remove_without_model)
        yield folder


def _release(held: int | None, folders: Sequence[Path]) -> None:
    """Unlock a folder by closing the descriptor `held`, and remove empty folders."""
    if held is not None:
        os.close(held)
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _claimed(out: Path) -> int | None:
    """Create a folder, unless it exists, and lock it; raise `LaminaError` if it is not empty."""
    if out.exists() and not out.is_dir():
        raise LaminaError(f"{out} is a file; --out needs a folder")
    while True:
        out.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process has just ended, and removed the folder
            held = _hold(out)
            break
    try:
        _require_empty(out)
    except BaseException:
        _release(held, [])
        raise
    return held


def _require_empty(out: Path) -> None:
    # Leftovers of a killed process are ignored here, and removed when the folder is filled.
    names = {path.name for path in out.iterdir() if not path.name.startswith(_ASIDE)}
    if names & {CHECKPOINT, MODEL}:
        what = "an unfinished run" if CHECKPOINT in names else "a run already"
        raise LaminaError(
            f"{out} contains {what}; replace that run with --replace, resume it with --resume {out}, or choose another "
            "--out"
        )
    if names:
        raise LaminaError(f"{out} is not empty; choose another --out")


def _next_free(parent: Path, name: str) -> tuple[Path, int | None]:
    """Create and lock ``parent/NAME-N``, with N one more than the highest existing number."""
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{name}-"
    taken = [path.name.removeprefix(prefix) for path in parent.iterdir() if path.name.startswith(prefix)]
    number = max((int(n) for n in taken if n.isdecimal()), default=0)
    while True:
        number += 1
        path = parent / f"{name}-{number}"
        with suppress(FileExistsError):  # another run started at the same moment
            path.mkdir()
            return path, _hold(path)


def _hold(path: Path, said: Path | None = None) -> int | None:
    """Lock a folder, called `said` in messages, until its descriptor is closed or this process ends.

    If the folder at `path` was replaced by another one meanwhile, the other one is locked.
    """
    while True:
        try:
            held = lock(Path(os.path.realpath(path)))
        except BlockingIOError as error:
            raise LaminaError(f"another process is training the run in {said or path}") from error
        if held is None or os.path.samestat(os.fstat(held), path.stat()):
            return held
        os.close(held)
