"""A run's folder is there as a whole, or not at all."""

import pytest

from lamina.runs.run_folder import write_run


def fail(folder):
    (folder / "model.safetensors").write_bytes(b"half")
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_no_folder_and_is_told_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out, told in ((None, "runs/y"), (tmp_path / "a/b/c", "a/b/c")):
        with pytest.raises(OSError, match=rf"No space left on device: '.*{told}'"):
            write_run(out, "y", fail)
        assert not list(tmp_path.iterdir())


def test_folders_that_were_there_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(OSError, match="No space"):
        write_run(None, "y", fail)
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"] and not list((tmp_path / "runs").iterdir())
    assert [str(write_run(None, "y", lambda _: None)) for _ in range(2)] == ["runs/y-1", "runs/y-2"]
