"""Answers are those of the run in Python, bit for bit, in every format and whatever is computed beside them."""

import asyncio
import datetime
import io
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from serving import RUNS

from lamina.runs.run_folder import open_run
from lamina.serve._batching import Batcher
from lamina.serve._errors import Limits, RequestError
from lamina.serve._model import load_model
from lamina.serve._rows import TableRows
from lamina.table.formats.arrays import pixel_frame
from lamina.table.kinds import infer

ROWS = 60


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "x": random.normal(size=ROWS),
            "gap": [None if i % 5 == 0 else float(i % 11) / 2 for i in range(ROWS)],
            "color": [(None, "red", "green", "blue")[i % 4] for i in range(ROWS)],
            "city": [f"city {(0, 4, 11)[i % 3]}" for i in range(ROWS)],
            "member": [("yes", "no", None)[i % 3] for i in range(ROWS)],
        }
    )


def expected(name, frame):
    """Labels or values, and the probabilities, from the run."""
    model, _ = open_run(RUNS[name])
    outputs = model.outputs(frame)
    if outputs.ndim == 1:
        return [{"value": value} for value in outputs.tolist()]
    classes = model.estimator.classes_.tolist()
    return [
        {
            "label": classes[row.argmax()],
            "probabilities": dict(zip(map(str, classes), row.tolist(), strict=True)),
        }
        for row in outputs
    ]


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def bodies(frame):
    return {
        "rows": (json.dumps({"rows": frame.to_dicts()}).encode(), "application/json"),
        "columns": (json.dumps({"columns": frame.to_dict(as_series=False)}).encode(), "application/json"),
        "csv": (frame.write_csv().encode(), "text/csv; charset=utf-8"),
        "file": (written(frame.write_ipc), "application/vnd.apache.arrow.file"),
        "stream": (written(frame.write_ipc_stream), "application/vnd.apache.arrow.stream"),
        "parquet": (written(frame.write_parquet), "application/vnd.apache.parquet"),
    }


@pytest.mark.few(6)
@pytest.mark.parametrize("name", ["prices", "kinds"])
@pytest.mark.parametrize("form", ["rows", "columns", "csv", "file", "stream", "parquet"])
def test_every_format_gives_what_the_run_predicts(server, frame, name, form):
    body, kind = bodies(frame)[form]
    assert server.predictions(name, body, kind) == expected(name, frame)


@pytest.mark.parametrize("name", ["prices", "kinds"])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(server, frame, name):
    rows = frame.to_dicts()
    together = server.predictions(name, {"rows": rows * 5})
    alone = [server.predictions(name, {"rows": [row]})[0] for row in rows]
    assert alone * 5 == together


@pytest.mark.parametrize("name", ["prices", "digits"])
def test_requests_at_the_same_time_get_their_own_rows(server, frame, name):
    if name == "digits":
        pixels = np.random.default_rng(2).integers(0, 256, (ROWS, 784)).tolist()
        rows = pixels
    else:
        rows = frame.to_dicts()
    whole = server.predictions(name, {"rows": rows})

    def ask(i):
        size = 1 + i % 5
        begin = (7 * i) % (ROWS - size)
        return server.predictions(name, {"rows": rows[begin : begin + size]}) == whole[begin : begin + size]

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(200)))


def test_requests_of_one_turn_of_the_event_loop_are_one_batch(frame):
    model = load_model(RUNS["kinds"], Limits())
    alone = [model.bodies.of_rows([row], 1) for row in frame.head(9).rows(named=True)]
    batcher = Batcher(lambda batch: None, lambda waiting: None)

    async def asked():
        return await asyncio.gather(*(batcher.outputs(model, inputs) for inputs in alone))

    answers = asyncio.run(asked())
    batcher.end()
    assert len({batch for _, batch in answers}) == 1
    assert answers[0][1].requests == answers[0][1].rows == 9
    for inputs, (outputs, _) in zip(alone, answers, strict=True):
        np.testing.assert_array_equal(outputs, model.outputs(inputs.arrays))


def test_one_wrong_request_does_not_disturb_those_in_its_batch(server, frame):
    rows = frame.to_dicts()
    right = server.predictions("prices", {"rows": rows[:3]})
    infinite = b"x,gap,color,city,member\n1,2,red,city 4,yes\ninf,2,red,city 4,yes\n"

    def ask(i):
        if i % 3:
            return server.predictions("prices", {"rows": rows[:3]}) == right
        answer = server.predict("prices", infinite, "text/csv")
        return answer.status == 422 and "'x'" in answer.message and "row 1" in answer.message

    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(ask, range(90)))


def png(pixels):
    """A grey PNG, written without the library that reads it."""
    height, width = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


@pytest.mark.slow
def test_digits_are_answered_from_pixels_and_from_pictures(server):
    from lamina import nd
    from lamina.datasets import mnist
    from lamina.recipes.run import network_of_run

    images = mnist().test_images[:20]
    network = network_of_run(RUNS["digits"])
    scores = network(nd.array(images.reshape(20, 784), dtype=np.uint8)).asnumpy().astype(np.float64)
    answers = server.predictions("digits", {"rows": images.reshape(20, 784).tolist()})
    found = np.array([list(answer["probabilities"].values()) for answer in answers])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-9)
    assert [answer["label"] for answer in answers] == scores.argmax(axis=1).tolist()
    for image, answer in zip(images[:3], answers, strict=False):
        assert server.predictions("digits", png(image), "image/png") == [answer]
    table = io.BytesIO()
    pixel_frame("pictures", images).write_csv(table)
    assert server.predictions("digits", table.getvalue(), "text/csv") == answers
    drawn = 255 - np.kron(images[0], np.ones((5, 5), np.uint8))  # large, and dark on light
    assert server.predictions("digits", png(drawn), "image/png")[0]["label"] == answers[0]["label"]


def test_what_does_not_count_is_noted(server, frame):
    row = frame.to_dicts()[1] | {"color": "mauve", "colour": 1}
    answer = server.predict("prices", {"rows": [frame.to_dicts()[1], row]}).json
    assert answer["notes"] == [
        "ignored 1 column that the model was not trained on: 'colour'",
        "row 1, column 'color': training did not have 'mauve'; it counts as missing",
    ]
    row["color"] = None
    assert answer["predictions"][1] == server.predictions("prices", {"rows": [row]})[0]


def test_answers_say_model_and_version(server, frame):
    import hashlib

    answer = server.predict("kinds", {"rows": frame.to_dicts()[:1]}).json
    digest = hashlib.sha256((RUNS["kinds"] / "model.safetensors").read_bytes()).hexdigest()
    assert (answer["model"], answer["version"]) == ("kinds", digest[:16])


def test_times_of_day_are_texts_or_seconds():
    frame = pl.DataFrame({"at": ["9:30", "13:45"], "x": [1.0, 2.0]})
    rows = TableRows(infer(frame))
    expected = rows.of_frame(frame).arrays[0]
    np.testing.assert_array_equal(expected[:, 0], [34200, 49500])
    for at in (["9:30", "13:45:00"], [34200, "13:45"], [34200, 49500.0]):
        objects = [{"at": value, "x": x} for value, x in zip(at, (1.0, 2.0), strict=True)]
        np.testing.assert_array_equal(rows.of_objects(objects).arrays[0], expected)
        np.testing.assert_array_equal(rows.of_columns({"at": at, "x": [1.0, 2.0]}).arrays[0], expected)
    odd = ["9:30", "noon", "soon", "NA"]
    for found in (
        rows.of_columns({"at": odd, "x": [1.0] * 4}),
        rows.of_frame(pl.DataFrame({"at": odd, "x": [1.0] * 4})),
    ):
        np.testing.assert_array_equal(found.arrays[0][:, 0], [34200, np.nan, np.nan, np.nan])
        assert found.notes == (
            "row 1, column 'at': 'noon' is not a time of day; it counts as missing (and 1 more)",
        )


def test_dates_are_texts_or_days():
    frame = pl.DataFrame({"day": ["2011-10-02", "2011-10-03 12:00"], "x": [1.0, 2.0]})
    rows = TableRows(infer(frame))
    expected = rows.of_frame(frame).arrays[0]
    np.testing.assert_array_equal(expected[:, 0], [15249, 15250.5])
    for day in (["2011/10/2", "2011-10-03T14:00+02:00"], [15249, "2011-10-03 12:00"], [15249, 15250.5]):
        objects = [{"day": value, "x": x} for value, x in zip(day, (1.0, 2.0), strict=True)]
        np.testing.assert_array_equal(rows.of_objects(objects).arrays[0], expected)
        np.testing.assert_array_equal(rows.of_columns({"day": day, "x": [1.0, 2.0]}).arrays[0], expected)
    missing = rows.of_columns({"day": [None, "2011-10-02"], "x": [1.0, 2.0]}).arrays[0]
    np.testing.assert_array_equal(missing[:, 0], [np.nan, 15249])
    odd = ["2011-10-02", "soon"]
    found, of_file = (
        rows.of_columns({"day": odd, "x": [1.0, 2.0]}),
        rows.of_frame(frame.with_columns(day=pl.Series(odd))),
    )
    for one in (found, of_file):
        np.testing.assert_array_equal(one.arrays[0][:, 0], [15249, np.nan])
        assert one.notes == ("row 1, column 'day': 'soon' is not a date; it counts as missing",)
    typed = frame.with_columns(
        day=pl.Series([datetime.datetime(2011, 10, 2), datetime.datetime(2011, 10, 3, 12)])
    )
    with pytest.raises(RequestError, match="has type Datetime; in training it had type String"):
        rows.of_frame(typed)
    np.testing.assert_array_equal(TableRows(infer(typed)).of_frame(typed).arrays[0], expected)


def test_numbers_that_are_no_dates_or_times_are_refused():
    rows = TableRows(infer(pl.DataFrame({"day": ["2011-10-02", "2011-10-03"], "at": ["9:30", "13:45"]})))
    for day in (20111002, 10**400):
        for given in (
            lambda day=day: rows.of_objects([{"day": 15249, "at": 60}, {"day": day, "at": 60}]),
            lambda day=day: rows.of_columns({"day": [15249, day], "at": [60, 60]}),
        ):
            with pytest.raises(
                RequestError, match=r"row 1, column 'day': .* is not a date .*days since 1970"
            ):
                given()
    with pytest.raises(
        RequestError, match=r"column 'at': 134510 is not a time of day, nor .* seconds since midnight"
    ):
        rows.of_columns({"day": [15249], "at": [134510]})


def test_what_a_date_may_be_is_described():
    column = infer(pl.DataFrame({"day": ["2011-10-02", "2011-10-12"], "x": [1.0, 2.0]}))["day"]
    described = column.type.json_schema(column)
    assert described["type"] == ["number", "string", "null"]
    said = "(days since 1970-01-01), or a text such as 2011-10-02 or 2011-10-02 13:45; in training from 2011-10-02 to"
    assert said in described["description"]
    assert column.type.example(column) == "2011-10-07"


def test_several_numbers_and_objects_are_described_by_an_example():
    frame = pl.DataFrame(
        {
            "pressure": [f"{95 + i % 40}/{60 + i % 30}" for i in range(90)],
            "at": [f'{{"a": {i}, "b": 1.5}}' for i in range(90)],
        }
    )
    for column, like in zip(
        infer(frame).columns, ("Such as 95/60. null", 'Such as {"a":44.5}. null'), strict=True
    ):
        assert column.type.json_schema(column)["description"].startswith(like)


def test_what_a_time_of_day_may_be_is_described():
    column = infer(pl.DataFrame({"at": ["0:07", "23:59"], "x": [1.0, 2.0]}))["at"]
    said = "(seconds since midnight), or a text such as 13:45; in training from 00:07 to 23:59. null"
    assert said in column.type.json_schema(column)["description"]
    assert column.type.example(column) == "12:03"
