"""The page's server, through a real socket: what it answers, and what it refuses."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from architectures import CASES
from seqweave.errors import ConfigError, DataError, LimitError
from seqweave.inspection.question import Question, read_question
from seqweave.inspection.server import ADDRESS, MOST_BYTES, MOST_CONNECTIONS, PageServer
from seqweave.inspection.trace import Trace
from seqweave.inspection.trace_json import trace_from_json, trace_to_json
from seqweave.inspection.tracing import trace
from tiny_model import tiny_model

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    model = tiny_model(CASES["gru-additive-after"])

    def answer(question: Question) -> str:
        if question.source == "broken":
            raise RuntimeError("out of luck")
        return trace_to_json(trace(model, question.source, question.target, beam_size=2, what_if=question.what_if))

    with PageServer("<p>é</p>", answer) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def ask(
    server: PageServer, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, {name.lower(): value for name, value in answer.getheaders()}


def post(server: PageServer, question: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    status, content, _ = ask(server, "POST", ADDRESS, body, {**JSON, **(headers or {})})
    return status, json.loads(content)


def traced(server: PageServer, question: Any) -> Trace:
    status, answer = post(server, question)
    assert status == 200, answer
    return trace_from_json(json.dumps(answer))


def test_the_page_is_sent(server: PageServer) -> None:
    status, content, headers = ask(server, "GET", "/")
    assert (status, content.decode(), headers["content-type"]) == (200, "<p>é</p>", "text/html; charset=utf-8")
    assert ask(server, "GET", "/?step=3")[0] == 200
    assert ask(server, "GET", "/etc/passwd")[0] == 404
    assert ask(server, "GET", "/../x")[0] == 404


def test_only_loopback_is_listened_to(server: PageServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_forcing_changes_what_follows(server: PageServer) -> None:
    free = traced(server, {"source": "abcag"})
    other = next(id_ for id_ in range(4, 11) if id_ != free.steps.tokens[0].id)
    forced = traced(server, {"source": "abcag", "target": "gf", "forced": {"0": other}})
    assert forced.steps.tokens[0].id == other
    assert forced.steps.top_log_probs[1].tolist() != free.steps.top_log_probs[1].tolist()
    assert forced.forced is not None
    by_name = traced(server, {"source": "abcag", "target": "gf", "forced": {"0": forced.steps.tokens[0].text}})
    assert by_name.steps.tokens == forced.steps.tokens


def test_an_overwritten_row_is_given_back(server: PageServer) -> None:
    row = [0, 0, 0, 1, 0]
    changed = traced(server, {"source": "abcag", "attention": {"1": row}})
    assert changed.steps.attention[0].weights[1].tolist() == row
    assert changed.steps.attention[0].weights[0].tolist() != row


def test_a_start_is_taken(server: PageServer) -> None:
    zero = traced(server, {"source": "abcag", "start": "zero"})
    assert not any(state.any() for state in zero.bridge.states)
    other = traced(server, {"source": "abcag", "start": {"source": "gg"}})
    theirs = traced(server, {"source": "gg"})
    assert [state.tolist() for state in other.bridge.states] == [state.tolist() for state in theirs.bridge.states]


@pytest.mark.parametrize(
    ("question", "status", "sentence"),
    [
        (b"{", 400, "a question must be JSON"),
        (b"\xff", 400, "a question must be JSON"),
        (b"[" * 100_000, 400, "a question must be JSON"),
        ([], 400, "must be an object with a source"),
        ({}, 400, "must be an object with a source"),
        ({"source": 5}, 400, "source must be a text, but it is a number"),
        ({"source": ""}, 400, "a source must have an item to be traced"),
        ({"source": "a", "sauce": 1}, 400, "but it has 'sauce'"),
        ({"source": "a" * 2001}, 413, "at most 2,000 characters, but it has 2,001"),
        ({"source": "a", "target": "a" * 2001}, 413, "target must have at most"),
        ({"source": "\ud800"}, 400, "half of a surrogate pair"),
        ({"source": "a", "forced": [1]}, 400, "forced must map positions"),
        ({"source": "a", "forced": {"-1": 5}}, 400, "a whole number from 0, but it is '-1'"),
        ({"source": "a", "forced": {"0": None}}, 400, "must be an id or a name"),
        ({"source": "a", "forced": {"0": 77}}, 400, "must have an id from 0 to 10"),
        ({"source": "a", "forced": {str(step): 5 for step in range(1001)}}, 413, "at most 1,000 positions"),
        ({"source": "a", "attention": {"0": "x"}}, 400, "must be a list of weights"),
        ({"source": "a", "attention": {"0": [float("nan")]}}, 400, "must be a list of weights"),
        ({"source": "a", "attention": {"0": [1, 0]}}, 400, "each of the source's 1 items"),
        ({"source": "a", "start": "one"}, 400, 'a start must be "zero"'),
        ({"source": "a", "start": {"source": 1}}, 400, "the start's source must be a text"),
        ({"source": "broken"}, 500, "RuntimeError: out of luck"),
        (b" " * (MOST_BYTES + 1), 413, "at most 1,000,000 bytes"),
    ],
)
def test_mistakes_get_a_sentence(server: PageServer, question: Any, status: int, sentence: str) -> None:
    found, answer = post(server, question)
    assert (found, list(answer)) == (status, ["error"])
    assert sentence in answer["error"]
    assert post(server, {"source": "ab"})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "", "localhost.evil.example:80"])
def test_other_hosts_are_refused(server: PageServer, host: str) -> None:
    for method, path in (("GET", "/"), ("POST", ADDRESS)):
        status, content, _ = ask(server, method, path, b'{"source": "a"}', {**JSON, "Host": host})
        assert status == 403
        assert "answers to no other name" in json.loads(content)["error"]


def test_pages_of_other_sites_are_refused(server: PageServer) -> None:
    ours = f"localhost:{server.server_port}"
    assert post(server, {"source": "a"}, {"Origin": "http://evil.example"})[0] == 403
    assert post(server, {"source": "a"}, {"Origin": "null"})[0] == 403
    assert post(server, {"source": "a"}, {"Host": ours, "Origin": f"http://{ours}"})[0] == 200
    status, content, headers = ask(server, "POST", ADDRESS, b'{"source": "a"}', {"Content-Type": "text/plain"})
    assert (status, "access-control-allow-origin" in headers) == (415, False)
    assert b"application/json" in content


def test_other_addresses_and_lengths_are_refused(server: PageServer) -> None:
    assert ask(server, "POST", "/api/other", b"{}", JSON)[0] == 404
    assert ask(server, "POST", ADDRESS, b"{}", {**JSON, "Content-Length": "-1"})[0] == 411


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW", "get"])
def test_other_methods_are_refused_in_our_words(server: PageServer, method: str) -> None:
    status, content, headers = ask(server, method, "/", b"x")
    assert (status, headers["allow"], headers["content-type"]) == (405, "GET, HEAD, POST", "application/json")
    assert json.loads(content) == {
        "error": f"this server answers {headers['allow']}, but the request has another method"
    }


def test_head_is_get_without_the_page(server: PageServer) -> None:
    status, content, headers = ask(server, "HEAD", "/")
    assert (status, content, headers["content-length"]) == (200, b"", "9")
    assert ask(server, "HEAD", "/nothing")[:2] == (404, b"")


def talk(server: PageServer, request: bytes) -> bytes:
    """All that comes back on a raw connection."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"G\x1b[31mT / HTTP/1.1\r\n\r\n", 405),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_odd_requests_are_refused_in_our_words(server: PageServer, request_: bytes, status: int) -> None:
    answer = talk(server, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP"):
        assert int(head.split()[1]) == status
    else:  # to a first line without a version goes a body alone, as of HTTP/0.9
        body = answer
    assert list(json.loads(body)) == ["error"]
    assert b"\x1b" not in answer


@pytest.fixture
def hasty(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> PageServer:
    """The server, which waits for three tenths of a second at most."""
    monkeypatch.setattr(server, "seconds", 0.3)
    return server


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET / HTTP/1.1\r\nA: ",
        b"POST /api/trace HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 90000\r\nHost: HOST\r\n\r\n",
    ],
)
def test_a_slow_drip_is_dropped(hasty: PageServer, begin: bytes) -> None:
    """However often another byte comes."""
    with socket.create_connection(("127.0.0.1", hasty.server_port), timeout=20) as connection:
        connection.sendall(begin.replace(b"HOST", f"localhost:{hasty.server_port}".encode()))
        connection.settimeout(0.02)
        answer = None
        for _ in range(500):
            try:
                connection.sendall(b"a")
                answer = connection.recv(1 << 16)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                answer = b""
                break
    assert answer is not None
    assert b"408" in answer if b"POST" in begin else answer == b""


@pytest.mark.slow
def test_only_so_many_connections_are_held(server: PageServer) -> None:
    held = [socket.create_connection(("127.0.0.1", server.server_port), timeout=20) for _ in range(MOST_CONNECTIONS)]
    try:
        for _ in range(50):  # those before may still be closing
            time.sleep(0.02)
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as one_more:
            assert one_more.recv(10) == b""
    finally:
        for connection in held:
            connection.close()
    for _ in range(200):
        with suppress(ConnectionError, http.client.HTTPException):
            if ask(server, "GET", "/")[0] == 200:
                return
        time.sleep(0.02)
    raise AssertionError("the server answers no more")


def test_questions_at_once_are_answered_each(server: PageServer) -> None:
    found: dict[str, str] = {}

    def one(source: str) -> None:
        found[source] = traced(server, {"source": source, "attention": {"0": [1, 0]}}).source.text

    threads = [threading.Thread(target=one, args=(source,)) for source in ("ab", "bc", "cd", "de")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {source: source for source in ("ab", "bc", "cd", "de")}


def test_a_taken_port_is_told(server: PageServer) -> None:
    for port in (server.server_port, 70000):
        with pytest.raises(ConfigError, match="choose another with --port"):
            PageServer("", lambda question: "", port)


def test_a_question_is_read() -> None:
    question = read_question(b'{"source": "a", "target": null, "forced": {"2": 45}, "attention": {"1": [0, 1]}}')
    assert (question.source, question.target) == ("a", None)
    assert (question.what_if.forced, question.what_if.attention) == ({2: 45}, {1: [0.0, 1.0]})
    with pytest.raises(DataError):
        read_question(b'{"source": "a", "forced": {"0": true}}')
    with pytest.raises(LimitError):
        read_question(json.dumps({"source": "a", "start": {"source": "b" * 3000}}).encode())
