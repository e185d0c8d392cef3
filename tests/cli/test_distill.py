"""`lamina distill`: teachers in files and in columns, and what is refused."""

import numpy as np
import polars as pl
import pytest

import lamina

QUICK = ("--preset", "fast")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, and teachers of it in files."""
    folder = tmp_path_factory.mktemp("distill")
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"age": rng.uniform(20, 60, 200), "town": rng.choice(["Bergen", "Como"], 200)})
    p = 1 / (1 + np.exp(40 - frame["age"].to_numpy()))
    y = np.where(p > 0.5, "rich", "poor")
    model = lamina.MLPClassifier(preset="fast", number_embedding=False, random_state=0).fit(frame, y)
    lamina.export_onnx(model, folder / "teacher.onnx")
    lamina.save(model, folder / "teacher.safetensors")
    columns = {"income": y, "p_rich": p, "p_poor": 1 - p, "id": np.arange(200) * 0.37}
    frame.with_columns(**{name: pl.Series(x) for name, x in columns.items()}).write_csv(folder / "people.csv")
    return folder


@pytest.mark.parametrize("file", ["teacher.onnx", "teacher.safetensors"])
def test_a_teacher_in_a_file_takes_its_columns_by_name(folder, cli, tmp_path, file):
    out = tmp_path / "student.safetensors"
    code, _, said = cli(
        "distill",
        folder / "people.csv",
        "--teacher",
        folder / file,
        "--target",
        "income",
        "--made",
        "1",
        "-o",
        out,
        *QUICK,
    )
    assert code == 0, said
    assert f"wrote {out}" in said
    student, table = lamina.load(out), pl.read_csv(folder / "people.csv")
    assert student.feature_names_in_.tolist() == ["age", "town"]
    assert np.mean(student.predict(table.select("age", "town")) == table["income"].to_numpy()) > 0.9
    code, printed, _ = cli("evaluate", out, folder / "people.csv")
    assert code == 0 and "accuracy" in printed


@pytest.mark.slow
def test_of_a_run_only_the_columns_that_it_used_are_needed(folder, cli, tmp_path):
    table = pl.read_csv(folder / "people.csv").select("age", "town", "income")
    table = table.with_columns(key=pl.Series([f"key {i}" for i in range(200)]))
    table.write_csv(tmp_path / "train.csv")
    table.drop("key", "income").write_csv(tmp_path / "new.csv")
    run, out = tmp_path / "run", tmp_path / "student.safetensors"
    asked = ("--target", "income", "--epochs", "1", "--out", run)
    assert cli("train", tmp_path / "train.csv", *asked, *QUICK)[0] == 0
    code, _, said = cli("distill", tmp_path / "new.csv", "--teacher", run, "-o", out, *QUICK)
    assert code == 0, said
    student = lamina.load(out)
    assert student.feature_names_in_.tolist() == ["age", "town"]
    assert student.fitted_.encoder.schema.target.name == "income"


@pytest.mark.slow
def test_predictions_in_columns_need_no_model(folder, cli, tmp_path):
    out = tmp_path / "student.safetensors"
    given = ("--teacher-predictions", "rich=p_rich", "--teacher-predictions", "poor=p_poor", "--drop", "id")
    code, _, said = cli("distill", folder / "people.csv", *given, "--target", "income", "-o", out, *QUICK)
    assert code == 0, said
    student = lamina.load(out)
    assert student.classes_.tolist() == ["poor", "rich"]
    assert student.feature_names_in_.tolist() == ["age", "town"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "give one of --teacher FILE and --teacher-predictions COLUMN"),
        (("--teacher", "t.onnx", "--teacher-predictions", "p"), "give one of --teacher FILE"),
        (("--teacher", "people.csv"), "is not a model"),
        (("--teacher-predictions", "p_rch"), "no column 'p_rch'"),
        (
            ("--teacher-predictions", "p_rich", "--teacher-predictions", "p_poor"),
            "CLASS=COLUMN for each class",
        ),
        (("--teacher-predictions", "rich=p_rich", "--teacher-predictions", "poor=id"), "not probabilities"),
        (("--teacher-predictions", "p_rich", "--preset", "quick"), "--preset quick: must be one of"),
        (("--teacher-predictions", "p_rich", "--preset", "fast", "--time-limit", "5s"), "leave --preset out"),
        (("--teacher-predictions", "p_rich", "--time-limit", "soon"), "--time-limit soon"),
        (("--teacher-predictions", "a=p_rich", "--teacher-predictions", "a=p_poor"), "has 'a' twice"),
        (("--teacher-predictions", "a=p_rich", "--teacher-predictions", "b=p_rich"), "has 'p_rich' twice"),
        (("--teacher-predictions", "p_rich", "--made", "3"), "--made needs --teacher FILE"),
        (
            ("--teacher", "t.onnx", "--out", "none/student.safetensors"),
            "cannot write none/student.safetensors",
        ),
    ],
)
def test_what_cannot_be(folder, cli, tmp_path, given, message):
    given = [folder / one if one == "people.csv" else one for one in given]
    out = () if "--out" in given else ("-o", tmp_path / "student.safetensors")
    code, _, said = cli("distill", folder / "people.csv", *given, *out)
    assert code == 2 and message in said and "Traceback" not in said
    assert not (tmp_path / "student.safetensors").exists()
