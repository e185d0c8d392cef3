"""Output adapts to what a terminal or a file can encode, as where ``lamina train … > log.txt`` has cp1252."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from lamina.cli import main
from lamina.messages import encodable
from lamina.training.display import telling

ENCODINGS = ["cp1252", "latin-1", "ascii", "utf-8"]
QUICK = ("--preset", "fast", "--epochs", "1", "--hidden", "4")
CITIES = ["Köln", "東京", "a–b"]
CLASSES = ["Müll", "€±"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two tables whose names and values are in no small alphabet, and with pictures."""
    folder = tmp_path_factory.mktemp("encodings")
    rows = [f"{i % 13},{CITIES[i % 3]}" for i in range(60)]
    for name, target in (
        ("classes", [CLASSES[i % 13 > 5] for i in range(60)]),
        ("numbers", [f"{i % 13 * 1.5}" for i in range(60)]),
    ):
        lines = "".join(f"{row},{value}\n" for row, value in zip(rows, target, strict=True))
        (folder / f"{name}.csv").write_text(f"größe,ort→,ziel\n{lines}", "utf-8")
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(folder / "digit.png")
    return folder


# What these do with texts is the same for each; ASCII has least.
IN_ONE = pytest.mark.parametrize(
    "encoded",
    ["ascii", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cp1252", "latin-1", "utf-8"))],
    indirect=True,
)


@pytest.fixture(params=ENCODINGS)
def encoded(request, monkeypatch, place):
    """Runs a command whose output has an encoding; returns its code, standard output and standard error."""
    monkeypatch.chdir(place)

    def run(*arguments):
        streams = {}
        with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
            for name in ("stdout", "stderr"):
                streams[name] = io.TextIOWrapper(io.BytesIO(), encoding=request.param)
                patched.setattr(sys, name, streams[name])
            main([str(argument) for argument in arguments])
        for stream in streams.values():
            stream.flush()
        out, err = (stream.buffer.getvalue() for stream in streams.values())
        return ended.value.code, out, err

    run.encoding = request.param
    return run


def shown(encoded, *arguments):
    """What a person sees, of a command that succeeds."""
    code, out, err = encoded(*arguments)
    assert code == 0, err
    text = out.decode(encoded.encoding) + err.decode(encoded.encoding)
    assert "Traceback" not in text and "?" not in text
    return text


@pytest.mark.slow
@IN_ONE
def test_every_command_on_tables(encoded):
    for kind, target in (("classes", "ziel"), ("numbers", "ziel")):
        run = f"{kind}-{encoded.encoding}"
        text = shown(encoded, "train", f"{kind}.csv", "-t", target, *QUICK, "-o", run)
        assert f"saved in {run}" in text
        for word in ("größe", *CITIES) + (("R²",) if kind == "numbers" else tuple(CLASSES)):
            assert encodable(word, encoded.encoding) in text
        if encoded.encoding != "utf-8":  # there, 東京 has the width of four letters
            columns = [line for line in text.splitlines() if "one-hot" in line or "scaled" in line]
            assert len({len(line) for line in columns}) == 1
        shown(encoded, "inspect", run)
        shown(encoded, "evaluate", run, f"{kind}.csv")
        shown(encoded, "explain", run, f"{kind}.csv")
    shown(encoded, "tune", "numbers.csv", "-t", "ziel", "--trials", "1", "-o", f"tuned-{encoded.encoding}")
    shown(encoded, "inspect", f"tuned-{encoded.encoding}")
    shown(encoded, "export", f"classes-{encoded.encoding}", "--onnx", "m.onnx", "--html", "m.html")
    shown(encoded, "doctor")


@pytest.mark.slow
@IN_ONE
def test_predictions_on_standard_output_are_data_in_utf_8(encoded):
    shown(encoded, "train", "classes.csv", "-t", "ziel", *QUICK, "-o", f"data-{encoded.encoding}")
    code, out, _ = encoded("predict", f"data-{encoded.encoding}", "classes.csv")
    assert code == 0
    assert out.decode("utf-8").startswith("größe,ort→,ziel,prediction,probability_Müll,probability_€±\n")


@pytest.mark.few(1)
def test_mistakes_and_help(encoded):
    code, _, err = encoded("train", "classes.csv", "-t", "größe→")
    assert code == 2
    assert encodable("größe→", encoded.encoding) in err.decode(encoded.encoding)
    for command in (
        "train",
        "tune",
        "predict",
        "explain",
        "export",
        "serve",
        "inspect",
        "evaluate",
        "doctor",
    ):
        assert encoded(command, "--help")[0] == 0


@pytest.mark.slow
@IN_ONE
def test_digits(encoded, place):
    size = ("--epochs", "1", "--hidden", "4")
    shown(encoded, "train", "mnist", *size, "--out", f"digits-{encoded.encoding}")
    shown(encoded, "inspect", f"digits-{encoded.encoding}")
    shown(encoded, "predict", f"digits-{encoded.encoding}", "digit.png")
    assert "accuracy" in shown(encoded, "evaluate", f"digits-{encoded.encoding}")


@pytest.mark.slow
def test_a_process_in_the_c_locale(place):
    """Where Python takes neither UTF-8 nor any other encoding from somewhere, also for files that it opens."""
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "lamina"]
    done = subprocess.run(
        [*command, "train", "numbers.csv", "-t", "ziel", *QUICK, "-o", "c-locale"],
        cwd=place, env=environment, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"R2" in done.stdout and rb"gr\xf6\xdfe" in done.stdout


@pytest.mark.few(2)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_estimators_show(encoding, monkeypatch):
    """`verbose` prints to a stream that is the user's: its way with what it cannot encode is given back."""
    from lamina import MLPRegressor

    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    x = np.linspace(-1, 1, 60).reshape(-1, 1)
    MLPRegressor(max_iter=2, hidden_layer_sizes=4, verbose=True).fit(x, x[:, 0])
    monkeypatch.undo()
    stream.flush()
    assert "epoch 1/2" in stream.buffer.getvalue().decode(encoding)
    assert stream.errors == "strict"


def test_a_terminal_of_ascii_shows_what_is_being_done():
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    stream = Terminal(io.BytesIO(), encoding="ascii")
    with telling(stream) as tell:
        tell("reading größe")
    stream.flush()
    assert b"\\" not in stream.buffer.getvalue().replace(rb"gr\xf6\xdfe", b"").replace(b"\\ ", b"")
