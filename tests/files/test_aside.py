"""What killed processes left aside is removed; what living ones fill is not."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lamina.files.aside import aside, lock, scratch
from lamina.files.atomic import atomic_write

if sys.platform != "win32":
    import fcntl

FILLING = """
import os, sys
from pathlib import Path
from lamina.files.aside import aside
from lamina.files.atomic import atomic_write
with aside(Path(sys.argv[1]), ".run-", Path.mkdir) as folder, atomic_write(Path(sys.argv[1], "a")) as file:
    (folder / "half").touch()
    print("filling", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def filling(tmp_path):
    """Another process that fills a folder and a file in `tmp_path`."""
    command = [sys.executable, "-c", FILLING, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"filling\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _fill(folder: Path) -> None:
    with aside(folder, ".run-", Path.mkdir), atomic_write(folder / "a") as file:
        file.write(b"new")


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_leftovers_of_killed_processes_are_removed_and_of_living_ones_kept(tmp_path, filling):
    filled = set(os.listdir(tmp_path))
    assert len(filled) == 2
    _fill(tmp_path / ".")
    assert filled < set(os.listdir(tmp_path))
    filling.kill()
    filling.wait()
    assert filled < set(os.listdir(tmp_path))
    alike = [".a.txt.0123456789ab.tmp", ".a.tmp", ".run-0123456789ag.tmp"]
    for name in alike:
        (tmp_path / name).touch()
    _fill(tmp_path)
    assert set(os.listdir(tmp_path)) - {*alike} - {path.name for path in tmp_path.glob(".run-*")} == {"a"}
    assert set(alike) < set(os.listdir(tmp_path))


HOLDING = """
import os, sys
from lamina.files.aside import scratch
with scratch("lamina-test-") as folder:
    (folder / "half").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_scratch_of_killed_processes_is_removed_and_that_of_others_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command, environment = [sys.executable, "-c", HOLDING], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        left = Path(process.stdout.readline().strip())
        with scratch("lamina-test-") as own:
            assert own.stat().st_mode & 0o777 == 0o700
            assert {left, own} == {*tmp_path.iterdir()}  # a living process's
        process.kill()
    assert {*left.iterdir()} == {left / "half"}
    with monkeypatch.context() as changed, scratch("lamina-other-"):
        changed.setattr(os, "geteuid", lambda: left.stat().st_uid + 1)
        with scratch("lamina-test-"):
            assert left.exists()  # another user's
    with scratch("lamina-test-") as own:
        assert [*tmp_path.iterdir()] == [own]
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_what_others_call_like_scratch_is_neither_waited_for_nor_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = tmp_path / "kept"
    kept.mkdir()
    link = tmp_path / "lamina-test-0123456789ab.tmp"
    link.symlink_to(kept)
    os.mkfifo(tmp_path / "lamina-test-ba9876543210.tmp")  # which opens when the other end does
    with scratch("lamina-test-"):
        assert kept.is_dir() and link.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_place_whose_lock_cannot_be_made_is_not_taken_for_abandoned(tmp_path, monkeypatch, number):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fails(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as changed:
        changed.setattr(fcntl, "flock", fails)
        unlocked = scratch("lamina-test-")
        path = unlocked.__enter__()
    with scratch("lamina-test-") as other:  # whose lock can be made
        assert {*tmp_path.iterdir()} == {path, other}
    unlocked.__exit__(None, None, None)
    assert [*tmp_path.iterdir()] == []


def test_a_place_that_cannot_be_opened_is_not_left(tmp_path, monkeypatch):
    def fails(_path: Path) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("lamina.files.aside.lock", fails)
    with pytest.raises(OSError, match="Too many open files"), aside(tmp_path, ".run-", Path.mkdir):
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_place_that_another_process_took_for_abandoned_is_made_anew(tmp_path):
    made: list[Path] = []

    def create(path: Path) -> None:
        made.append(path)
        if len(made) > 1:
            path.mkdir()

    with aside(tmp_path, ".run-", create) as folder:  # the first is gone when it is to be locked
        assert folder == made[1] and folder.is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_a_lock_is_held_once(tmp_path):
    held = lock(tmp_path)
    assert held is not None
    with pytest.raises(BlockingIOError):
        lock(tmp_path)
    os.close(held)
    again = lock(tmp_path)
    assert again is not None
    os.close(again)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_is_not_writable_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=f"'{tmp_path}'"), atomic_write(tmp_path / "a"):
        pass


def test_an_error_names_the_folder_not_the_hidden_name(tmp_path):
    def create(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with (
        pytest.raises(PermissionError, match=rf"Permission denied: '{tmp_path}'$"),
        aside(tmp_path, ".", create),
    ):
        pass


def test_a_file_made_during_the_removal_of_a_folder_is_removed_too(tmp_path, monkeypatch):
    """As by a worker of a search that nobody waits for."""
    late, real = [tmp_path / "first", tmp_path / "second"], os.rmdir

    def rmdir(*arguments: object, **settings: object) -> None:
        if late:
            (folder / late.pop().name).touch()
        real(*arguments, **settings)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch("lamina-test-") as folder:
        monkeypatch.setattr(os, "rmdir", rmdir)
    assert not late and [*tmp_path.iterdir()] == []
