"""The page for a table, in a real browser."""

import datetime
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import tables

import lamina
from lamina import export_page, nd
from lamina.cli import main
from lamina.errors import LaminaError
from lamina.estimators.architecture import Architecture
from lamina.estimators.network import Ensemble, Network
from lamina.export import describe
from lamina.export.page_file import page_model, write_page
from lamina.nd.activation import ACTIVATIONS

N = 600
TINY = {"preset": "fast", "members": 2, "max_iter": 1, "hidden_layer_sizes": 8, "random_state": 0}
PREDICTED = "() => lamina.network.predict(lamina.model.examples.map(example => example.row))"


def table(rows=N, seed=0):
    """Numbers, some of them missing, far out or constant; categories of each kind; a class and a number."""
    rng = np.random.default_rng(seed)
    age, income = rng.integers(17, 91, rows), rng.lognormal(10, 1, rows)
    columns = {
        "age": age,
        "income": [None if i % 7 == 0 else x for i, x in enumerate(income.tolist())],
        "always": np.full(rows, 3.5),
        "answer": rng.choice(["yes", "no"], rows),
        "color": rng.choice(["red", "green", "blue", "grey", None], rows),
        "city": [f"city {i}" for i in rng.integers(0, 30, rows)],
        "member": rng.choice([True, False], rows),
    }
    frame = pl.DataFrame(columns, strict=False)
    price = age * 10 + (frame["member"].to_numpy() * 200) + rng.normal(0, 20, rows)
    size = np.where(price > 700, "large", np.where(price > 400, "middle", "small"))
    return frame.with_columns(price=price, size=pl.Series(size))


TABLE = table()
INPUTS = TABLE.drop("price", "size", "always")
UNSEEN = TABLE[:50].with_columns(pl.lit("elsewhere").alias("city"), income=pl.lit(1e300))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of the command line on both tasks."""
    folder = tmp_path_factory.mktemp("tables")
    TABLE.write_csv(folder / "data.csv")
    for target, other in (("size", "price"), ("price", "size")):
        with pytest.raises(SystemExit) as ended:
            main(
                ["train", str(folder / "data.csv"), "-t", target, "--drop", other, "--preset", "fast", "--epochs",
                 "8", "--hidden", "32", "-o", str(folder / target), "--quiet"]
            )  # fmt: skip
        assert ended.value.code == 0
    return folder


def agrees(opened, path, model, frame):
    """The page predicts a frame's rows as Python does; gives the page, whose examples they are."""
    export_page(model, path, examples=frame.rows(named=True))
    page = opened(path)
    found = np.array(page.evaluate(PREDICTED))
    if hasattr(model, "predict_proba"):
        assert np.abs(model.predict_proba(frame) - found).max() < 1e-5
    else:
        expected = model.predict(frame).reshape(len(frame), -1)
        scale = np.ptp(expected) or 1.0
        assert np.abs(expected - found).max() < 1e-5 * scale
    page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["size", "price"])
def test_a_run_predicts_many_rows_as_python_does(runs, opened, target, tmp_path):
    model = lamina.load(runs / target / "model.safetensors")
    agrees(opened, tmp_path / "page.html", model, table(400, seed=1).drop(target))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column 'city' has 1 value")
def test_values_that_training_did_not_have(runs, opened, tmp_path):
    for target in ("size", "price"):
        agrees(
            opened,
            tmp_path / "page.html",
            lamina.load(runs / target / "model.safetensors"),
            UNSEEN.drop(target),
        )


def activations_in_a_page(opened, path, names):
    """Numbers, and what a page says of them whose network has an output for each of these activations."""
    x, count = np.linspace(-8, 8, 101), len(names)
    model = lamina.MLPRegressor(**TINY | {"hidden_layer_sizes": 1}, preprocess=False).fit(x.reshape(-1, 1), x)
    described = describe(model)
    plain = {"number_embedding": False, "input_scale": False, "learned_activation": False, "ntk": False}
    members = [
        Network.from_state(
            Architecture(1, 1, (), count, (1,), name, 0.0, **plain),
            {
                "weight0": np.ones((1, 1), np.float32),
                "bias0": np.zeros(1, np.float32),
                "weight1": np.eye(1, count, i, np.float32) * count,
                "bias1": np.zeros(count, np.float32),
            },
        )
        for i, name in enumerate(names)
    ]
    one, wide = np.ones(count), np.full(count, 99.0)
    together = replace(
        described,
        network=Ensemble(members),
        output=replace(described.output, center=0 * one, scale=one, low=-wide, high=wide, flat=False),
    )
    write_page(together, path)
    found = opened(path).evaluate("x => lamina.network.predict(x.map(value => [value]))", x.tolist())
    return x, np.array(found).T


def test_every_activation(opened, tmp_path):
    x, found = activations_in_a_page(opened, tmp_path / "page.html", list(ACTIVATIONS))
    for name, own in zip(ACTIVATIONS, found, strict=True):
        expected = nd.Activation(nd.array(x, dtype="float64"), name).asnumpy()
        assert np.abs(expected - own).max() < 2e-6, name


@pytest.mark.slow
def test_an_activation_of_ones_own(opened, tmp_path, monkeypatch):
    """A function entered into the table is all that a page needs: it is emitted from the function's graph."""
    monkeypatch.setitem(ACTIVATIONS, "hard_swish", lambda x: x * nd.clip(x + 3, 0, 6) / 6)
    x, [found] = activations_in_a_page(opened, tmp_path / "one.html", ["hard_swish"])
    expected = np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6))  # Howard et al., 2019
    assert np.abs(expected - found).max() < 2e-6
    model = lamina.MLPClassifier(**TINY, activation="hard_swish").fit(INPUTS, TABLE["size"])
    assert describe(model).network.members[0].architecture.activation == "hard_swish"
    agrees(opened, tmp_path / "trained.html", model, INPUTS[:200])


def test_an_activation_that_javascript_has_not_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "special", lambda x: nd.erfinv(x / (1 + nd.abs(x))))
    model = lamina.MLPRegressor(**TINY, activation="special").fit(INPUTS, TABLE["price"])
    with pytest.raises(LaminaError, match="the operator 'erfinv' cannot be exported to a page"):
        export_page(model, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {"normalization": "batch"},
        {
            "preset": "realmlp",
            "members": 3,
            "max_iter": 1,
            "number_embedding": True,
            "normalization": "layer",
        },
        pytest.param({"preset": "sklearn"}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
def test_every_part_of_the_network(opened, tmp_path, asked):
    settings = TINY | asked
    agrees(
        opened, tmp_path / "a.html", lamina.MLPClassifier(**settings).fit(INPUTS, TABLE["size"]), INPUTS[:200]
    )


@pytest.mark.slow
def test_a_table_of_nothing_but_embedded_categories(opened, tmp_path):
    frame = INPUTS.select("city")
    model = lamina.MLPRegressor(**TINY).fit(frame, TABLE["price"])
    assert model.fitted_.encoder.code_names and not model.fitted_.encoder.numeric_names
    agrees(opened, tmp_path / "page.html", model, frame[:50])


@pytest.mark.slow
def test_quantiles_are_in_order(opened, tmp_path):
    levels = [0.1, 0.3, 0.5, 0.7, 0.9]
    model = lamina.MLPRegressor(**TINY, loss="quantile", quantile=levels).fit(INPUTS, TABLE["price"])
    outputs = model.fitted_.outputs(model.fitted_.encode(INPUTS))
    assert (np.diff(outputs, axis=1) < 0).any()
    agrees(opened, tmp_path / "quantiles.html", model, INPUTS[:200])


@pytest.mark.slow
def test_several_labels_several_targets_and_counts(opened, tmp_path):
    X = np.random.default_rng(0).normal(size=(80, 3))
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    labels = (X[:, :2] > 0).astype(int)
    model = lamina.MLPClassifier(**TINY).fit(X, labels)
    export_page(
        model, tmp_path / "labels.html", examples=[dict(zip(["x0", "x1", "x2"], x, strict=True)) for x in X]
    )
    page = opened(tmp_path / "labels.html")
    assert np.abs(np.array(page.evaluate(PREDICTED)) - model.predict_proba(X)).max() < 1e-5
    assert page.locator("#output option").count() == 2
    counts = lamina.MLPRegressor(**TINY, loss="poisson").fit(frame, np.exp(X[:, :2]).round())
    agrees(opened, tmp_path / "counts.html", counts, frame)
    page = opened(tmp_path / "counts.html")
    assert page.text_content("#predicted").count("prediction ") == 2
    assert page.locator("#examples .truth").nth(1).text_content() == "Row 2"


@pytest.mark.slow
def test_a_threshold_decides(opened, tmp_path):
    y = np.where(TABLE["size"] == "large", "large", "other")
    plain = lamina.MLPClassifier(**TINY | {"linear_path": False}).fit(INPUTS, y)
    share = float(np.median(plain.predict_proba(INPUTS)[:, 0]))
    model = lamina.MLPClassifier(**TINY | {"linear_path": False}, threshold=share).fit(INPUTS, y)
    export_page(model, tmp_path / "page.html", examples=INPUTS[:40].rows(named=True))
    page = opened(tmp_path / "page.html")
    assert "large is predicted at probabilities of" in page.text_content("#followed-one")
    said = []
    for card in page.query_selector_all("#examples button"):
        card.click()
        said.append(page.text_content("#predicted"))
    assert said == model.predict(INPUTS[: len(said)]).tolist()
    assert set(said) == {"large", "other"}
    assert said != plain.predict(INPUTS[: len(said)]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("unit", [pytest.param(1e-30, marks=pytest.mark.slow), 1e200])
def test_numbers_of_any_size_fit_into_the_page(opened, tmp_path, unit):
    """Examples' truths and the curves' numbers are written with powers of ten, not with hundreds of digits."""
    x = np.linspace(-1, 1, 60)
    pl.DataFrame({"x": x, "y": (2 * x + 1) * unit}).write_csv(tmp_path / "data.csv")
    asked = (
        ["-t", "y", "--task", "regression", "--preset", "fast", "--epochs", "1", "--hidden", "8", "--quiet"]
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path / "data.csv"), *asked, "-o", str(tmp_path / "run")])
    assert ended.value.code == 0
    page = opened(tmp_path / "run" / "page.html")
    page.wait_for_selector("#curves svg text.end")
    shown = page.locator("#examples .truth").all_text_contents()
    ticks = page.locator("#curves svg text.end").all_text_contents()
    assert len(shown) == 6 and all(len(text) <= 13 for text in shown), shown  # -1.23456e+200
    assert all(len(text) <= 7 for text in ticks), ticks  # what there is room for beside the axis


@pytest.mark.slow
def test_a_field_changed_with_the_keyboard_changes_the_prediction(runs, opened):
    page = opened(runs / "price/page.html")
    assert page.locator("#examples button").count() == 6
    page.get_by_label("age", exact=True).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("20")
    low = page.text_content("#predicted")
    page.keyboard.press("Control+a")
    page.keyboard.type("90")
    high = page.text_content("#predicted")
    assert float(high.replace(",", "")) > float(low.replace(",", "")) + 300
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    assert (
        page.evaluate("lamina.form.row[lamina.model.inputs.columns.findIndex(c => c.name === 'age')]") is None
    )
    assert page.locator(".field.missing .note").first.text_content() == "missing"
    page.keyboard.type("--5")
    other = "not a number such as 30.5: counts as missing"
    assert page.locator(".field.missing .note").first.text_content() == other
    age = "lamina.form.row[lamina.model.inputs.columns.findIndex(c => c.name === 'age')]"
    for typed, value in (("30,5", 30.5), ("1,234", None), ("30,", None), ("-2,25", -2.25), ("3e1", 30)):
        page.get_by_label("age", exact=True).focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(typed)
        assert page.evaluate(age) == value, typed
    page.get_by_label("age, slider").focus()
    page.keyboard.press("End")
    assert page.get_by_label("age", exact=True).input_value() == "90"
    assert page.text_content("#predicted") == high
    page.get_by_label("age", exact=True).fill("200")
    assert page.locator("#field-0-note, .note", has_text="beyond what training had").count() == 1
    page.get_by_label("city", exact=True).focus()
    page.keyboard.type("city 7")
    assert (
        page.get_by_label("city", exact=True).evaluate("select => select.selectedOptions[0].text") == "city 7"
    )


@pytest.mark.slow
def test_curves_show_what_the_model_predicts_and_can_be_clicked(runs, opened):
    page = opened(runs / "price/page.html")
    chart = page.locator("figure", has_text="age").locator("svg")
    chart.wait_for()
    label = chart.get_attribute("aria-label")
    assert label.startswith("Prediction by age: lowest ") and " highest " in label
    box = chart.bounding_box()
    page.mouse.click(box["x"] + 0.97 * box["width"], box["y"] + box["height"] / 2)
    assert page.get_by_label("age", exact=True).input_value() == "90"
    page.locator("figure", has_text="member").locator(".line", has_text="true").click()
    assert (
        page.get_by_label("member", exact=True).evaluate("select => select.selectedOptions[0].text") == "true"
    )


@pytest.mark.slow
def test_the_nearest_example_is_marked_and_can_be_chosen(runs, opened):
    page = opened(runs / "size/page.html")
    buttons = page.locator("#examples button")
    truths = [buttons.nth(i).locator(".truth").text_content() for i in range(6)]
    assert sorted(set(truths)) == ["large", "middle", "small"]
    buttons.nth(4).click()
    assert buttons.nth(4).locator(".badge").text_content() == "this row"
    assert page.locator("[aria-current=true]").count() == 1
    page.get_by_label("age, slider").press("ArrowRight")
    assert page.locator("#examples .badge:not(:empty)").text_content() == "nearest"


@pytest.mark.slow
@pytest.mark.parametrize(
    "target, width, scheme",
    [
        pytest.param("size", 1200, "dark", marks=pytest.mark.slow),
        ("size", 360, "light"),
        pytest.param("price", 360, "dark", marks=pytest.mark.slow),
    ],
)
def test_anybody_can_use_it(runs, opened, accessible, target, width, scheme):
    page = opened(runs / target / "page.html", width, color_scheme=scheme)
    page.locator("figure svg").first.wait_for()
    accessible(page)


def test_hostile_names_and_values_are_text(opened, accessible, tmp_path):
    names = [
        "</script><script>alert(1)</script>",
        "{{weights}}",
        "<!--",
        "'\"><img src=x onerror=alert(2)>",
        " ",
    ]
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.normal(size=90) for name in names})
    values = [f"</script>{mark}<b>" for mark in ("\u2028", "\u202e", "\x1b", "'", '"', "&lt;", "a" * 5000)]
    frame = frame.with_columns(pl.Series("category", [values[i % 7] for i in range(90)]))
    y = [("<script>alert(3)</script>", "]]>\u2029")[i % 2] for i in range(90)]
    model = lamina.MLPClassifier(**TINY).fit(frame, y)
    rows = frame[:3].rows(named=True)
    strange = {name: [{"<b>": 10**400}] for name in [*names, "category", "y"]} | {
        names[0]: 10**400,
        names[1]: "1e999",
    }
    export_page(model, tmp_path / "page.html", examples=[*rows, strange])
    source = (tmp_path / "page.html").read_text("utf-8")
    assert source.isprintable() or not set("\u2028\u2029\u202e\x1b") & set(source)
    assert source.count("</script>") == 3
    page = opened(tmp_path / "page.html", 360)
    assert page.locator("form label").first.text_content() in {*names, "(empty)", "category"}
    assert page.locator("img, form script, form b").count() == 0
    found = page.evaluate(PREDICTED)
    assert np.abs(model.predict_proba(frame[:3]) - found[:3]).max() < 1e-5
    accessible(page)


def test_examples_have_dates_as_training_wrote_them_or_as_days():
    days = pl.date_range(datetime.date(2020, 2, 13), datetime.date(2020, 12, 31), eager=True)
    frame = pl.DataFrame({"when": days.dt.strftime("%d/%m/%Y")})
    model = lamina.MLPRegressor(**TINY).fit(frame, np.arange(len(frame)) / 99)
    examples = [{"when": when} for when in ("13/02/2020", 18305.0, datetime.date(2020, 2, 13), None)]
    content, _ = page_model(describe(model), examples)
    assert [one["row"] for one in content["examples"]] == [[18305], [18305], [18305], [None]]


@pytest.mark.slow
def test_dates_and_times_are_shown_and_read_as_such(opened, accessible, tmp_path):
    at = [datetime.datetime(2011, 10, 2, 12) + datetime.timedelta(hours=7 * i) for i in range(100)]
    clocks = [datetime.time(i % 24, 30) for i in range(100)]
    lasts = [datetime.timedelta(seconds=i) for i in range(100)]
    frame = pl.DataFrame({"when": map(str, at), "at": clocks, "lasts": lasts})
    model = lamina.MLPRegressor(**TINY).fit(frame, np.arange(100) / 30)
    agrees(opened, tmp_path / "page.html", model, frame[:6])
    page = opened(tmp_path / "page.html")
    accessible(page)
    assert page.evaluate("lamina.model.examples[0].row") == [15249.5, 1800, 0]
    ranges = {"2011-10-02 12:00 … 2011-10-31 09:00", "00:30 … 23:30", "0 … 99 (seconds)"}
    assert set(page.locator(".range").all_text_contents()) == ranges
    page.locator("#curves svg").nth(2).wait_for()
    ends = set(page.locator("#curves svg > text").all_text_contents())
    assert {"2011-10-02", "2011-10-31", "00:30", "23:30", "0", "99"} <= ends
    page.locator("#examples button").first.click()
    when, clock = page.get_by_label("when", exact=True), page.get_by_label("at", exact=True)
    assert (when.input_value(), clock.input_value()) == ("2011-10-02 12:00", "00:30")
    assert "2011-10-02 12:00" in page.locator("#examples button").first.text_content()
    for text, days in (
        ("1969-12-31", -1), ("2011/10/3 6:00 pm", 15250.75), ("15249.5", 15249.5), ("0099-02-28T00:00", -683310),
        ("2011-02-30", None), ("3/4/2011", None), ("2011-10-02 24:00", None), ("", None),
    ):  # fmt: skip
        when.fill(text)
        assert page.evaluate("lamina.form.row[0]") == days, text
        note = page.locator(f"#{when.get_attribute('id')}-note").text_content()
        assert ("not a date such as" in note) == (days is None and text != ""), text
    for text, seconds in (
        ("13:45:10.5", 49510.5),
        ("12:01 am", 60),
        ("12:01 a.\u00a0m.", 60),  # as browsers write it in Spanish
        ("0:01", 60),
        ("60", 60),
        ("noon", None),
    ):
        clock.fill(text)
        assert page.evaluate("lamina.form.row[1]") == seconds, text


@pytest.mark.slow
def test_days_are_slid_through_without_times(opened, tmp_path):
    frame = pl.DataFrame({"when": [datetime.date(2011, 10, 2) + datetime.timedelta(i) for i in range(31)]})
    model = lamina.MLPRegressor(**TINY).fit(frame, np.arange(31) / 30)
    agrees(opened, tmp_path / "page.html", model, frame)
    page = opened(tmp_path / "page.html")
    page.get_by_label("when, slider").fill("15254")
    assert page.get_by_label("when", exact=True).input_value() == "2011-10-07"
    assert page.get_by_label("when, slider").get_attribute("step") == "1"


@pytest.mark.slow
def test_the_curve_of_a_rough_column_is_its_smooth_part(opened, accessible, tmp_path):
    X, y = tables.rough_table()
    frame = pl.DataFrame({"code": X[:, 0], "size": X[:, 1]})
    model = lamina.MLPRegressor(**TINY | {"preset": "realmlp", "members": 1}).fit(frame, y)
    assert model.fitted_.network.members[0].architecture.exact == (1, 0)
    export_page(model, tmp_path / "page.html")
    page = opened(tmp_path / "page.html")
    rough, smooth = (
        page.locator(".curves figure", has=page.get_by_text(name, exact=True)) for name in frame.columns
    )
    assert "repeated values are learned one by one" in rough.text_content()
    assert "one by one" not in smooth.text_content()
    accessible(page)
    both = pl.concat([frame[:20], frame[:20].with_columns(pl.col("code") + 0.5)])
    agrees(opened, tmp_path / "values.html", model, both)


@pytest.mark.slow
def test_very_many_columns_and_categories(opened, accessible, tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"column {i}": rng.normal(size=600) for i in range(100)})
    frame = frame.with_columns(pl.Series("town", [f"town {i % 250}" for i in range(600)]))
    model = lamina.MLPRegressor(**TINY, column_kinds={"town": "categorical"}).fit(
        frame, frame["column 7"].to_numpy() * 9
    )
    export_page(model, tmp_path / "page.html", examples=frame[:2].rows(named=True))
    page = opened(tmp_path / "page.html", 360)
    assert page.locator(".field").count() == 16
    page.locator("summary").click()
    page.locator(".field").nth(100).wait_for()
    field = page.get_by_label("town", exact=True)
    field.fill("town 69")
    assert page.locator("datalist option").first.get_attribute("value") == "town 69"
    assert page.evaluate("lamina.form.row[100]") == 1 + sorted(set(frame["town"])).index("town 69")
    field.fill("nowhere")
    assert page.evaluate("lamina.form.row[100]") == 0
    assert page.locator("figcaption").first.text_content() in frame.columns
    accessible(page)


@pytest.mark.slow
@pytest.mark.parametrize("train", [pytest.param(tables.classifier, marks=pytest.mark.slow), tables.regressor])
@pytest.mark.filterwarnings("ignore:left out 1 column with the same value")
def test_networks_of_different_architectures_with_shares_of_their_own(train, opened, tmp_path):
    agrees(opened, tmp_path / "page.html", tables.mixture(train), tables.training_table())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:left out 1 column with the same value")
@pytest.mark.filterwarnings("ignore:the optimizer reached max_iter")
def test_constrained_quantiles_of_different_networks(opened, tmp_path):
    agrees(opened, tmp_path / "page.html", tables.everything_at_once(), tables.training_table())


def test_years_have_no_separator(opened, tmp_path):
    year = np.arange(1950, 2010)
    frame = pl.DataFrame({"year": year})
    model = lamina.MLPRegressor(**TINY).fit(frame, np.sin(year))
    agrees(opened, tmp_path / "page.html", model, frame)
    page = opened(tmp_path / "page.html")
    shown = page.inner_text("#examples") + page.inner_text("#curves")
    assert "1950" in shown
    assert "1,950" not in shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::lamina.table.messages.DataWarning")
def test_objects_in_json_have_a_field_for_each_key(opened, tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"sprint": [json.dumps({"id": int(i), "state": "ab"[i % 2]}) for i in rng.permutation(90)]}
    )
    model = lamina.MLPRegressor(**TINY).fit(frame, rng.normal(size=90))
    agrees(opened, tmp_path / "page.html", model, frame)
    page = opened(tmp_path / "page.html")
    assert page.locator("form label").all_text_contents() == ["sprint: id", "sprint: state"]
