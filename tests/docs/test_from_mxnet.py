"""The tables of docs/from-mxnet.md are those that the comparison with MXNet settled; its programs run."""

import re
import runpy
from pathlib import Path

import numpy as np

import lamina as mx
from lamina import gluon, nd

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/from-mxnet.md"


def test_the_tables_are_those_of_the_comparison() -> None:
    written = runpy.run_path(str(ROOT / "tools/compare_mxnet/table.py"))["written"]
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text
    assert text.count("<!-- table: ") == text.count("<!-- end -->")


def test_the_example_of_trained_models_runs(tmp_path, monkeypatch) -> None:
    fixtures = ROOT / "tests/symbol/fixtures"
    for name in ("symbol.json", "0000.params"):
        (tmp_path / f"model-{name}").write_bytes((fixtures / f"module-{name}").read_bytes())
    monkeypatch.chdir(tmp_path)
    section = PAGE.read_text(encoding="utf-8").split("### Trained models")[1]
    code = re.findall(r"```python\n(.*?)```", section, re.S)[0].replace(
        '["data"]', '["data", "softmax_label"]'
    )
    x = nd.ones((2, 5))
    names = {"mx": mx, "gluon": gluon, "x": x}
    exec(code.replace("net(x)", "out = net(x, mx.nd.zeros(2))"), names)
    np.testing.assert_allclose(names["out"].asnumpy().sum(1), 1, rtol=1e-6)
    assert names["body"](x).shape == (2, 4)
