"""Runs whose folders an earlier lamina wrote are still opened, used and described."""

import json
from pathlib import Path

import polars as pl
import polars.testing
import pytest

from lamina.cli import main
from lamina.errors import DataError
from lamina.files.tensors import load_tensors, save_tensors
from lamina.runs.run_folder import open_run
from lamina.table.schema import Schema

FILES = Path(__file__).parent / "files"
"""Runs of `lamina train table.csv`, and what predict, evaluate and inspect said of them, all at commit 74be71e."""

TABLE = str(Path(__file__).parents[1] / "estimators" / "files" / "table.csv")


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert ended.value.code == 0


@pytest.fixture(params=["classification", "regression"])
def run(request):
    return FILES / request.param


@pytest.mark.slow
def test_an_early_run_predicts_what_it_did(run, tmp_path):
    command("predict", run, TABLE, "-o", tmp_path / "found.csv")
    found, expected = pl.read_csv(tmp_path / "found.csv"), pl.read_csv(run / "predictions.csv")
    # As for models: another processor adds float32 numbers in another order.
    pl.testing.assert_frame_equal(found, expected, rel_tol=1e-5, abs_tol=0)


def test_an_early_run_is_evaluated_as_it_was(run, capsys):
    command("evaluate", run, TABLE, "--json")
    found, expected = json.loads(capsys.readouterr().out), json.loads((run / "evaluation.json").read_text())
    assert found["rows"] == expected["rows"]
    known = {name: found["metrics"][name] for name in expected["metrics"]}  # of classes there are more today
    assert known == pytest.approx(expected["metrics"], rel=1e-5)


LATER = {
    "settings": {
        **dict.fromkeys(
            [
                "shards",
                "quantiles",
                "time_limit",
                "trials",
                "class_weight",
                "scoring",
                "threshold",
                "group",
                "time",
                "date_format",
            ]
        ),
        "time_gap": 0.0,
        "stream": False,
        "precision": "float32",
        "candidates": None,
        "monotone": {},
        "keeps_row_numbers": True,
        "has_additions": False,
    },
    "architecture": {
        **{name: [] for name in ("monotone", "rising", "rough", "smooth", "exact", "rare", "trees", "wide")},
        **dict.fromkeys(["nodes", "depth", "near", "narrow"], 0),
        "skip": False,
        "effects": False,
    },
    "results": {
        "divided": "",
        "quantiles": [],
        "outermost": None,
        "intervals": [],
        "shap": None,
        "words": {},
        "decision": None,
        "advice": [],
    },
}
"""What nobody could ask for then, and what nothing was said of."""


TAGS = {"numeric": "number", "categorical": "category", "dropped": "dropped"}
"""The types that are today what kinds were."""


def test_an_early_run_is_described_as_it_was(run, capsys):
    command("inspect", run, "--json")
    expected = json.loads((run / "inspection.json").read_text())
    for part, names in LATER.items():
        expected[part] |= names
    expected["settings"]["options"]["sheet"] = None
    found = json.loads(capsys.readouterr().out)
    kinds = [column["kind"] for column in expected["schema"]["columns"]]
    assert [column.pop("kind") for column in found["schema"]["columns"]] == kinds
    assert [column["type"]["tag"] for column in found["schema"]["columns"]] == [TAGS[kind] for kind in kinds]
    expected["schema"] = json.loads(json.dumps(Schema.from_dict(expected["schema"]).to_dict()))
    members = found["members"]
    assert found.pop("networks") == [{"share": 1 / members, "architecture": found["architecture"]}] * members
    assert found == expected
    command("inspect", run)
    assert "Metrics on 12 test rows" in capsys.readouterr().out


def test_an_early_run_whose_table_has_other_columns_than_its_network_is_damaged(run, tmp_path):
    arrays, metadata = load_tensors(run / "model.safetensors")
    table = json.loads(metadata["table"])
    table["schema"]["columns"][0]["name"] = "another"
    save_tensors(tmp_path / "damaged", arrays, {**metadata, "table": json.dumps(table)})
    with pytest.raises(DataError, match="damaged: the columns of its table and its network differ"):
        open_run(tmp_path / "damaged")
