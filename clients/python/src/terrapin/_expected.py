"""The samples of an epoch by position, recomputed from the manifest by this package's own order."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, overload

import pyarrow as pa

from ._filter import Filter
from ._properties import COUNTS, class_names, columns_of, number
from .errors import UnsupportedError
from .order import (
    ALGORITHM,
    DRAWN_ALGORITHM,
    DRAWN_BY_CHUNK,
    DrawnOrder,
    Order,
    balanced,
    blocks,
    by_class,
    stored,
)

_BALANCED = "class_balanced"


class Expected:
    """The samples of an epoch by position."""

    def __init__(self, split: Sequence[str], order: Sequence[int]) -> None:
        """``split`` is sorted by id; ``order`` says which of it stands at each position."""
        self.split = split
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    def ids(self, first: int, count: int) -> list[str]:
        """The ids at some positions."""
        return [self.split[i] for i in self._order[first : first + count]]


class _Ids(Sequence[str]):
    """The ids of a split, sorted; they stay in Arrow's memory, 40 bytes each."""

    def __init__(self, manifest: pa.Table, split: str) -> None:
        import pyarrow.compute as pc  # 4 MB that only an audit needs

        ids = manifest.filter(pc.equal(manifest["split"], split))["id"].cast(pa.large_string())
        self._ids = ids.take(pc.sort_indices(ids)).combine_chunks()

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [str(i) for i in self._ids[index].to_pylist()]
        return str(self._ids[index].as_py())


class Manifest(Protocol):
    """The samples of a version."""

    def manifest(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of all splits."""


class Facts(Protocol):
    """What can say what a ticket gives."""

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""


class Source(Protocol):
    """Where an order is recomputed from: a client, or what has asked one already."""

    def dataset(self, name: str) -> Manifest:
        """A version by its name."""

    def _transports(self) -> Facts: ...


def expected_of(client: Source, ticket: Mapping[str, Any]) -> Expected:
    """What the epoch of a resolved ticket holds.

    Raises UnsupportedError for an order that this package cannot compute: with a filter of which it does not know
    all, or of a later release.
    """
    if ticket["order"] not in (ALGORITHM, DRAWN_ALGORITHM, DRAWN_BY_CHUNK):
        raise UnsupportedError(f"this client does not know the order {ticket['order']!r}", "use a newer client")
    key = {"seed": ticket["seed"], "epoch": ticket["epoch"]}
    if ticket["order"] == ALGORITHM:
        all_ids = _Ids(client.dataset(ticket["dataset"]).manifest(["id", "split"]), ticket["split"])
        plain_order = Order(ticket["digest"], ticket["split"], len(all_ids), shuffle=bool(ticket["shuffle"]), **key)
        return Expected(all_ids, plain_order)
    weights, text = ticket.get("weights") or "", ticket.get("filter") or ""
    classed = weights.startswith("{")
    wanted = Filter(text) if text else None
    columns = ["id", "split", "cell", "row", "col", *(wanted.columns if wanted else ())]
    if weights:
        columns += ("class",) if weights == _BALANCED or classed else columns_of(weights)
    table = client.dataset(ticket["dataset"]).manifest(list(dict.fromkeys(columns)))
    samples = [s for s in table.to_pylist() if s["split"] == ticket["split"]]
    samples.sort(key=lambda s: str(s["id"]))
    ids = [s["id"] for s in samples]
    shuffle = {True: "uniform", False: "base"}.get(ticket["shuffle"], ticket["shuffle"])
    facts: dict[str, Any] = {"group_bytes": 0}
    if shuffle.startswith("window:") or COUNTS in columns or classed:
        asked = {k: ticket[k] for k in ("dataset", "digest", "split", "seed", "epoch")}
        plain = {"shuffle": False, "filter": False, "weights": False}  # says the same, and the server groups nothing
        facts = client._transports().facts({**asked, **plain, "batch_size": 1})
    names = class_names(facts)
    kept = list(range(len(ids))) if wanted is None else wanted.kept(samples, names)
    groups: list[int] = []
    touched = 0
    if shuffle.startswith("window:"):
        place = [[samples[i][k] for i in kept] for k in ("cell", "row", "col")]
        if ticket["order"] == DRAWN_BY_CHUNK:
            kept, groups = stored(kept, place[0], place[1], place[2], facts["chunk"])
        else:
            sizes = {"edge": facts["chunk"], "size": facts["size"], "group_bytes": facts["group_bytes"]}
            laid = blocks(kept, place[0], place[1], place[2], shuffle=shuffle, **sizes)
            kept, groups, touched = laid.kept, laid.groups, laid.touched
    weight = None
    if weights == _BALANCED:
        weight = balanced([samples[i]["class"] for i in kept])
    elif classed:
        given = {names.get(int(value), value): w for value, w in json.loads(weights)["class"].items()}
        weight = by_class([samples[i]["class"] for i in kept], given)
    elif weights:
        weight = [number(samples[i], weights, names) for i in kept]
    drawn = DrawnOrder(
        ticket["digest"],
        ticket["split"],
        kept,
        weight=weight,
        groups=groups,
        touched=touched,
        group_bytes=facts["group_bytes"],
        filter=text,
        weights=weights,
        shuffle=shuffle,
        algorithm=ticket["order"],
        **key,
    )
    return Expected(ids, drawn)
