"""The model behind the page: a server for this machine alone.

It sends one page and answers `POST /api/trace` (docs/look-inside.md, What if). Only 127.0.0.1 is listened to,
and only requests that name this server as their host are answered, so that no other site's page can reach
the model by a name of its own (DNS rebinding) or by a form.
"""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from seqweave.errors import ConfigError, LimitError, SeqweaveError
from seqweave.inspection.question import Question, read_question

ADDRESS = "/api/trace"
HOST = "127.0.0.1"
MOST_BYTES = 1_000_000  # of a question
_SECONDS = 30  # that a connection may be silent


class PageServer(ThreadingHTTPServer):
    """Serves a page and answers its questions, one at a time.

    Args:
        page: HTML, made with `server=ADDRESS`.
        answer: a question to the JSON of a trace; a `SeqweaveError` becomes a status of 400 and its sentence.
        port: 0 for any free one; `url` has what it became.

    Raises:
        ConfigError: when the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, page: str, answer: Callable[[Question], str], port: int = 0):
        self.page = page.encode("utf-8")
        self.answer = answer
        self.lock = threading.Lock()
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


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = _SECONDS

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
        self._answer(self.rfile.read(int(length)))

    def _throw_away(self) -> None:
        """Read some of what is refused: a client that is still sending would miss the answer."""
        self.connection.settimeout(0.5)
        try:
            for _ in range(200):
                if not self.rfile.read1(1 << 16):
                    break
        except OSError:
            pass

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

    def _fail(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, "application/json", json.dumps({"error": sentence}, ensure_ascii=False).encode("utf-8"))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.close_connection = True
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            pass  # the page was closed while it waited

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the page shows what goes wrong."""
