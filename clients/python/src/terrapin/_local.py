"""The server of a data directory or bucket: attach to the one that holds it, else start one."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from .errors import NotFoundError, PreconditionError, TerrapinError, UnavailableError, of_kind

LOCK = "terrapin.lock"
_READY_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOCK_SECONDS = 10.0


class Server:
    """A server process that this process started, and stops again."""

    def __init__(self, process: subprocess.Popen[bytes], endpoints: dict[str, Any]) -> None:
        self.endpoints = endpoints
        self._process = process
        self._pid = os.getpid()

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def stop(self) -> None:
        """Ask the server to drain and end (SIGTERM); only the process that started it may."""
        if os.getpid() != self._pid:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def attach_or_start(path: str | os.PathLike[str], binary: str | None) -> tuple[dict[str, Any], Server | None]:
    """The endpoints of the server of a data directory or bucket, and the server where it had to be started."""
    if (place := os.fspath(path)).startswith("s3:"):  # a URL, which is no path: its query holds the endpoint
        return _start(place, _find_binary(binary))
    directory = Path(path).expanduser().absolute()
    if directory.exists() and not directory.is_dir():
        raise PreconditionError(f"open {directory}: not a directory", "give the folder of a data directory")
    if held := _wait_for_holder(directory):
        return held, None
    program = _find_binary(binary)
    try:
        return _start(str(directory), program)
    except TerrapinError:
        # Somebody else may have been quicker in the moment between the two, and is not ready yet.
        if held := _wait_for_holder(directory):
            return held, None
        raise


def _wait_for_holder(directory: Path) -> dict[str, Any] | None:
    """The endpoints in the lock file while a server holds it, None when nobody does."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        state = _holder(directory / LOCK)
        if state is None or "http" in state:
            return state
        if time.monotonic() > deadline:
            raise PreconditionError(
                f"data directory {directory} is in use by another terrapin command",
                "try again when it has ended, or stop it",
            )
        time.sleep(0.05)


def _holder(lock: Path) -> dict[str, Any] | None:
    """What the lock file says while it is held ({} while it has no URLs yet); None when it is free."""
    try:
        f = lock.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with f:
        try:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(ValueError):
                document = json.loads(f.read())
                if isinstance(document, dict) and document.get("http"):
                    return document
            return {}
        return None


def _find_binary(binary: str | None) -> str:
    wanted = binary or os.environ.get("TERRAPIN_BIN") or "terrapin"
    found = shutil.which(wanted)
    if found is None:
        raise NotFoundError(
            f"open: no terrapin program at {wanted!r}",
            "put `terrapin` on PATH, set TERRAPIN_BIN, or pass binary=; `make build` in the repository builds it",
        )
    return found


def _start(place: str, binary: str) -> tuple[dict[str, Any], Server | None]:
    """Start a server and wait until it is ready, or until its refusal names the server that holds the place."""
    command = [binary, "serve", "--data", place, "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--json"]
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C in the terminal must reach this process, which then stops the server.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        server = Server(process, {})
        try:
            document = json.loads(_ready_line(process) or "{}")
            if "http" in document:
                server.endpoints = document
                return document, server
            process.wait()
        except BaseException:
            server.stop()
            raise
        server.stop()
        log.seek(0)
        said = log.read().decode(errors="replace").strip()
    if served := document.get("served"):
        return served, None
    if refusal := document.get("error"):
        what = f"open {place}: {refusal.get('message', '')}"
        raise of_kind(str(refusal.get("kind")), what, str(refusal.get("cure") or ""))
    what = f"open {place}: `{binary} serve` ended with exit code {process.returncode} before it was ready"
    raise PreconditionError(f"{what}: {said[-2000:]}")


def _ready_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    deadline = time.monotonic() + _READY_SECONDS
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            raise UnavailableError(f"`terrapin serve` was not ready after {_READY_SECONDS:.0f} s", "look at its log")
        piece = os.read(process.stdout.fileno(), 65536)
        if not piece:
            return b""
        line += piece
    return line
