"""`lamina export`: files beside each other, or one line that says why not."""

import importlib.util

import onnxruntime
import pytest


def test_a_run_becomes_a_file(cli, run_on_a_table, tmp_path):
    file = tmp_path / "model.onnx"
    code, out, err = cli("export", run_on_a_table, "--onnx", file)
    assert (code, out) == (0, "")
    assert err.startswith(f"lamina: wrote {file} (")
    outputs = onnxruntime.InferenceSession(file).get_outputs()
    assert [output.name for output in outputs] == ["label", "probabilities"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_nothing_is_asked_for(cli, run_on_a_table):
    code, _, err = cli("export", run_on_a_table)
    assert code == 2
    assert err.startswith("lamina: choose an export format: --onnx FILE or --html FILE or --library FILE")


@pytest.mark.parametrize(
    ("option", "name"), [("--html", "a.onnx"), ("--onnx", "a.html"), ("--library", "a.onnx")]
)
def test_a_file_of_another_format_is_not_replaced(cli, run_on_a_table, tmp_path, option, name):
    file = tmp_path / name
    file.write_text("of another format")
    code, _, err = cli("export", run_on_a_table, option, file)
    assert code == 2 and err.startswith("lamina: ") and f"{file}: " in err and err.count("\n") == 1
    assert file.read_text() == "of another format" and [*tmp_path.iterdir()] == [file]


def test_there_is_no_run(cli, tmp_path):
    code, _, err = cli("export", tmp_path, "--onnx", tmp_path / "model.onnx")
    assert code == 2
    assert err == f"lamina: {tmp_path} contains no run: there is no model.safetensors in it\n"
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_such_folder(cli, run_on_a_table, tmp_path):
    code, _, err = cli("export", run_on_a_table, "--onnx", tmp_path / "absent" / "model.onnx")
    assert code == 2
    assert err.startswith("lamina: cannot write ")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_the_package_is_missing(cli, run_on_a_table, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("lamina.extras.find_spec", lambda name: None if name == "onnx" else found(name))
    code, _, err = cli("export", run_on_a_table, "--onnx", tmp_path / "model.onnx")
    assert code == 2
    assert err == "lamina: writing ONNX needs onnx, not installed here: pip install 'lamina[onnx]'\n"
