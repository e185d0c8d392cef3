"""Quantiles and intervals on the command line: `lamina train --quantile`, `lamina predict --interval --std`."""

import io
import json

import numpy as np
import polars as pl
import pytest

import lamina
from lamina.cli import main

N = 400
rng = np.random.default_rng(0)
SIZE = rng.uniform(0, 1, N)
HOUSES = pl.DataFrame(
    {"size": SIZE, "town": [f"town {i % 3}" for i in range(N)], "price": 3 * SIZE + rng.normal(0, 0.1 + SIZE)}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The table, a run that predicts it, and one of three quantiles."""
    path = tmp_path_factory.mktemp("houses")
    HOUSES.write_csv(path / "houses.csv")
    for name, asked in (("plain", ()), ("quantiles", ("--quantile", "0.05,0.5,0.95"))):
        with pytest.raises(SystemExit) as ended:
            main(
                ["train", str(path / "houses.csv"), "-t", "price", "--preset", "fast", "--epochs", "12", "--hidden",
                 "16", "-o", str(path / name), "--quiet", "--validation", "0.3", *asked]
            )  # fmt: skip
        assert ended.value.code == 0
    return path


def predicted(cli, folder, run, *asked):
    code, out, err = cli("predict", folder / run, folder / "houses.csv", *asked)
    assert (code, err) == (0, "")
    return pl.read_csv(io.StringIO(out))


def test_intervals_and_spreads_are_columns(cli, folder):
    frame = predicted(cli, folder, "plain", "--interval", "0.8", "--std", "--prefix", "new_")
    assert frame.columns[3:] == ["new_prediction", "new_price_lower", "new_price_upper", "new_price_std"]
    model, inputs = lamina.load(folder / "plain/model.safetensors"), HOUSES.drop("price")
    low, high = model.predict_interval(inputs, 0.8)
    found, std = model.predict(inputs, return_std=True)
    for column, wanted in zip(frame.columns[3:], (found, low, high, std), strict=True):
        np.testing.assert_array_equal(frame[column].to_numpy(), wanted)
    assert predicted(cli, folder, "plain").columns[3:] == ["prediction"]


def test_quantiles_are_columns_and_correct_the_interval(cli, folder):
    frame = predicted(cli, folder, "quantiles", "--interval", "0.9")
    levels = ["prediction_0.05", "prediction_0.5", "prediction_0.95"]
    assert frame.columns[3:] == [*levels, "price_lower", "price_upper"]
    assert (np.diff(frame[levels].to_numpy(), axis=1) >= 0).all()
    held = frame["price"].is_between(frame["price_lower"], frame["price_upper"]).mean()
    assert abs(held - 0.9) < 0.1
    code, out, _ = cli("evaluate", folder / "quantiles", folder / "houses.csv", "--json")
    middle = (frame["prediction_0.5"] - frame["price"]).abs().mean()
    assert code == 0 and json.loads(out)["metrics"]["mae"] == pytest.approx(middle)


def test_quantiles_are_judged_as_quantiles(cli, folder):
    from sklearn.metrics import mean_pinball_loss

    frame, levels = predicted(cli, folder, "quantiles"), (0.05, 0.5, 0.95)
    price, found = frame["price"], [frame[f"prediction_{level:g}"] for level in levels]
    losses = [mean_pinball_loss(price, q, alpha=level) for q, level in zip(found, levels, strict=True)]
    held, width = price.is_between(found[0], found[2]).mean(), (found[2] - found[0]).mean()
    said = json.loads(cli("evaluate", folder / "quantiles", folder / "houses.csv", "--json")[1])
    assert [one["pinball"] for one in said["quantiles"]] == pytest.approx(losses)
    assert said["outermost"] == pytest.approx({"coverage": 0.9, "held": held, "width": width})
    out = " ".join(cli("evaluate", folder / "quantiles", folder / "houses.csv")[1].split())
    assert f"pinball loss {np.mean(losses):.4f}, the mean of the quantiles 0.05, 0.5 and 0.95" in out
    assert f"{100 * held:.1f} % of the rows lie between the outermost quantiles, which promise 90 %" in out
    assert f"mean width {width:.4f}" in out
    assert "quantiles" not in json.loads(
        cli("evaluate", folder / "plain", folder / "houses.csv", "--json")[1]
    )
    results = json.loads(cli("inspect", folder / "quantiles", "--json")[1])["results"]
    page = (folder / "quantiles/report.html").read_text()
    assert "between the quantiles 0.05 and 0.95 (nominal: 90 %)" in page
    assert all(f"{one['pinball']:.4f}" in page for one in results["quantiles"])


@pytest.mark.slow
def test_a_run_says_what_its_intervals_hold(cli, folder, tmp_path):
    results = json.loads(cli("inspect", folder / "quantiles", "--json")[1])["results"]
    assert [one["coverage"] for one in results["intervals"]] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    assert [one["level"] for one in results["quantiles"]] == [0.05, 0.5, 0.95]
    page = (folder / "quantiles/report.html").read_text()
    assert "rows at or below it" in page and "pinball loss" in page
    code, out, _ = cli(
        "train",
        folder / "houses.csv",
        "-t",
        "price",
        "--preset",
        "fast",
        "--epochs",
        "2",
        "-o",
        tmp_path / "run",
    )
    assert code == 0 and "90 % intervals hold" in out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--interval", "90"), "--interval 90: the share of rows must be between 0 and 1, such as 0.9"),
        (("--interval", "0.999"), "coverage=0.999 needs 999 held-out rows, but there are 1"),
    ],
)
def test_intervals_that_cannot_be(cli, folder, asked, said):
    code, _, err = cli("predict", folder / "plain", folder / "houses.csv", *asked)
    assert code == 2 and said in err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ("-t", "price", "--quantile", "0.9,0.1"),
            "--quantile: quantile must be ascending, got [0.9, 0.1]; write [0.1, 0.9]",
        ),
        (("-t", "town", "--quantile", "0.1,0.9"), "quantiles are for numbers, but 'town' has classes"),
    ],
)
def test_quantiles_that_cannot_be(cli, folder, tmp_path, asked, said):
    code, _, err = cli("train", folder / "houses.csv", *asked, "-o", tmp_path / "run")
    assert code == 2 and said in err


def test_classes_have_no_interval(cli, folder, tmp_path):
    run = tmp_path / "run"
    asked = ("-t", "town", "--preset", "fast", "--epochs", "1", "--hidden", "4", "-o", run)
    assert cli("train", folder / "houses.csv", *asked)[0] == 0
    code, _, err = cli("predict", run, folder / "houses.csv", "--std")
    assert code == 2 and "are for numbers, but 'town' has classes" in err
