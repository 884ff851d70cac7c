"""Pixels of steps that were seen, read a second time past the server: through the official Icechunk library."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._coverage import Session
from ._prefetch import joined
from ._receipts import Reading, checksums
from .errors import CorruptError, UnsupportedError
from .symmetry import Symmetries, undone
from .verify import Problem, Report

if TYPE_CHECKING:
    from .client import Client

_COLUMNS = ("id", "cell", "row", "col", "height", "width", "slots")


def compare(
    client: "Client", report: Report, sessions: Sequence[Session], readings: Sequence[Reading], count: int
) -> None:
    """Compare image and validity of up to `count` acknowledged steps, drawn at random, with the cube itself."""
    seen = [(s, step) for s in sessions for step in range(s.taken) if s.rows(step)[1]]
    table = client.dataset(report.dataset).manifest(_COLUMNS).to_pydict()
    where = {sample: i for i, sample in enumerate(table["id"])}
    cells: dict[str, Any] = {}
    for s, step in random.sample(seen, min(count, len(seen))):
        facts, arrays = _served(client, s, step)
        first = s.rows(step)[0]
        lay = _symmetries(facts)
        lost = _lost(arrays)
        for r, sample in enumerate(arrays["ids"]):
            if not sample or first + r in lost:
                continue
            report.pixels += 1
            row = {name: table[name][where[sample]] for name in _COLUMNS}
            by = lay[first + r] if lay else 0
            wrong = []
            for key, own, part in _resolutions(facts, row):
                image, valid = _gathered(client, own, part, cells)
                served = [undone(arrays[name + key][r], by) for name in ("image", "valid")]
                if other := _wrong(own, part, image, valid, *served):
                    wrong.append(f"{other}, in image{key}" if key else other)
            if lay and arrays["symmetry"][r] != by:
                wrong = [f"symmetry {arrays['symmetry'][r]}, not {by}"]
            if wrong:
                says = f"sample {sample}: the server serves {'; '.join(wrong)}"
                report.problems.append(Problem("pixels", says, s.rank, step, first + r, s.id))
        before = {row["position"] for _, row in s.masked() if s.holding(row["position"]) == step}
        for reading in readings if before == lost else ():
            at = reading.sessions.get(s.id, -1)
            if at < 0 or at + step >= len(reading.checksums):
                continue
            now, then = checksums(arrays), reading.checksums[at + step]
            if changed := [name for name, crc in then.items() if now.get(name) != crc]:
                says = f"{', '.join(changed)} delivered then is not what the server serves now"
                report.problems.append(Problem("pixels", says, s.rank, step, first, s.id))


def _lost(arrays: Mapping[str, Any]) -> set[int]:
    """The positions that come without their pixels now."""
    if "weight" not in arrays:
        return set()
    return {int(p) for p in arrays["position"][(arrays["weight"] == 0) & (arrays["position"] >= 0)]}


def _symmetries(facts: Mapping[str, Any]) -> Symmetries | None:
    """How the windows of a stream are laid; None for as they lie on the ground."""
    if not facts.get("augment"):
        return None
    return Symmetries(facts["augment"], facts["digest"], facts["split"], seed=facts["seed"], epoch=facts["epoch"])


def _served(client: "Client", s: Session, step: int) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """What the server serves now for a step, without receipts."""
    ticket = {**s.ticket, "start": s.plan.after(step)}
    ticket.pop("run", None)
    stream, _ = client._transports().open(ticket)
    try:
        parts, rows = [], 0
        part = s.plan.part(step, s.rank)
        while rows < part.count + part.pad:
            arrays = stream.read()
            if arrays is None:
                raise CorruptError(f"the stream ended inside step {step} of session {s.id}")
            parts.append(arrays)
            rows += len(arrays["position"])
        return stream.facts, joined(parts)
    finally:
        stream.cancel()


def _resolutions(
    facts: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """For each resolution the end of its keys, the facts of its images, and the sample's place in its pixels."""
    yield "", facts, row
    for group in facts.get("groups") or ():
        part = {name: row[name] // group["scale"] for name in ("row", "col", "height", "width")}
        cell = f"{row['cell'].rpartition('/')[0]}/{group['name']}"
        yield f"_{group['name']}", {**facts, **group}, {**row, **part, "cell": cell}


def _gathered(
    client: "Client", facts: Mapping[str, Any], row: Mapping[str, Any], cells: dict[str, Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Image [slots, bands, y, x] in the cube's numbers and validity [slots, y, x] of what lies in the sample's cell."""
    try:
        from .xarray import open_cell
    except ImportError as e:
        raise UnsupportedError(
            f"verify_epoch(pixels=…) needs icechunk, zarr and xarray: {e}", "pip install 'terrapin[xarray]'"
        ) from None
    path = row["cell"]
    if path not in cells:
        info = client.verb("cube.show", {"cube": facts["cube"], "version": facts["snapshot"]}).document
        cell = next(c for c in info["cells"] if c["path"] == path)
        http = f"{client.url}/assets/cubes/{facts['cube']}"
        data = open_cell(location=info["location"], http=http, snapshot=facts["snapshot"], group=path)
        names = [str(b) for b in data["band"].values]
        cells[path] = data, {i: n for n, i in enumerate(cell["slices"])}, [names.index(b) for b in facts["bands"]]
    data, slices, bands = cells[path]
    wanted = {
        "time": [slices[i] for i in row["slots"] if i],
        "band": bands,
        "y": slice(max(row["row"], 0), row["row"] + row["height"]),
        "x": slice(max(row["col"], 0), row["col"] + row["width"]),
    }
    return data["image"].isel(wanted).values, data["valid"].isel(wanted).values.all(axis=1)


def _wrong(
    facts: Mapping[str, Any],
    row: Mapping[str, Any],
    image: npt.NDArray[Any],
    valid: npt.NDArray[Any],
    served: npt.NDArray[Any],
    served_valid: npt.NDArray[Any],
) -> str:
    """What the server serves otherwise, "" for nothing."""
    top, left = max(-row["row"], 0), max(-row["col"], 0)
    inside = (slice(0, image.shape[0]), slice(top, top + image.shape[2]), slice(left, left + image.shape[3]))
    if not np.array_equal(served_valid[inside] != 0, valid != 0):
        return f"another validity than cube {facts['cube']} holds"
    if facts["values"] == "physical":
        contracts = {c["slice"]: c for c in facts["contracts"]}
        own = [contracts[i] for i in row["slots"] if i]
        scale = np.array([float(c["scale"]) for c in own], np.float32)[:, None, None, None]
        offset = np.array([float(c["offset"]) for c in own], np.float32)[:, None, None, None]
        image = image.astype(np.float32) * scale + offset
    if facts["normalise"]:
        mean = np.array([float(s["mean"]) for s in facts["statistics"]], np.float32)[None, :, None, None]
        std = np.array([float(s["std"]) for s in facts["statistics"]], np.float32)[None, :, None, None]
        image = (image.astype(np.float32) - mean) / np.where(std == 0, np.float32(1), std)
    if facts["dtype"] == "float32":
        image = image.astype(np.float32)
    mask = np.broadcast_to((valid != 0)[:, None], image.shape)
    other = f"other pixels than cube {facts['cube']} holds"
    there = np.moveaxis(np.moveaxis(served, 1, -1)[inside], -1, 1)
    return "" if np.array_equal(there[mask], image[mask], equal_nan=image.dtype.kind == "f") else other
