"""`lamina train --monotone`."""

import numpy as np
import polars as pl
import pytest

import lamina


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "rooms": rng.integers(1, 9, 200),
            "age": rng.normal(40, 10, 200),
            "town": rng.choice(["a", "b"], 200),
        }
    )
    price = 10.0 * frame["rooms"].to_numpy() - frame["age"].to_numpy() + rng.normal(size=200)
    path = tmp_path_factory.mktemp("table") / "houses.csv"
    frame.with_columns(price=price).write_csv(path)
    return path


@pytest.mark.slow
def test_predictions_obey(cli, table, tmp_path):
    run = tmp_path / "run"
    asked = [
        "-t",
        "price",
        "--preset",
        "fast",
        "--epochs",
        "2",
        "--monotone",
        "age=-1",
        "--monotone",
        "rooms=1",
    ]
    code, shown, error = cli("train", table, *asked, "-o", run)
    assert code == 0, error
    for text in (shown, cli("inspect", run)[1], (run / "report.html").read_text()):
        words = " ".join(text.split())
        assert "never rise with it" in words and "never fall with it" in words
    model = lamina.load(run / "model.safetensors")
    assert model.monotone == {"age": -1, "rooms": 1}
    rows = pl.DataFrame({"rooms": [3] * 50, "age": np.linspace(-50, 200, 50), "town": ["a"] * 50})
    assert np.diff(model.predict(rows)).max() <= 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("age", "--monotone age: write COLUMN=1 or COLUMN=-1"),
        ("age=2", "--monotone age=2: write COLUMN=1 or COLUMN=-1"),
        ("agee=1", "monotone: the table has no column 'agee'. Did you mean 'age'?"),
        ("town=1", "monotone: the column 'town' is categorical, and only numbers have an order"),
    ],
)
def test_what_cannot_be_constrained(cli, table, tmp_path, asked, message):
    code, _, error = cli(
        "train", table, "-t", "price", "--preset", "fast", "--monotone", asked, "-o", tmp_path / "run"
    )
    assert code == 2 and message in error
    assert not (tmp_path / "run").exists()


def test_a_column_has_one_direction(cli, table):
    code, _, error = cli("train", table, "-t", "price", "--monotone", "age=1", "--monotone", "age=-1")
    assert code == 2 and "--monotone age=-1: the column age also has the direction 1" in error
