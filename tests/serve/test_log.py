"""What a server writes: a line for each request as text or JSON, by level, with ids that answers have too."""

import json
import logging
import os
import re
import threading
import time

import pytest
from serving import RUNS

from lamina.cli import main
from lamina.serve._log import ACCESS, EVENTS, Seen, logging_to_stderr, request_id

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
PREDICT = "/v1/models/regression/predict"


def _ask(one):
    """A prediction, a refusal, something that is not there, a probe."""
    return [
        one.ask(PREDICT, {"rows": [ROW, ROW]}, X_Request_ID="order-17"),
        one.ask(PREDICT, {"rows": []}, X_Request_ID='evil "id"'),
        one.ask("/nowhere%0a/here"),
        one.ask("/healthz"),
    ]


@pytest.mark.slow
def test_a_line_of_text_for_each_request_for_which_nobody_waits(serving):
    one = serving(RUNS["prices"], "--access-log", "text")
    answers = _ask(one)
    # Nobody waits for a log that is not read: standard error is a pipe here, which holds 64 KiB.
    long = "/" + 5000 * "a"
    for _ in range(60):
        assert one.ask(long).status == 404
    assert one.predict("regression", {"rows": [ROW]}).status == 200
    _, error = one.end()
    first, second, third, *_, last = error.splitlines()
    start = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1"
    sent = len(answers[0].content)
    assert re.fullmatch(rf"{start} POST {PREDICT} 200 [\d.]+ ms {sent} B rows=2 id=order-17", first)
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert re.fullmatch(rf"{start} POST {PREDICT} 422 [\d.]+ ms \d+ B id={ids[1]}", second)
    assert re.fullmatch(rf"{start} GET /nowhere%0a/here 404 [\d.]+ ms \d+ B id={ids[2]}", third)
    assert last == "lamina: ended; all requests under way were answered"


def test_ids_are_those_that_are_brought_or_new_and_refusals_have_them(server):
    answers = _ask(server)
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert ids[0] == "order-17"
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids[1:])
    assert len(set(ids)) == 4
    assert [answer.json["error"]["request_id"] for answer in answers[1:3]] == ids[1:3]


@pytest.mark.slow
def test_lines_of_json_have_everything_and_are_nothing_else(serving, run_copy):
    run = run_copy("prices")
    one = serving(f"m={run}", "--access-log", "json", "--look", "0.05")
    version = one.predict("m", {"rows": [ROW]}, X_Request_ID="a").json["version"]
    one.ask("/v1/models/none")
    (run / "new").write_bytes(b"damaged")
    os.replace(run / "new", run / "model.safetensors")
    one.wait_for(lambda: b'result="failed"} 1.0' in one.ask("/metrics").content)
    _, error = one.end()
    lines = [json.loads(line) for line in error.splitlines()]
    assert all(line["worker"] == one.process.pid for line in lines)
    access = lines[0]
    assert access.pop("time").endswith("Z")
    assert 0 < access.pop("seconds") < 60
    assert access.pop("bytes") > 10
    assert access == {
        "level": "info", "worker": one.process.pid, "request_id": "a", "client": "127.0.0.1", "method": "POST",
        "path": "/v1/models/m/predict", "status": 200, "model": "m", "version": version, "rows": 1,
    }  # fmt: skip
    assert (lines[1]["level"], lines[1]["status"]) == ("warning", 404)
    assert lines[2]["level"] == "error" and "can't be loaded" in lines[2]["message"]
    assert lines[3]["message"].startswith("ended")
    assert len(lines) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "statuses"),
    [
        ("debug", [200, 422, 404, 200]),
        pytest.param("warning", [422, 404], marks=pytest.mark.slow),
        pytest.param("error", [], marks=pytest.mark.slow),
    ],
)
def test_levels_leave_out_what_is_below_them(serving, level, statuses):
    one = serving(RUNS["prices"], "--access-log", "json", "--log-level", level)
    _ask(one)
    _, error = one.end()
    lines = [json.loads(line) for line in error.splitlines()]
    assert [line["status"] for line in lines if "status" in line] == statuses
    messages = [line["message"] for line in lines if "message" in line]
    assert messages == (
        ["computed 2 rows of 1 requests at a time", "ended; all requests under way were answered"]
        if level == "debug"
        else []
    )


def test_lines_that_are_lost_are_counted(monkeypatch, capsys):
    from lamina.serve import _log

    may_write, written = threading.Event(), []

    def write(line):
        may_write.wait(30)
        written.append(line)

    monkeypatch.setattr(_log, "_MOST_WAITING", 3)
    monkeypatch.setattr(_log, "_write", write)
    with logging_to_stderr("text", "info"):
        EVENTS.info("first")
        until = time.monotonic() + 30
        while EVENTS.handlers[0]._waiting.qsize() and time.monotonic() < until:
            time.sleep(0.01)
        for i in range(10):
            EVENTS.info("line %d", i)
        may_write.set()
    assert written[:4] == ["lamina: first", "lamina: line 0", "lamina: line 1", "lamina: line 2"]
    assert "lamina: warning: 7 lines of the log are lost: they were read too slowly" in written


def test_what_comes_from_others_cannot_begin_a_line(capsys):
    with logging_to_stderr("text", "info"):
        Seen("id", "GET", status=200).log(("127.0.0.1", 1), "GET", "/\x1b[2J\nlamina: forged")
    assert capsys.readouterr().err.count("\n") == 1
    assert not ACCESS.handlers
    assert logging.getLogger().handlers == logging.root.handlers


def test_ids_are_short_and_plain():
    assert request_id(b"4bf92f35-77b3.a/1:2=") == "4bf92f35-77b3.a/1:2="
    for given in (None, b"", b"a b", b"a\x00", "ä".encode(), 129 * b"a"):
        assert re.fullmatch("[0-9a-f]{16}", request_id(given))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--access-log", "jsn"), "--access-log jsn: must be one of text, json, off"),
        (("--log-level", "loud"), "--log-level loud: must be one of debug, info, warning, error"),
        (("--workers", "0"), "--workers 0"),
    ],
)
def test_wrong_options_are_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(RUNS["prices"]), *arguments])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and message in error and error.count("\n") == 1
