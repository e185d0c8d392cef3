"""lamina against the answers of real MXNet 1.9.1, and docs/from-mxnet.md against what that comparison found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lamina as mx
from lamina import gluon, nd
from lamina.errors import OutsideError
from lamina.outside import OUTSIDE

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "compare_mxnet"


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        "modules",
        "networks",
        "numpy_arrays",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("arrays", "edges", "settings")),
    ],
)
def test_answers_are_mxnets_or_settled_and_the_page_says_so(part: str) -> None:
    command = [sys.executable, str(TOOL), "--recorded", "--only", part, "--docs", "check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "not settled" in run.stdout


@pytest.mark.parametrize("path", sorted(p for p in OUTSIDE if "*" not in p and p.count(".") < 3))
def test_what_is_left_out_says_what_there_is_instead(path: str) -> None:
    _, *modules, name = path.split(".")
    module = mx
    for part in modules:
        module = getattr(module, part)
    if module.__name__.startswith("lamina.gluon") or hasattr(module, name):
        pytest.skip(f"{path} is told of by its own module")
    with pytest.raises(OutsideError, match=f"^{path}: .*"):
        getattr(module, name)


def test_an_import_keeps_the_message() -> None:
    with pytest.raises(ImportError, match=r"mx\.rtc: it belongs to MXNet's C library"):
        from lamina import rtc  # noqa: F401
    with pytest.raises(ImportError, match="dense"):
        from lamina.nd import cast_storage  # noqa: F401


def test_the_example_of_trained_models_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixtures = ROOT / "tests/symbol/fixtures"
    for name in ("symbol.json", "0000.params"):
        (tmp_path / f"model-{name}").write_bytes((fixtures / f"module-{name}").read_bytes())
    monkeypatch.chdir(tmp_path)
    section = (ROOT / "docs/from-mxnet.md").read_text(encoding="utf-8").split("### Trained models")[1]
    code = re.findall(r"```python\n(.*?)```", section, re.S)[0]
    code = code.replace('["data"]', '["data", "softmax_label"]').replace(
        "net(x)", "out = net(x, mx.nd.zeros(2))"
    )
    names = {"mx": mx, "gluon": gluon, "x": nd.ones((2, 5))}
    exec(code, names)
    np.testing.assert_allclose(names["out"].asnumpy().sum(1), 1, rtol=1e-6)
    assert names["body"](names["x"]).shape == (2, 4)


def test_the_example_of_modules_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    section = (ROOT / "docs/from-mxnet.md").read_text(encoding="utf-8").split("## Modules and executors")[1]
    exec(re.findall(r"```python\n(.*?)```", section, re.S)[0], {})
    ((name, value),) = eval(capsys.readouterr().out)
    assert name == "accuracy" and value > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model-0005.params", "model-symbol.json"]
