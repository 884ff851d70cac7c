"""HTTP control plane: JSON over the standard library's urllib, uploads streamed as multipart/form-data."""

import getpass
import json
import mimetypes
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from .errors import InternalError, InvalidError, TerrapinError, UnavailableError, of_kind

_STATUS_KIND = {
    400: "invalid",
    404: "not_found",
    409: "conflict",
    412: "precondition",
    413: "too_large",
    499: "canceled",
    501: "unsupported",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What a verb answered: the exit code it would have had on the command line, and its document."""

    exit: int
    document: Any


class Http:
    """One server's HTTP side. Holds no connection, so it survives forks and pickling."""

    def __init__(self, url: str, actor: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidError(
                f"connect {url!r}: not an http:// or https:// address",
                'give the address that `terrapin serve` prints, such as "http://127.0.0.1:8080"',
            )
        self.url = url.rstrip("/")
        self.actor = _actor(actor)
        self._loopback = parts.hostname in _LOOPBACK

    def get_json(self, path: str, *, timeout: float | None = 30) -> Any:
        """GET a path below the server's root (or one of its absolute links) and parse its JSON."""
        body = self.get(path, timeout=timeout)
        try:
            return json.loads(body)
        except ValueError as e:
            raise InvalidError(
                f"GET {self._at(path)}: the answer is not JSON ({e})",
                "is this the address of a Terrapin server? `terrapin serve` prints it",
            ) from None

    def get(self, path: str, *, timeout: float | None = 300) -> bytes:
        """GET the bytes of a path below the server's root, or of one of its absolute links."""
        with self._send(urllib.request.Request(self._at(path)), timeout) as response:
            body: bytes = response.read()
        return body

    def post_json(self, path: str, document: dict[str, Any], *, timeout: float | None = 30) -> Any:
        """POST a JSON object to a path below the server's root and parse the answer."""
        request = urllib.request.Request(self._at(path), json.dumps(document, allow_nan=False).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        with self._send(request, timeout) as response:
            return json.load(response)

    def verb(self, name: str, args: dict[str, Any], files: Sequence[str | os.PathLike[str]] = ()) -> Reply:
        """Run a verb on the server; files are streamed to it under their own names."""
        request = urllib.request.Request(self._at(f"v1/verbs/{name}"), method="POST")
        document = json.dumps(args, allow_nan=False).encode()
        if files:
            boundary = f"terrapin-{secrets.token_hex(16)}"
            parts = _Multipart(boundary, document, [Path(f) for f in files])
            request.data = parts  # before the length, which setting it would remove
            request.add_header("Content-Type", f"multipart/form-data; boundary={boundary}")
            request.add_header("Content-Length", str(parts.length))
        else:
            request.add_header("Content-Type", "application/json")
            request.data = document
        with self._send(request, None) as response:
            answer = json.load(response)
        return Reply(int(answer.get("exit", 0)), answer.get("document"))

    def _at(self, path: str) -> str:
        return urljoin(self.url + "/", path)

    def _send(self, request: urllib.request.Request, timeout: float | None) -> IO[bytes]:
        request.add_header("Accept", "application/json, */*")
        request.add_header("Terrapin-Actor", self.actor.encode().decode("latin-1"))  # UTF-8 on the wire
        try:
            opener = _opener(self._loopback, self.url.startswith("http:"))
            response: IO[bytes] = opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as e:
            with e:
                raise refusal(e.code, e.read(), f"{request.get_method()} {request.full_url}") from None
        except (urllib.error.URLError, OSError) as e:
            reason = getattr(e, "reason", e)
            raise UnavailableError(
                f"no Terrapin server answers at {self.url}: {reason}",
                "start one with `terrapin serve --data DIR`, or use terrapin.open(DIR), which starts its own",
            ) from e
        return response


@cache
def _opener(here: bool, plain: bool) -> urllib.request.OpenerDirector:
    """What opens requests, made once: to read a system's certificates takes longer than most answers.

    For a server on this machine it asks no proxy, which is meant for the outside world and would swallow the request.
    """
    if not here:
        return urllib.request.build_opener()
    if not plain:
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _actor(given: str | None) -> str:
    """Who acts: as given, else TERRAPIN_USER, else the user of the operating system."""
    name = given or os.environ.get("TERRAPIN_USER")
    if not name:
        try:
            name = getpass.getuser()
        except (OSError, KeyError):  # a process without a user entry, as in some containers
            name = "unknown"
    if not name.isprintable():
        raise InvalidError(f"actor {name!r} is not printable", "give a name of one line")
    return name


def refusal(status: int, body: bytes, what: str) -> TerrapinError:
    """The error that an HTTP answer carries: our JSON where it is ours, else what the status says."""
    try:
        fault = json.loads(body)
        if "kind" in fault:
            return of_kind(str(fault["kind"]), str(fault.get("message", "")), str(fault.get("cure") or ""))
        message = str(fault.get("description") or fault)
    except (ValueError, TypeError, AttributeError):
        message = body[:200].decode(errors="replace").strip()
    kind = _STATUS_KIND.get(status, "internal" if status >= 500 else "invalid")
    return of_kind(kind, f"{what}: HTTP {status}: {message}")


class _Multipart:
    """A multipart body of known length that is read from disk while it is sent."""

    def __init__(self, boundary: str, args: bytes, files: Sequence[Path]) -> None:
        self._parts: list[tuple[bytes, bytes | Path]] = [
            (_head(boundary, 'name="args"', "application/json"), args),
        ]
        sizes = 0
        for path in files:
            if not path.is_file():
                raise InvalidError(f"upload {path}: no such file", "give the path of an existing, readable file")
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            name = path.name.replace("\\", "\\\\").replace('"', '\\"')
            self._parts.append((_head(boundary, f'name="file"; filename="{name}"', kind), path))
            sizes += path.stat().st_size
        self._end = f"--{boundary}--\r\n".encode()
        self.length = sum(len(h) + 2 for h, _ in self._parts) + len(args) + sizes + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for head, body in self._parts:
            yield head
            sent += len(head) + 2
            if isinstance(body, bytes):
                yield body
                sent += len(body)
            else:
                with body.open("rb") as f:
                    while piece := f.read(_PIECE):
                        yield piece
                        sent += len(piece)
            yield b"\r\n"
        if sent + len(self._end) != self.length:
            raise InternalError(
                "upload: a file changed its size while it was sent", "send it again when it is complete"
            )
        yield self._end


def _head(boundary: str, disposition: str, kind: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {kind}\r\n\r\n".encode()
