"""Libraries in C programs: compiled here, and for another processor; their headers; what they need of the system."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from c_library import compiled, needs_linker, run_people
from processors import needs
from tables import new_table, targets_of, training_table

import lamina
from lamina.export.library import export_library
from lamina.export.warnings import NotLinkedWarning
from lamina.gluon import nn

FRAME, NEW = training_table(), pl.concat([new_table(1000, seed) for seed in range(1, 11)])
needs_compiler = pytest.mark.skipif(
    not shutil.which("cc"), reason="NOT TESTED: exported libraries in C programs, without a C compiler (cc)"
)
ARM_COMPILER, ARM_EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
pytestmark = [
    pytest.mark.filterwarnings("ignore:left out 1 column with the same value"),
    pytest.mark.filterwarnings("ignore:the optimizer reached max_iter"),
    pytest.mark.filterwarnings("ignore:.*values? that training did not have"),
]


@pytest.fixture(scope="module")
def model():
    quick = {"hidden_layer_sizes": (16, 16), "random_state": 0, "max_iter": 3}
    return lamina.MLPClassifier(preset="realmlp", **quick).fit(FRAME, targets_of(FRAME)[0])


@pytest.fixture(scope="module")
def expected(model):
    return model.predict_proba(NEW)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("linked", ["people.o", "people.so"])
def test_a_c_program_predicts_ten_thousand_rows_in_a_small_stack(model, expected, tmp_path, linked):
    export_library(model, tmp_path / "people.so")
    program = compiled("cc", tmp_path, f"./{linked}")
    np.testing.assert_array_equal(run_people([program], tmp_path, NEW, 3), expected)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("target", ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_levels_of_x86_64(model, expected, tmp_path, target):
    needs(target)
    export_library(model, tmp_path / "people.o", target=target)
    found = run_people([compiled("cc", tmp_path, "people.o")], tmp_path, NEW, 3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.skipif(
    not (shutil.which(ARM_COMPILER) and shutil.which(ARM_EMULATOR)),
    reason=f"NOT TESTED: running code for aarch64, without {ARM_COMPILER} and {ARM_EMULATOR}",
)
def test_aarch64_in_an_emulator(model, expected, tmp_path):
    files = export_library(model, tmp_path / "people.so", target="aarch64")
    assert [file.name for file in files] == ["people.so", "people.o", "people.h"]
    program = compiled(ARM_COMPILER, tmp_path, "people.o")
    command = [ARM_EMULATOR, "-L", "/usr/aarch64-linux-gnu", str(program)]
    np.testing.assert_allclose(run_people(command, tmp_path, NEW, 3), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "machine"), [("x86-64-v2", 62), ("x86-64-v3", 62), ("x86-64-v4", 62), ("aarch64", 183)]
)
def test_objects_are_for_their_processor(tmp_path, target, machine):
    net = nn.Dense(2, in_units=3)
    net.initialize()
    export_library(net, tmp_path / "net.o", target=target)
    head = (tmp_path / "net.o").read_bytes()[:20]
    assert head[:4] == b"\x7fELF"
    assert head[18] == machine  # e_machine of the ELF specification


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("nm"), reason="NOT TESTED: symbols of exported objects, without nm")
def test_what_an_object_needs_and_shows(model, tmp_path):
    net = nn.HybridSequential()
    net.add(
        nn.Dense(8, in_units=5, activation="sigmoid"), nn.BatchNorm(in_channels=8), nn.Dense(2, in_units=8)
    )
    net.initialize()
    for exported, needed, shown in (
        (net, set(), {"one_predict"}),
        (model, set(), {"one_predict", "one_class_names", "one_column_names"}),
    ):
        export_library(exported, tmp_path / "one.o")
        lines = [line.split() for line in _nm(tmp_path / "one.o")]
        assert {line[-1] for line in lines if line[-2] == "U"} - {"_GLOBAL_OFFSET_TABLE_"} == needed
        assert {line[-1] for line in lines if line[-2].isupper() and line[-2] != "U"} == shown


def _nm(path):
    return subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.slow
@needs_compiler
def test_the_programs_of_the_page_print_the_same(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
    _, _, section = page.partition("## C library")
    (python,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    (program,) = re.findall(r"```c\n(.*?)```", section, re.DOTALL)

    def printed(*command):
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    wanted = printed(sys.executable, "-W", "error", "-c", python)
    assert printed(compiled("cc", tmp_path, "plants.o", program=program)) == wanted


@pytest.mark.slow
@needs_compiler
def test_headers_are_c_and_cplusplus_whatever_the_columns_are_called(tmp_path):
    rng = np.random.default_rng(0)
    names = ["int", "a b", "a_b", "*/ evil();", "größe", "9", "tab\tand\nline", "/* open", "\\"]
    frame = pl.DataFrame({name: rng.normal(size=60) for name in names}).with_columns(
        pl.Series("new", rng.choice(['q"uote', "*/", "\\n"], 60))
    )
    model = lamina.MLPClassifier(preset="fast", max_iter=1, random_state=0).fit(
        frame, rng.choice(["*/", '"'], 60)
    )
    export_library(model, tmp_path / "odd-name.o")
    header = (tmp_path / "odd-name.h").read_text()
    assert "double int_;" in header
    assert "double a_b;" in header
    assert "double a_b_2;" in header
    assert "odd_name_row" in header
    for compiler, language in (("cc", ["-std=c99", "-xc"]), ("c++", ["-std=c++11", "-xc++"])):
        if shutil.which(compiler) is None:
            continue
        strict = [*language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-"]
        source = '#include "odd-name.h"\nint main(void) { return sizeof(odd_name_row) != 80; }\n'
        subprocess.run([compiler, "-I.", *strict], cwd=tmp_path, input=source, text=True, check=True)


def test_without_a_linker_there_is_an_object_file_and_a_line_that_says_so(tmp_path, monkeypatch):
    net = nn.Dense(2, in_units=3)
    net.initialize()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.warns(NotLinkedWarning, match=r"no linker .* no net\.so: link net\.o into your program"):
        files = export_library(net, tmp_path / "net.so")
    assert [file.name for file in files] == ["net.o", "net.h"]
    assert {file.name for file in tmp_path.iterdir()} == {"net.o", "net.h"}


@needs_linker
def test_a_linker_that_fails_leaves_no_files(tmp_path, monkeypatch):
    net = nn.Dense(2, in_units=3)
    net.initialize()
    (tmp_path / "cc").write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(lamina.errors.LaminaError, match="cc cannot link the library: broken"):
        export_library(net, tmp_path / "net.so")
    assert [file.name for file in tmp_path.iterdir()] == ["cc"]
