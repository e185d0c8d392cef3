"""What is wrong with a request is said with its row and its column, and never with 500."""

import json

import pytest
from serving import RUNS

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}


def rows(*changes):
    return {"rows": [{**ROW, **change} for change in changes]}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (
            rows({}, {}, {}, {"x": "abc"}),
            422,
            "row 3, column 'x': 'abc' is not a number",
        ),
        (rows({"x": True}), 422, "row 0, column 'x': true is not a number"),
        (rows({"x": [1]}), 422, "row 0, column 'x': an array is not a number"),
        (
            rows({"color": {"a": 1}}),
            422,
            "row 0, column 'color': an object is not a text, a number, true or false",
        ),
        (rows({"x": "1"}, {"gap": {}}), 422, "row 0, column 'x': '1' is not a number (and 1 more)"),
        (rows({"x": 10**400}), 422, "row 0, column 'x': a whole number with very many digits is beyond"),
        ({"rows": [{k: v for k, v in ROW.items() if k != "x"}]}, 422, "row 0, column 'x': is absent"),
        ({"rows": [ROW, 7]}, 422, "row 1: is not an object"),
        ({"rows": []}, 422, "there are no rows"),
        ({"rows": {}}, 422, '"rows" must be an array of objects'),
        ({"columns": {k: [v] for k, v in ROW.items()} | {"gap": [1, 2]}}, 422, "column 'gap': has 2 values, but"),
        ({"columns": {"x": [1]}}, 422, "column 'gap': is absent"),
        ({"columns": {"x": 1}}, 422, "column 'x': is not an array"),
        ({"rows": [ROW], "columns": {}}, 422, "the body is another object"),
        ([ROW], 422, "the body is an array"),
        (b"", 400, "the body is not JSON"),
        (b'{"rows": [{"x": NaN}]}', 400, "JSON has no NaN"),
        (b'{"rows": [{"x": -Infinity}]}', 400, "JSON has no NaN"),
        (b'{"rows": [{"x": 1e999}]}', 400, "the body is not JSON: Number out of range"),
        (b'{"rows": [{"x": 1, "x": 2}]}', 400, "the key 'x' twice"),
        (b'{"rows": [], "rows": [1]}', 400, "the key 'rows' twice"),
        (b'{"rows": [{"color": "\\ud800"}]}', 400, "the body is not JSON"),
        (b'{"rows": [{"color": "\xff"}]}', 400, "the body is not JSON"),
        (b"[" * 100_000, 413, "more arrays and objects"),
        (b"[" * 30_000, 400, "the body's arrays and objects are nested too deeply"),
        (b'{"rows": [' + b"{}," * 20_000 + b"{}]}", 413, "20,001 rows or more, but at most 10,000"),
    ],
)  # fmt: skip
def test_json_that_is_not_a_request(server, body, status, message):
    answer = server.predict("prices", body)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert message in answer.message
    assert "\n" not in answer.message


def test_each_wrong_value_is_named(server):
    answer = server.predict("prices", rows({"x": "a"}, {"x": "b", "member": []}))
    assert [(p["row"], p["column"]) for p in answer.json["error"]["problems"]] == [
        (0, "x"), (1, "x"), (1, "member"),
    ]  # fmt: skip
    many = server.predict("prices", rows(*[{"x": "a"}] * 5000)).json["error"]
    assert len(many["problems"]) == 20


def test_text_formats_name_row_and_column_too(server):
    content = b"x,gap,color,city,member\n1,2,red,city 4,yes\n" + b"abc,2,red,city 4,yes\n" * 2
    answer = server.predict("prices", content, "text/csv")
    assert answer.status == 200
    assert "row 1, column 'x': 'abc' is not a number; it counts as missing (and 1 more)" in str(answer.json)
    answer = server.predict("prices", content + b"abc,2,red,city 4,yes\n" * 30, "text/csv")
    assert answer.status == 422
    assert "column 'x': 32 of 33 values could not be read as a number" in answer.message


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b"x,gap\n1\n", "text/csv", 400, "the body can't be read: the body, line 2"),
        (b"x,gap\n1,2\n", "text/csv", 422, "lacks 3 columns"),
        (b"", "text/csv", 400, "the body can't be read: the body is empty"),
        (b"x" + b"," * 50_000, "text/csv", 413, "50,001 fields"),
        (b"x\n" + b"1\n" * 10_001, "text/csv", 413, "10,001 rows"),
        (
            b"PAR1 but not so",
            "application/vnd.apache.parquet",
            400,
            "can't be read as application/vnd.apache.parquet",
        ),
        (b"ARROW1", "application/vnd.apache.arrow.file", 400, "read as application/vnd.apache.arrow.file: "),
        (b"", "application/vnd.apache.arrow.stream", 400, "the body can't be read"),
        (b"{}", "application/x-pickle", 415, "this model takes application/json, text/csv"),
        (b"{}", None, 415, "is unknown"),
        (b"{}", "application/json; charset=utf-16", 415, "send UTF-8"),
        (b"{}", "image/png", 415, "is unknown"),
    ],
)
def test_other_bodies_that_are_not_a_request(server, body, kind, status, message):
    answer = server.predict("prices", body, kind)
    assert (answer.status, message in answer.message) == (status, True), answer.content


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        ({"rows": [[0] * 783]}, "application/json", 422, "row 0: has 783 values"),
        (
            {"rows": [[0] * 784, [0] * 783 + [256]]},
            "application/json",
            422,
            "row 1, column 'pixel_783': 256 is not",
        ),
        ({"rows": [[0.5] * 784]}, "application/json", 422, "is not a whole number from 0"),
        ({"rows": [[True] * 784]}, "application/json", 422, "is not a whole number from 0"),
        ({"columns": {}}, "application/json", 422, "there are no rows"),
        ({"columns": {"pixel_0": [1]}}, "application/json", 422, "column 'pixel_1': is absent"),
        ({"pixels": []}, "application/json", 422, "another object"),
        (b"GIF89a", "image/png", 400, "not a PNG picture"),
        (b"\x89PNG\r\n\x1a\n", "image/png", 400, "not a readable picture"),
    ],
)
def test_what_is_no_digit(server, body, kind, status, message):
    answer = server.predict("digits", body, kind)
    assert (answer.status, message in answer.message) == (status, True), answer.content


def test_a_picture_that_claims_very_many_pixels(server):
    import struct
    import zlib

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 5_000, 5_000, 8, 0, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    answer = server.predict("digits", bomb, "image/png")
    assert (answer.status, "at most 4,194,304 are read" in answer.message) == (400, True)


def test_compressed_bodies_are_refused_before_they_are_unpacked(server):
    import gzip

    bomb = gzip.compress(bytes(1 << 26))
    for encoding in ("gzip", "br", "gzip, gzip", "zstd"):
        answer = server.predict("prices", bomb, Content_Encoding=encoding)
        assert (answer.status, "compressed" in answer.message) == (415, True)
    # without a word of it: a format that lamina unpacks for files, within bounds
    assert server.predict("prices", bomb).status == 400


def test_names_of_any_script_and_none(server):
    answer = server.ask("/v1/models/%F0%9F%92%A9%00%1b[2J/predict", rows({}))
    assert answer.status == 404
    for name in ("..%2f..%2fetc", "%ff", "a" * 5000, "prices%00"):
        assert server.ask(f"/v1/models/{name}/predict", rows({})).status == 404
    assert server.ask("/v1/models/price").json["error"]["message"].endswith("Did you mean 'prices'?")
    row = {"é" * 100 + "\x1b[2J\u202e": 1, **ROW}
    answer = server.predict("prices", {"rows": [row]})
    assert answer.status == 200
    assert "\x1b" not in json.dumps(answer.json["notes"][0], ensure_ascii=False)


def test_methods_and_addresses(server):
    assert server.ask("/v1/models/prices/predict").status == 405
    assert "POST" in server.ask("/v1/models/prices/predict").headers["Allow"]
    assert server.ask("/metrics", b"").status == 405
    assert server.ask("/etc/passwd").status == 404
    assert server.ask("/healthz").json == {"status": "alive"}
    assert server.ask("/readyz").json == {"status": "ready"}


@pytest.mark.slow
def test_limits_of_size_and_rows(limited):
    one = limited
    assert one.predict("regression", rows({}, {}, {})).status == 200
    assert one.predict("regression", rows({}, {}, {}, {})).status == 413
    answer = one.predict("regression", b" " * ((1 << 20) + 1))
    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    assert one.predict("regression", b" " * (1 << 20)).status == 400
    assert one.predict("regression", bytes(30 << 20)).status == 413


@pytest.mark.slow
@pytest.mark.parametrize("of", ["file", pytest.param("environment", marks=pytest.mark.slow)])
def test_the_token(serving, tmp_path, of):
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    if of == "file":
        one = serving(RUNS["prices"], "--token-file", file)
    else:
        one = serving(RUNS["prices"], environment={"LAMINA_SERVE_TOKEN": "s3cret"})
    assert not any("s3cret" in line for line in one.shown)
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
        refused = one.ask(path)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert one.ask(path, Authorization="Bearer s3cre").status == 401
        assert one.ask(path, Authorization="Basic s3cret").status == 401
    assert one.ask("/v1/models", Authorization="bearer s3cret").status == 200
    assert one.ask("/healthz").status == one.ask("/readyz").status == 200
    security = one.ask("/openapi.json", Authorization="Bearer s3cret").json["security"]
    assert security == [{"token": []}]
