"""Atomic writing and safetensors: what is on the disk after success, failure and corruption."""

import os
import stat
from pathlib import Path

import pytest

from lamina.files.atomic import atomic_write, naming


def test_atomic_write_bytes_and_text(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a") as file:
        file.write(b"\x00\xff")
        assert not (tmp_path / "a").exists()
    with atomic_write(tmp_path / "b", "w") as file:
        file.write("é\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_bytes() == b"\xc3\xa9\n"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_write_failure_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(error), atomic_write(target, "w") as file:
        file.write("half")
        raise error
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told_with_its_file() -> None:
    with pytest.raises(OSError, match=r"'out\.csv'"), naming("out.csv"), open("/dev/full", "wb") as file:
        file.write(b"a")
    with pytest.raises(OSError, match=r"'absent/in\.csv'"), naming("out.csv"):
        open("absent/in.csv").close()


def test_atomic_write_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_atomic_write_permissions_follow_umask_and_old_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_write(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode == plain.stat().st_mode
    plain.chmod(0o640)
    with atomic_write(plain):
        pass
    assert stat.S_IMODE(plain.stat().st_mode) == 0o640


def test_atomic_write_follows_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link", "w") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_atomic_write_writes_to_a_pipe_and_does_not_take_its_place(tmp_path: Path) -> None:
    """Else `-o /dev/null` of the user root would make a file of it, for all processes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic_write(pipe) as file:
            file.write(b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="a system without names of open files")
@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_what_is_open_is_written_on_with(tmp_path: Path, name: str) -> None:
    """As /dev/stdout is by ``lamina predict … -o /dev/stdout >> all.csv``: a new file would lose what was there."""
    file = tmp_path / "all.csv"
    with file.open("wb", buffering=0) as opened:
        opened.write(b"before\n")
        (tmp_path / "link").symlink_to(f"/dev/fd/{opened.fileno()}")
        place = tmp_path / name.format(opened.fileno())
        if not place.exists():
            pytest.skip("no /proc")
        for mode, content in (("w", "new\n"), ("wb", b"more\n")):
            with atomic_write(place, mode) as out:  # pyright: ignore[reportArgumentType]
                out.write(content)
        opened.write(b"after\n")
    assert file.read_text() == "before\nnew\nmore\nafter\n"
    assert sorted(os.listdir(tmp_path)) == ["all.csv", "link"]


def test_atomic_write_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"), atomic_write(tmp_path / "missing" / "a"):
        pass
    with pytest.raises(IsADirectoryError, match="folder"), atomic_write(tmp_path):
        pass
    with pytest.raises(ValueError, match="'rb'"), atomic_write(tmp_path / "a", "rb"):  # type: ignore[arg-type]
        pass
