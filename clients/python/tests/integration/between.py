"""What stands between a client and a server, and breaks."""

import contextlib
import json
import os
import secrets
import socket
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Cutter:
    """A proxy that lets some bytes of the server's answer through and then breaks the connection, once.

    ``to`` is a port, or the name of an abstract unix socket, over which files go along; ``passed`` is how many bytes
    of one connection's answers went through.
    """

    def __init__(self, to: int | str, after: int) -> None:
        self._to = to
        self._after = after
        self.name = f"@cutter-{secrets.token_hex(8)}"
        if isinstance(to, str):
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(f"\0{self.name[1:]}")
            self._listener.listen()
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port: int = self._listener.getsockname()[1]
        self.cut = False
        self.passed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = self._connect()
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self._after), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._to, int):
            return socket.create_connection(("127.0.0.1", self._to))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"\0{self._to[1:]}")
        return server

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while True:
                data, files = self._receive(source)
                if not data:
                    break
                cut = limit is not None and not self.cut and passed + len(data) >= limit
                if cut:
                    self.cut = True
                    data = data[: (limit or 0) - passed]
                if files and data:
                    socket.send_fds(sink, [data], files)
                else:
                    sink.sendall(data)
                for file in files:
                    os.close(file)
                passed += len(data)
                self.passed = max(self.passed, passed)
                if cut:
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _receive(self, source: socket.socket) -> tuple[bytes, list[int]]:
        if isinstance(self._to, int):
            return source.recv(65536), []
        data, files, _, _ = socket.recv_fds(source, 65536, 1)
        return data, files

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Gate:
    """A reverse proxy that says of the server what it is told to; while it is closed it lets no batches through."""

    def __init__(self, url: str, *, closed: bool, **says: str) -> None:
        """``says`` replaces keys of the server's description."""
        self.refused = 0
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

            def do_GET(self) -> None:
                self._pass(None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if closed and self.path.startswith("/v1/batches"):
                    gate.refused += 1
                    self._answer(502, b"the gate lets no batches through")
                else:
                    self._pass(body)

            def _pass(self, body: bytes | None) -> None:
                request = urllib.request.Request(url + self.path, body)
                for name in ("Content-Type", "Terrapin-Actor"):
                    if name in self.headers:
                        request.add_header(name, self.headers[name])
                try:
                    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
                        answer: Any = response.read()
                except urllib.error.HTTPError as e:
                    self._answer(e.code, e.read())
                    return
                if self.path == "/v1/server":
                    answer = json.dumps({**json.loads(answer), **says}).encode()
                self._answer(200, answer)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
