"""Several processes on one port: no answer is lost or wrong at swaps, deaths and the end, and counts are of all."""

import http.client
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from serving import RUNS, clients

from lamina.cli import main
from lamina.serve._workers import METRICS_FOLDER

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
BODY = json.dumps({"rows": [ROW]}).encode()


def _counts(one):
    answer = one.ask("/metrics")
    assert answer.status == 200, answer.content
    lines = answer.content.decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")


def _workers(one):
    """The numbers of the processes that have counted something and live."""
    names = [name for name in _counts(one) if name.startswith("process_resident_memory_bytes")]
    return sorted(int(name.partition('worker="')[2].partition('"')[0]) for name in names)


def _metrics_folder(worker):
    """The folder where workers share their counts."""
    entries = Path(f"/proc/{worker}/environ").read_bytes().decode().split("\0")
    return Path(dict(entry.split("=", 1) for entry in entries if entry)[METRICS_FOLDER])


def test_a_swap_and_the_end_under_load_lose_nothing(serving, run_copy):
    run, connections, requests = run_copy("prices"), 12, 20
    one = serving(f"m={run}", "--workers", 2, "--look", 0.05)
    first = one.predict("m", BODY).json
    busy = clients(connections, one, "m", BODY, lambda _: False, 0.02)
    enough = lambda count: all(len(client.found) >= count for client in busy)  # noqa: E731
    one.wait_for(lambda: enough(requests // 2), 120)
    shutil.copy(RUNS["kinds"] / "model.safetensors", run / "new")
    os.replace(run / "new", run / "model.safetensors")

    def is_swapped():  # by both: twenty new connections in a row
        return all(one.predict("m", BODY).json["version"] != first["version"] for _ in range(20))

    one.wait_for(is_swapped, 120)
    one.wait_for(lambda: enough(requests), 120)
    code, error = one.end()
    for client in busy:
        client.join(60)
    assert code == 0
    assert error.endswith("lamina: ended; all requests under way were answered\n")
    assert error.count(": now version ") == 2
    assert [client.lost for client in busy if client.lost] == []
    versions = {}
    for client in busy:
        assert {status for status, _ in client.found} <= {200, 503}
        # Of a connection only the last request is refused. A new one may reach the other worker, which has not been
        # told of the end yet, and answers.
        refused = [i for i, (status, _) in enumerate(client.found) if status == 503]
        assert set(refused) <= set(client.closed)
        for status, content in client.found:
            if status == 200:
                answer = json.loads(content)
                versions.setdefault(answer["version"], set()).add(json.dumps(answer["predictions"]))
    assert sum(len(client.found) for client in busy) >= connections * requests
    assert len(versions) == 2
    assert all(len(found) == 1 for found in versions.values())
    assert versions[first["version"]] == {json.dumps(first["predictions"])}


@pytest.mark.slow
def test_counts_are_of_all_workers_which_end_together(serving):
    one = serving(f"m={RUNS['prices']}", "--workers", 2)
    busy = clients(16, one, "m", BODY, lambda client: len(client.found) == 5)
    for client in busy:
        client.join(60)
    assert {status for client in busy for status, _ in client.found} == {200}
    code = '{code="200",method="POST",path="/v1/models/{name}/predict"}'
    one.wait_for(
        lambda: float(_counts(one)[f"lamina_requests_total{code}"]) == 80
    )  # counted after the response
    counts = _counts(one)
    assert float(counts['lamina_predicted_rows_total{model="m"}']) == 80
    assert float(counts["lamina_batch_rows_sum"]) == 80
    assert float(counts["lamina_predictions_under_way"]) == 0
    version = one.ask("/v1/models/m").json["version"]
    assert float(counts[f'lamina_model_info{{model="m",version="{version}"}}']) == 1
    workers = _workers(one)
    assert len(workers) == 2 and one.process.pid not in workers
    # Ctrl-C in a terminal reaches all, and ends them once.
    for process in (*workers, one.process.pid):
        os.kill(process, signal.SIGINT)
    assert one.process.wait(60) == 0
    assert one.end() == (0, "lamina: ended; all requests under way were answered\n")
    for worker in workers:
        assert not Path(f"/proc/{worker}").exists()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_a_second_signal_ends_all_at_once(serving):
    one = serving(f"m={RUNS['prices']}", "--workers", 2)
    before = _workers(one)
    os.kill(before[0], signal.SIGKILL)
    one.wait_for(lambda: before[0] not in _workers(one))
    # Had it been killed between the creation of a file and its first entry, the file would stay empty.
    (_metrics_folder(before[1]) / f"counter_{before[0]}.db").write_bytes(b"")
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: one.predict("m", BODY).status, range(40))) == {200}
    one.wait_for(lambda: len(_workers(one)) == 2, 120)
    assert float(_counts(one)['lamina_predicted_rows_total{model="m"}']) == 40
    # A second signal ends at once what is under way.
    with closing(http.client.HTTPConnection(one.host, one.port, timeout=60)) as slow:
        slow.putrequest("POST", "/v1/models/m/predict")
        slow.putheader("Content-Type", "application/json")
        slow.putheader("Content-Length", str(len(BODY)))
        slow.endheaders(BODY[:10])
        one.wait_for(lambda: float(_counts(one)["lamina_predictions_under_way"]) == 1)
        one.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert one.process.poll() is None
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(20)
    _, error = one.end()
    said = f"lamina: worker {before[0]} ended (by SIGKILL); a new worker takes its place"
    assert error.splitlines()[0] == said


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(serving):
    one = serving(f"m={RUNS['prices']}", "--workers", 2)
    workers = _workers(one)
    one.process.kill()
    one.process.wait()
    one.wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 60)


def test_what_cannot_be_served_is_one_line(capfd):
    before = os.environ.copy()
    with pytest.raises(SystemExit) as ended:
        main(["serve", "nowhere", "--workers", "2"])
    assert ended.value.code == 2
    assert capfd.readouterr().err == "lamina: there is no run nowhere\n"
    assert os.environ.copy() == before
