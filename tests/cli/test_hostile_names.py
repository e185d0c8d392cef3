"""Names and values from data act on nothing: not on the terminal, not on the report, not on a spreadsheet."""

import base64
import io
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from xml.etree import ElementTree

import polars as pl
import pytest

from lamina.cli import main

QUICK = ("--preset", "fast", "--epochs", "1", "--hidden", "4")
N = 60
ESC, TURN = "\x1b]0;owned\x07\x1b[2J", "\u202e"
MARKUP = "</td><script>alert(1)</script><img src=x onerror=alert(2)>'\""
NAMES = {
    "number": f"a{ESC}{MARKUP}$x^{{2$",
    "category": f"b{TURN}[bold red]{MARKUP}\nlamina: saved in /etc",
    "target": f"y{ESC}{MARKUP}",
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A file whose names, categories and classes are hostile."""
    classes = [f"no{ESC}{MARKUP}", f"yes{TURN}{MARKUP}$\\frac$"]
    frame = pl.DataFrame(
        {
            NAMES["number"]: [float(i % 13) for i in range(N)],
            NAMES["category"]: [f"{'abc'[i % 3]}{ESC}{MARKUP}[/bold]" for i in range(N)],
            NAMES["target"]: [classes[i % 2] for i in range(N)],
        }
    )
    file = tmp_path_factory.mktemp("hostile") / "data.csv"
    frame.write_csv(file)
    return file


@pytest.fixture(scope="module")
def trained(hostile):
    """A run on that file, and what was shown of it."""
    shown = {"out": io.StringIO(), "err": io.StringIO()}
    run = hostile.with_name("run")
    with redirect_stdout(shown["out"]), redirect_stderr(shown["err"]), pytest.raises(SystemExit) as ended:
        main(["train", str(hostile), "-t", NAMES["target"], *QUICK, "-o", str(run)])
    assert not ended.value.code
    return run, shown["out"].getvalue(), shown["err"].getvalue()


def is_harmless(text):
    return all(c in {"\n", " "} or c.isprintable() for c in text)


class Tags(HTMLParser):
    """Which elements a page has, and with which attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.slow
def test_nothing_acts_on_the_terminal_or_the_report(trained, cli):
    run, out, err = trained
    assert is_harmless(out) and is_harmless(err)
    unfolded = "".join(out.split())
    assert r"\x1b]0;owned" in unfolded and r"\u202e" in unfolded
    assert "\nlamina: saved in /etc" not in out
    code, out, err = cli("inspect", run)
    assert code == 0 and is_harmless(out) and is_harmless(err)

    page = (run / "report.html").read_text("utf-8")
    assert TURN not in page and "\x1b" not in page
    tags = Tags()
    tags.feed(page)
    assert {tag for tag, _ in tags.found}.isdisjoint({"script", "iframe", "object", "link", "form"})
    assert not [attrs for _, attrs in tags.found if any(name.startswith("on") for name in attrs)]
    assert all(attrs["src"].startswith("data:") for tag, attrs in tags.found if tag == "img")


@pytest.mark.slow
def test_figures_with_hostile_names_are_well_formed(trained):
    page = (trained[0] / "report.html").read_text("utf-8")
    pictures = re.findall(r"data:image/svg\+xml;base64,([^']+)", page)
    assert len(pictures) >= 3
    for picture in pictures:
        ElementTree.fromstring(base64.b64decode(picture))


def test_errors_and_warnings_show_what_is_hostile(tmp_path, cli):
    (tmp_path / "data.csv").write_text(f'"{ESC}",y\n1,2\n1,2,3\n')
    code, _, err = cli("train", tmp_path / "data.csv", "-t", f"y{ESC}")
    assert code == 2 and is_harmless(err) and err.count("\n") == 1
    code, _, err = cli("train", tmp_path / f"absent{ESC}.csv", "-t", "y")
    assert code == 2 and is_harmless(err) and r"\x1b" in err


@pytest.mark.slow
def test_a_table_on_a_terminal_cannot_command_it(hostile, trained):
    terminal, other = pty.openpty()
    program = "from lamina.cli import main; main()"
    command = [sys.executable, "-c", program, "predict", str(trained[0]), str(hostile)]
    with subprocess.Popen(command, stdout=other, stderr=subprocess.DEVNULL) as process:
        os.close(other)
        shown = b""
        try:
            while part := os.read(terminal, 1 << 16):
                shown += part
        except OSError:  # the end, on Linux
            pass
    os.close(terminal)
    assert process.returncode == 0
    assert b"prediction" in shown and b"\x1b" not in shown and TURN.encode() not in shown


@pytest.mark.slow
def test_names_that_polars_takes_for_patterns_are_names(tmp_path, cli):
    """With such a target, its column stayed among the inputs."""
    frame = pl.DataFrame(
        {"y": [i % 3 for i in range(N)], "*": [i % 5 for i in range(N)], "^y$": ["a", "b"] * 30}
    )
    frame.write_csv(tmp_path / "data.csv")
    assert cli("train", tmp_path / "data.csv", "-t", "^y$", *QUICK, "-o", tmp_path / "run")[0] == 0
    code, out, _ = cli("inspect", tmp_path / "run", "--json")
    assert code == 0 and [column["name"] for column in json.loads(out)["schema"]["columns"]] == ["y", "*"]
    code, out, _ = cli("predict", tmp_path / "run", tmp_path / "data.csv")
    assert code == 0 and out.startswith("y,*,^y$,prediction")


def test_formulas_are_written_as_they_are_with_a_warning_or_made_safe(tmp_path, cli):
    cells = ["=1+2", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "=x", "plain", "-7", "+1.5e3"]
    frame = pl.DataFrame(
        {"=x": [cells[i % 8] for i in range(80)], "n": [-1.0, 2.0] * 40, "y": ["a", "=b"] * 40}
    )
    frame.write_csv(tmp_path / "data.csv")
    cli("train", tmp_path / "data.csv", "-t", "y", *QUICK, "-o", tmp_path / "run")
    new = frame.drop("y")
    new.write_csv(tmp_path / "new.csv")

    code, _, err = cli("predict", tmp_path / "run", tmp_path / "new.csv", "-o", tmp_path / "plain.csv")
    assert code == 0
    assert "'=1+2'" in err and "--safe-csv" in err
    plain = pl.read_csv(tmp_path / "plain.csv")
    assert plain["=x"].to_list() == new["=x"].to_list()

    code, _, err = cli(
        "predict", tmp_path / "run", tmp_path / "new.csv", "-o", tmp_path / "s.csv", "--safe-csv"
    )
    assert code == 0 and "safe-csv" not in err
    safe = pl.read_csv(tmp_path / "s.csv")
    assert safe.columns[:2] == ["'=x", "n"] and safe["n"].to_list() == new["n"].to_list()
    assert safe["'=x"].to_list()[:8] == [*("'" + cell for cell in cells[:5]), "plain", "-7", "+1.5e3"]
    assert set(safe["prediction"]) <= {"a", "'=b"}

    code, _, err = cli("predict", tmp_path / "run", tmp_path / "new.csv", "-o", tmp_path / "p.parquet")
    assert code == 0 and "safe-csv" not in err
