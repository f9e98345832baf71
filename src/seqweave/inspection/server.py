"""The model behind the page: a server for this machine alone.

It sends one page and answers `POST /api/trace` (docs/look-inside.md, What if). Only 127.0.0.1 is listened to,
and only requests that name this server as their host are answered, so that no other site's page can reach
the model by a name of its own (DNS rebinding) or by a form. A request that takes its time is dropped, and so is a
connection beyond the most there may be at once.
"""

from __future__ import annotations

import io
import json
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from seqweave.errors import ConfigError, LimitError, SeqweaveError
from seqweave.inspection.question import Question, read_question

ADDRESS = "/api/trace"
HOST = "127.0.0.1"
MOST_BYTES = 1_000_000  # of a question
MOST_CONNECTIONS = 32  # at once
_SECONDS = 20.0  # for a whole request to come, and for an answer to go
_METHODS = "GET, HEAD, POST"
# What Python's server would say in a page of its own.
_REFUSALS = {
    HTTPStatus.REQUEST_URI_TOO_LONG: "the address of a request must have at most 65,536 bytes: shorten it",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "a request must have at most 100 header lines of 65,536 bytes each",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "this server speaks HTTP/1.0 and HTTP/1.1",
    HTTPStatus.METHOD_NOT_ALLOWED: f"this server answers {_METHODS}, but the request has another method",
    HTTPStatus.REQUEST_TIMEOUT: f"a request must be here within {_SECONDS:g} seconds, but this one was not",
}


class PageServer(ThreadingHTTPServer):
    """Serves a page and answers its questions, one at a time.

    Args:
        page: HTML, made with `server=ADDRESS`.
        answer: a question to the JSON of a trace; a `SeqweaveError` becomes a status of 400 and its sentence.
        port: 0 for any free one; `url` has what it became.

    Attributes:
        seconds: for a whole request to come, and for an answer to go.

    Raises:
        ConfigError: when the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, page: str, answer: Callable[[Question], str], port: int = 0):
        self.page = page.encode("utf-8")
        self.answer = answer
        self.lock = threading.Lock()
        self.seconds = _SECONDS
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"a port must be free and from 0 to 65535 to serve at, but {port} is not ({error}): "
                "choose another with --port, or 0 for any free one"
            ) from None

    def server_bind(self) -> None:
        """Bind without asking for the host's name, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless there are too many."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where the page went away in the middle."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, str]:
        """What requests may call this server."""
        return (f"{HOST}:{self.server_port}", f"localhost:{self.server_port}")

    def run(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            pass
        finally:
            self.server_close()


class _InTime(io.RawIOBase):
    """Reads from a socket until a moment; after it, whoever reads gets a `TimeoutError`, however the bytes drip."""

    def __init__(self, connection: socket.socket, seconds: float):
        self._connection = connection
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_InTime(self.connection, self.server.seconds))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if not self._is_for_us():
            return
        if self.path.split("?", 1)[0] == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page)
        else:
            self._fail(HTTPStatus.NOT_FOUND, f"there is no such page; open {self.server.url}")

    def do_POST(self) -> None:
        if not self._is_for_us():
            return
        if self.path != ADDRESS:
            return self._fail(HTTPStatus.NOT_FOUND, f"questions must be sent to {ADDRESS}, but this one was not")
        if self.headers.get_content_type() != "application/json":
            return self._fail(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question must be of type application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            return self._fail(HTTPStatus.LENGTH_REQUIRED, "a question must say its Content-Length")
        if len(length) > 12 or int(length) > MOST_BYTES:
            self._throw_away()
            return self._fail(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a question must have at most {MOST_BYTES:,} bytes, but it has more: shorten it",
            )
        try:
            body = self.rfile.read(int(length))
        except TimeoutError:
            return self.send_error(HTTPStatus.REQUEST_TIMEOUT)
        self._answer(body)

    def _throw_away(self) -> None:
        """Read some of what is refused: a client that is still sending would miss the answer."""
        self.rfile = io.BufferedReader(_InTime(self.connection, min(0.5, self.server.seconds)))
        with suppress(OSError):
            for _ in range(200):
                if not self.rfile.read1(1 << 16):
                    break

    def _answer(self, body: bytes) -> None:
        try:
            question = read_question(body)
            with self.server.lock:
                content = self.server.answer(question)
        except LimitError as error:
            self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        except SeqweaveError as error:
            self._fail(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:  # the page is to say it; the server goes on
            self._fail(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"the model could not be run ({type(error).__name__}: {error}): please report this",
            )
        else:
            self._send(HTTPStatus.OK, "application/json", content.encode("utf-8"))

    def _is_for_us(self) -> bool:
        """Whether the request names this server; if not, it is refused here."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host.lower() not in self.server.hosts:
            self._fail(HTTPStatus.FORBIDDEN, f"this server is {self.server.url} and answers to no other name")
            return False
        if origin is not None and origin.lower() not in [f"http://{one}" for one in self.server.hosts]:
            self._fail(HTTPStatus.FORBIDDEN, "this server answers its own page only, but another site asks")
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in our words what Python's server finds wrong with a request: its first line, headers, method."""
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._fail(status, _REFUSALS.get(status, "this is no request that a browser sends"))

    def _fail(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, "application/json", json.dumps({"error": sentence}, ensure_ascii=False).encode("utf-8"))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.close_connection = True
        self.connection.settimeout(self.server.seconds)
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            if status == HTTPStatus.METHOD_NOT_ALLOWED:
                self.send_header("Allow", _METHODS)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
        except ConnectionError:
            pass  # the page was closed while it waited

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the page shows what goes wrong."""
