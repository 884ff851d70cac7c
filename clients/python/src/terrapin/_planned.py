"""What a step will read, computed here: the ids of a version are fetched once, and everything else is the order."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._expected import Expected, expected_of
from ._prefetch import positions
from .datasets import Dataset
from .order import Plan
from .types import Planned

if TYPE_CHECKING:
    from .client import Client

_EPOCHS = 2


class Planner:
    """Steps of the splits of dataset versions, by their tickets. Keeps what it has fetched, and the last epochs."""

    def __init__(self, client: "Client") -> None:
        """Fetch nothing yet."""
        self._client = client
        self._once = _Once(client)
        self._epochs: dict[str, Expected] = {}

    def step(self, ticket: Mapping[str, Any], plan: Plan, step: int, rank: int) -> Planned:
        """What a rank reads in a step of a resolved ticket's epoch."""
        expected = self._expected(ticket)
        part = plan.part(step, rank)
        ids = expected.ids(part.first, part.count) + [""] * part.pad
        return Planned(step, ticket["seed"], ticket["epoch"], positions(plan, step, rank), ids)

    def _expected(self, ticket: Mapping[str, Any]) -> Expected:
        key = json.dumps(ticket, sort_keys=True)
        if key not in self._epochs:
            expected = expected_of(self._once, ticket)
            self._epochs = dict([*self._epochs.items(), (key, expected)][-_EPOCHS:])
        return self._epochs[key]

    def __reduce__(self) -> tuple[Any, ...]:
        return Planner, (self._client,)


class _Once:
    """A client that asks for each thing of a version once, as versions do not change."""

    def __init__(self, client: "Client") -> None:
        self._manifest = cache(lambda name: _Manifest(client.dataset(name)))
        self._facts = cache(lambda ticket: client._transports().facts(json.loads(ticket)))

    def dataset(self, name: str) -> "_Manifest":
        """The samples of a version."""
        return self._manifest(name)

    def _transports(self) -> "_Once":
        return self

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """Facts of a split, which are those of any epoch."""
        facts: dict[str, Any] = self._facts(json.dumps({**ticket, "seed": 0, "epoch": 0}, sort_keys=True))
        return facts


class _Manifest:
    def __init__(self, dataset: Dataset) -> None:
        self._tables = cache(dataset.manifest)

    def manifest(self, columns: Sequence[str]) -> pa.Table:
        return self._tables(tuple(columns))
