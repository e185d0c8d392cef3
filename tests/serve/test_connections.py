"""Connections that do not do as they should, each tried at a real server, which goes on answering the others."""

import http.client
import json
import re
import socket
import time

import pytest
from serving import RUNS

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
BODY = json.dumps({"rows": [ROW]}).encode()
HEAD = b"POST /v1/models/regression/predict HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def impatient():
    """A server that waits for at most a second."""
    from serving import Server

    one = Server(RUNS["prices"], "--timeout", 1)
    yield one
    assert one.ask("/healthz").status == 200
    assert one.predict("regression", BODY).status == 200
    code, error = one.end()
    assert (code, "Traceback" in error) == (0, False), error


def connected(server):
    return socket.create_connection((server.host, server.port), timeout=5)


def everything(connection):
    """All that comes until the server closes."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except (ConnectionResetError, TimeoutError):  # refused while we sent; or kept open for another request
        pass
    return b"".join(parts)


def statuses(content):
    return [int(found) for found in re.findall(rb"HTTP/1.1 (\d+)", content)]


@pytest.mark.slow
def test_a_head_that_comes_a_byte_at_a_time(impatient):
    begin = time.monotonic()
    with connected(impatient) as slow:
        slow.settimeout(0.1)
        for byte in HEAD * 100:
            try:
                slow.send(bytes([byte]))
                if not slow.recv(100):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - begin < 6


@pytest.mark.slow
def test_a_connection_that_says_nothing(impatient):
    with connected(impatient) as silent:
        assert statuses(everything(silent)) == [408]


@pytest.mark.slow
def test_a_body_that_does_not_come(impatient):
    with connected(impatient) as slow:
        slow.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        assert statuses(everything(slow)) == [408]


@pytest.mark.slow
def test_many_slow_connections_do_not_hold_up_others(impatient):
    slow = [connected(impatient) for _ in range(100)]
    for one in slow:
        one.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    assert impatient.predict("regression", BODY).status == 200
    for one in slow:
        assert statuses(everything(one)) == [408]
        one.close()


@pytest.mark.parametrize("head", [b"X: " + b"a" * 100_000, b"X: 1\r\n" * 20_000, b"X: a" * 100_000])
def test_heads_that_are_huge(impatient, head):
    with connected(impatient) as one:
        try:
            one.sendall(HEAD + head + b"\r\nContent-Length: 2\r\n\r\n{}")
            found = statuses(everything(one))
        except OSError:  # it did not wait for the end
            found = []
        assert found in ([], [431], [400])


def test_a_first_line_without_end(impatient):
    with connected(impatient) as one:
        try:
            for _ in range(200):
                one.sendall(b"GET /" + b"a" * 10_000)
        except OSError:
            pass
        assert statuses(everything(one)) in ([], [431], [400])


def test_a_client_that_closes_its_half_is_answered(impatient):
    with connected(impatient) as one:
        one.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY)
        one.shutdown(socket.SHUT_WR)
        assert statuses(everything(one)) in ([200], [])  # or counts as gone
    with connected(impatient) as one:
        one.sendall(HEAD + b"Content-Length: 50\r\n\r\n{")
        one.shutdown(socket.SHUT_WR)
        assert statuses(everything(one)) in ([], [408])


def test_clients_that_go_away_before_the_answer(impatient):
    for _ in range(50):
        with connected(impatient) as one:
            one.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
    assert impatient.predict("regression", BODY).status == 200


def test_requests_one_after_the_other_without_waiting(impatient):
    one_request = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    with connected(impatient) as one:
        one.sendall(one_request * 50 + one_request.replace(b"Host: h", b"Connection: close"))
        assert statuses(everything(one)) == [200] * 51


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1e3\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"X\0Y: 1\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    ],
)
def test_what_is_not_http(impatient, request_):
    with connected(impatient) as one:
        one.settimeout(2)  # some are answered on a connection that stays
        one.sendall(request_)
        found = statuses(everything(one))
    assert all(400 <= status < 500 for status in found), found


def test_a_chunked_body(impatient):
    connection = http.client.HTTPConnection(impatient.host, impatient.port, timeout=20)
    connection.request(
        "POST", "/v1/models/regression/predict", iter([BODY[:7], BODY[7:]]),
        {"Content-Type": "application/json"}, encode_chunked=True,
    )  # fmt: skip
    response = connection.getresponse()
    assert (response.status, len(json.loads(response.read())["predictions"])) == (200, 1)
    connection.close()


@pytest.mark.slow
def test_a_body_without_end_is_not_kept(impatient):
    with connected(impatient) as one:
        one.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        try:
            for _ in range(200):
                one.sendall(chunk)
        except OSError:
            pass
        assert statuses(everything(one)) in ([413], [])


@pytest.mark.slow
def test_a_client_that_asks_before_it_sends(impatient):
    with connected(impatient) as one:
        one.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n")
        assert statuses(everything(one)) == [413]
    with connected(impatient) as one:
        one.sendall(
            HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        )
        assert one.recv(100).startswith(b"HTTP/1.1 100")
        one.sendall(BODY)
        assert statuses(everything(one)) == [200]
