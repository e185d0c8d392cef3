"""From the start to the end: no request is lost, and a new version of a model comes between two of them."""

import http.client
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from serving import RUNS, clients

from lamina.cli import main

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
BODY = json.dumps({"rows": [ROW]}).encode()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_the_end_loses_no_request(serving, how):
    one = serving(RUNS["prices"])
    busy = clients(12, one, "regression", BODY, lambda _: False)
    one.wait_for(lambda: all(len(client.found) > 20 for client in busy))
    one.process.send_signal(signal.SIGSTOP)
    at_the_door = [http.client.HTTPConnection(one.host, one.port, timeout=30) for _ in range(20)]
    for connection in at_the_door:  # which the system lets in until the server can
        connection.request(
            "POST", "/v1/models/regression/predict", BODY, {"Content-Type": "application/json"}
        )
    one.process.send_signal(how)
    one.process.send_signal(signal.SIGCONT)
    for connection in at_the_door:
        with closing(connection):
            assert connection.getresponse().status in (200, 503)
    one.process.wait(60)
    code, error = one.end()
    for client in busy:
        client.join(30)
    assert (code, error) == (0, "lamina: ended; all requests under way were answered\n")
    assert [client.lost for client in busy] == [[]] * 12
    assert {status for client in busy for status, _ in client.found} <= {200, 503}
    for client in busy:  # refused from some moment on
        found = [status for status, _ in client.found]
        assert found == sorted(found)


@pytest.mark.slow
def test_a_request_that_has_begun_is_answered_at_the_end(serving):
    one = serving(RUNS["prices"])
    slow = http.client.HTTPConnection(one.host, one.port, timeout=30)
    slow.putrequest("POST", "/v1/models/regression/predict")
    slow.putheader("Content-Type", "application/json")
    slow.putheader("Content-Length", str(len(BODY)))
    slow.endheaders(BODY[:10])
    one.wait_for(lambda: b"lamina_predictions_under_way 1.0" in one.ask("/metrics").content)
    one.process.send_signal(signal.SIGTERM)
    one.wait_for(lambda: one.ask("/readyz").status == 503)
    refused = one.predict("regression", BODY)
    assert (refused.status, refused.headers["Connection"]) == (503, "close")
    time.sleep(0.5)
    slow.send(BODY[10:])
    response = slow.getresponse()
    assert (response.status, response.headers["Connection"]) == (200, "close")
    response.read()
    slow.close()
    assert one.process.wait(30) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_a_server_that_starts_is_that_of_one_that_serves(how, monkeypatch, capsys):
    def opened(runs):
        os.kill(os.getpid(), how)
        time.sleep(30)

    monkeypatch.setattr("lamina.serve._server.places", opened)
    # Shells have jobs in the background ignore Ctrl-C, and these tests may be one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["serve", str(RUNS["prices"])])
    finally:
        signal.signal(signal.SIGINT, before)
    assert not ended.value.code
    assert capsys.readouterr().err == "lamina: ended before serving anything\n"


def replaced(file, by):
    """Put a file in the place of another at once, as `lamina train` does."""
    new = file.with_suffix(".new")
    shutil.copy(by, new)
    os.replace(new, file)


@pytest.mark.slow
def test_new_versions_are_served_without_a_failed_or_mixed_answer(serving, run_copy):
    run = run_copy("prices")
    one = serving(f"m={run}", "--look", 0.05)
    versions = {}
    first = one.predict("m", BODY).json
    files = [RUNS["prices"] / "model.safetensors", RUNS["kinds"] / "model.safetensors"]
    ended = threading.Event()
    busy = clients(8, one, "m", BODY, lambda _: ended.is_set())
    for file in (files[1], files[0], files[1]):
        before = one.predict("m", BODY).json["version"]
        replaced(run / "model.safetensors", file)
        one.wait_for(lambda before=before: one.predict("m", BODY).json["version"] != before)
    ended.set()
    for client in busy:
        client.join(30)
    answers = [(status, json.loads(content)) for client in busy for status, content in client.found]
    assert not [client.lost for client in busy if client.lost]
    assert {status for status, _ in answers} == {200}
    for _, answer in answers:
        versions.setdefault(answer["version"], set()).add(json.dumps(answer["predictions"]))
    assert len(versions) == 2
    assert all(len(found) == 1 for found in versions.values())
    assert versions[first["version"]] == {json.dumps(first["predictions"])}
    described = one.ask("/openapi.json").json["paths"]["/v1/models/m/predict"]["post"]
    assert described["summary"].endswith("classification.")


@pytest.mark.slow
def test_a_version_that_is_damaged_is_told_of_and_the_one_before_stays(serving, run_copy):
    run = run_copy("prices")
    one = serving(f"m={run}", "--look", 0.05)
    answer = one.predict("m", BODY).json
    whole = (run / "model.safetensors").read_bytes()
    (run / "new").write_bytes(whole[:-1])
    os.replace(run / "new", run / "model.safetensors")
    failed = b'lamina_model_loads_total{model="m",result="failed"} 1.0'
    one.wait_for(lambda: failed in one.ask("/metrics").content)
    time.sleep(0.3)
    assert failed in one.ask("/metrics").content  # tried once
    assert one.predict("m", BODY).json == answer
    (run / "model.safetensors").unlink()
    time.sleep(0.2)
    assert one.predict("m", BODY).json == answer
    replaced(run / "model.safetensors", RUNS["kinds"] / "model.safetensors")
    one.wait_for(lambda: one.predict("m", BODY).json["version"] != answer["version"])
    _, error = one.end()
    lines = error.splitlines()
    assert "can't be loaded" in lines[0]
    assert "now version" in lines[1]
    assert len(lines) == 3


@pytest.mark.slow
def test_more_than_the_queue_holds_is_refused_for_now(limited):
    one = limited
    slow = []
    for _ in range(2):
        connection = http.client.HTTPConnection(one.host, one.port, timeout=30)
        connection.putrequest("POST", "/v1/models/regression/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(BODY)))
        connection.endheaders(BODY[:10])
        slow.append(connection)
    one.wait_for(lambda: b"lamina_predictions_under_way 2.0" in one.ask("/metrics").content)
    refused = one.predict("regression", BODY)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    for connection in slow:
        connection.send(BODY[10:])
        assert connection.getresponse().status == 200
        connection.close()
    assert one.predict("regression", BODY).status == 200


def test_rows_that_queue_are_computed_together(server):
    code = '{code="200",method="POST",path="/v1/models/{name}/predict"}'
    rows = 'lamina_predicted_rows_total{model="prices"}'
    counted = ["lamina_batch_requests_sum", "lamina_batch_rows_sum", rows, f"lamina_requests_total{code}"]

    def ask(_):
        return server.predict("prices", BODY).status

    def counts():
        lines = (line for line in server.ask("/metrics").content.decode().splitlines() if line[0] != "#")
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    assert ask(0) == 200
    before = counts()
    with ThreadPoolExecutor(32) as threads:
        assert set(threads.map(ask, range(200))) == {200}
    after = counts()
    assert [after[name] - before[name] for name in counted] == [200] * 4
    assert after["lamina_batch_requests_count"] - before["lamina_batch_requests_count"] <= 200


def test_the_line_that_is_shown_works_in_a_shell(server):
    import subprocess

    if shutil.which("curl") is None:
        pytest.skip("NOT TESTED: requests by curl, which is not installed")
    lines = [line for line in server.shown if "curl" in line] or _rest(server)
    assert len(lines) == len(RUNS)
    for line in lines:
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
        assert len(json.loads(done.stdout)["predictions"]) == 1


def _rest(server):
    server.shown += [server.process.stdout.readline() for _ in RUNS]
    return [line for line in server.shown if "curl" in line]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no run nowhere"),
        ([str(RUNS["prices"]), str(RUNS["prices"])], "two models would be called 'regression'"),
        ([f"a/b={RUNS['prices']}"], "'a/b' can't be part of an address"),
        ([str(RUNS["prices"]), "--port", "70000"], "--port 70000"),
        ([str(RUNS["prices"]), "--host", "no.such.host.invalid"], "can't listen at no.such.host.invalid"),
        ([str(RUNS["prices"]), "--max-rows", "0"], "--max-rows 0"),
        ([str(RUNS["prices"]), "--token-file", "/dev/null"], "the first line of /dev/null"),
    ],
)
def test_what_cannot_be_served_is_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(["serve", *arguments])
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if "warning" not in line]
    assert (ended.value.code, len(lines), message in lines[0]) == (2, 1, True), error


def test_an_address_that_is_taken(server, capsys):
    with pytest.raises(SystemExit):
        main(["serve", str(RUNS["prices"]), "--port", str(server.port)])
    assert "in use" in capsys.readouterr().err


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit):
        main(["serve", str(Path("x"))])
    assert capsys.readouterr().err == (
        "lamina: lamina serve needs uvicorn, not installed here: pip install 'lamina[serve]'\n"
    )
