"""What the command line says while it reads a large table."""

import io
import sys

import numpy as np
import polars as pl
import pytest

from lamina.cli import _console
from lamina.cli._console import output, warnings_as_lines
from lamina.table.kinds import infer
from lamina.table.read import iter_batches, read


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def rows(tmp_path):
    frame = pl.DataFrame({"a": np.arange(5000), "b": ["x", "y"] * 2500})
    frame.write_csv(tmp_path / "rows[1].csv")
    frame.write_parquet(tmp_path / "rows.parquet")
    return tmp_path


def said(monkeypatch, stream, run, **how):
    monkeypatch.setattr(sys, "stderr", stream)
    with warnings_as_lines(**how):
        run()
    return stream.getvalue()


def test_a_terminal_shows_what_is_read_and_recognized(rows, monkeypatch):
    monkeypatch.setattr(_console, "_SHOWN_AFTER", 0.0)
    text = said(monkeypatch, Terminal(), lambda: read(rows / "rows[1].csv"))
    assert "rows[1].csv: 0 MiB of 0 MiB" in text
    assert "5,000 rows" in said(monkeypatch, Terminal(), lambda: read(rows / "rows.parquet"))
    assert "recognizing columns: 1 of 2" in said(
        monkeypatch, Terminal(), lambda: infer(pl.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
    )


def test_a_log_gets_one_line(rows, monkeypatch):
    monkeypatch.setattr(_console, "_NOTED_AFTER", 0.0)
    text = said(monkeypatch, io.StringIO(), lambda: [*iter_batches(rows / "rows[1].csv", 100)])
    assert text.count("\n") == 1
    assert text.startswith("lamina: reading ")


def test_what_is_quick_says_nothing(rows, monkeypatch):
    for stream in (Terminal(), io.StringIO()):
        assert not said(monkeypatch, stream, lambda: read(rows / "rows[1].csv"))


@pytest.mark.parametrize("how", [{"quiet": True}, {"shows_activity": False}])
def test_nothing_is_said_where_it_disturbs(rows, monkeypatch, how):
    monkeypatch.setattr(_console, "_SHOWN_AFTER", 0.0)
    assert not said(monkeypatch, Terminal(), lambda: read(rows / "rows[1].csv"), **how)


def test_results_are_printed_below_it(rows, monkeypatch, capsys):
    monkeypatch.setattr(_console, "_SHOWN_AFTER", 0.0)

    def run():
        read(rows / "rows[1].csv")
        output().print("done")

    terminal = Terminal()
    assert "done" not in said(monkeypatch, terminal, run)
    assert capsys.readouterr().out == "done\n"
