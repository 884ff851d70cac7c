"""The server's ledger of what runs have seen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _asked
from ._pixels import compare
from ._receipts import Reading
from ._verify import verify
from .verify import Report

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Ledger"]

_PAGE = 10_000


class Ledger:
    """Receipts of one server: asking for them, telling of more, and verifying them."""

    def __init__(self, client: "Client") -> None:
        """Use the methods of :class:`terrapin.Client`."""
        self._client = client

    def run(self, name: str) -> dict[str, Any]:
        """A run and all its sessions."""
        document: dict[str, Any] = self._client._http.get_json(f"v1/runs/{name}")
        more = document
        while after := more.pop("next", None):
            more = self._client._http.get_json(f"v1/runs/{name}?after={after}")
            document["sessions"] += more["sessions"]
        return document

    def seen(self, session: str) -> Iterator[dict[str, Any]]:
        """The rows that a session acknowledged."""
        first, total = 0, 1
        while first < total:
            page = self._client._http.get_json(f"v1/sessions/{session}/samples?first={first}&limit={_PAGE}")
            total = page["total"]
            first += len(page["samples"])
            yield from page["samples"]

    def send(self, session: str, body: dict[str, Any], timeout: float) -> int:
        """Send an acknowledgement and return what is acknowledged."""
        path = f"v1/sessions/{session}/acknowledge"
        return int(self._client._http.post_json(path, body, timeout=timeout)["steps"])

    def verify(
        self,
        run: str,
        ticket: Mapping[str, Any],
        rank: int | None,
        readings: Sequence[Reading],
        pixels: int,
        partial: bool,
        begin: int,
    ) -> Report:
        """Compare receipts with the order and, of some samples, pixels."""
        begin = _asked.begin(begin)
        report, sessions = verify(self._client, run, ticket, rank=rank, readings=readings, partial=partial, begin=begin)
        if pixels > 0 and not report.problems:
            compare(self._client, report, sessions, readings, pixels)
        return report
