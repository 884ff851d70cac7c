"""A server in this process that speaks the documented protocol over stock pyarrow.flight and http.server.

It stands in for the Go server where a test needs failures on demand; what the real one does is tested in integration/.
"""

import json
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from terrapin.order import ALGORITHM, DRAWN_ALGORITHM, DrawnOrder, Order, Plan, shuffle_name

SLOTS, BANDS, SIZE = 2, ("B02", "B03", "B04"), 4
GRID = {"crs": "EPSG:32631", "transform": [10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0], "width": 10, "height": 7}
LABEL_IGNORE = 255


def sample_id(index: int) -> str:
    return f"{index:08x}"


def sample_image(index: int) -> np.ndarray:
    shape = (SLOTS, len(BANDS), SIZE, SIZE)
    return (np.arange(np.prod(shape), dtype=np.uint32).reshape(shape) * 7 + index).astype(np.uint16)


def sample_label(index: int) -> np.ndarray:
    return np.full((SIZE, SIZE), index % 3, np.uint8)


def tensor(values: np.ndarray) -> pa.Array:
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(values.dtype), list(values.shape[1:]))
    size = int(np.prod(values.shape[1:]))
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), size))


def drawn(digest: str, split: str, n: int, t: dict[str, Any]) -> tuple[Any, bool | str, str | None]:
    """The order of a ticket: the filter keeps every third sample, weights grow with the index, three share a chunk."""
    shuffle = t.get("shuffle", True)
    text = t.get("filter") if isinstance(t.get("filter"), str) else t.get("filter") and "every third"
    windowed = isinstance(shuffle, str) and shuffle != "uniform"
    if text is None and t.get("weights") is None and not windowed:
        return (
            Order(digest, split, n, seed=t.get("seed", 0), epoch=t.get("epoch", 0), shuffle=bool(shuffle)),
            shuffle is not False,
            None,
        )
    kept = range(0, n, 3) if text is not None else range(n)
    name = shuffle_name(shuffle) if windowed else "uniform" if shuffle else "base"
    order = DrawnOrder(
        digest,
        split,
        kept,
        weight=[float(i + 1) for i in kept] if t.get("weights") else None,
        groups=[3] * (len(kept) // 3) + [len(kept) % 3] * (len(kept) % 3 > 0) if windowed else (),
        touched=(len(kept) + 2) // 3,
        group_bytes=100,
        filter=text or "",
        weights=t.get("weights") or "",
        shuffle=name,
        seed=t.get("seed", 0),
        epoch=t.get("epoch", 0),
    )
    return order, name if windowed else bool(shuffle), text


class Double(flight.FlightServerBase):
    """One dataset, `crops@v1` with splits train and test, and one cube, `s2`."""

    def __init__(self, samples: int = 50, port: int = 0) -> None:
        self.samples = {"train": samples, "test": 5}
        self.digest = "td1:" + "ab" * 32
        self.fail_after_rows: int | None = None
        self.refuse_calls = 0
        self.tickets: list[dict[str, Any]] = []
        self.puts: list[dict[str, Any]] = []
        self.verbs: list[tuple[str, dict[str, Any], list[tuple[str, bytes]], str | None]] = []
        self.answers: dict[str, Any] = {
            "cube.show": {
                "cube": "s2",
                "location": "file:///nowhere",
                "snapshot": "S1",
                "bands": list(BANDS),
                "cells": [{"path": "r0c0/10m", "times": ["2021-01-01T00:00:00Z"] * SLOTS}],
            },
            "model.show": {"id": "unet", "classes": [{"value": 0, "name": "no"}, {"value": 1, "name": "yes"}]},
            "model.register": {"id": "unet"},
        }
        super().__init__(f"grpc://127.0.0.1:{port}")
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()
        self.shutdown()

    # Flight

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        run = _Run(self, json.loads(descriptor.command))
        return flight.FlightInfo(run.schema, descriptor, [], run.rows, -1)

    def do_get(self, context: Any, ticket: Any) -> Any:
        document = json.loads(ticket.ticket)
        self.tickets.append(document)
        if self.refuse_calls > 0:
            self.refuse_calls -= 1
            raise flight.FlightUnavailableError("not now")
        run = _Run(self, document)
        return flight.GeneratorStream(run.schema, run.batches())

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        put: dict[str, Any] = {"command": json.loads(descriptor.command)["predictions"], "rows": [], "committed": False}
        self.puts.append(put)
        if put["command"]["model"] == "forbidden":
            raise pa.ArrowKeyError('no model "forbidden"\n  cure: register it first')
        while True:
            try:
                chunk = reader.read_chunk()
            except StopIteration:
                break
            if chunk.data is not None:
                put["rows"].append(chunk.data)
            if chunk.app_metadata is not None and json.loads(chunk.app_metadata.to_pybytes()) == {"commit": True}:
                put["committed"] = True
                item = {"item": "p1", "collection": "predictions-s2", "run": "r1", "created": True}
                writer.write(json.dumps(item | {"document": {"id": "p1", "type": "Feature"}}).encode())
                break


class _Run:
    def __init__(self, server: Double, ticket: dict[str, Any]) -> None:
        self.server, self.ticket = server, ticket
        if "cube" in ticket:
            self._windows()
        else:
            self._samples()
        self.rows = self.plan.n

    def _samples(self) -> None:
        t = self.ticket
        known = {"dataset", "digest", "split", "seed", "epoch", "shuffle", "order", "batch_size", "rank", "world_size"}
        known |= {"start", "tail", "message_bytes", "filter", "weights", "dtype", "augment", "on_error"}
        if unknown := set(t) - known:
            raise pa.ArrowInvalid(f"ticket: unknown key {sorted(unknown)[0]!r}")
        if t["dataset"] not in ("crops", "crops@v1"):
            raise pa.ArrowKeyError(f"dataset {t['dataset']!r} does not exist\n  cure: there are: crops@v1")
        if t.get("split", "train") not in self.server.samples:
            raise pa.ArrowKeyError(f"split {t['split']!r} does not exist\n  cure: there are: train, test")
        split = t.get("split", "train")
        order, shuffle, text = drawn(self.server.digest, split, self.server.samples[split], t)
        n = len(order)
        self.plan = Plan(n, t["batch_size"], t.get("world_size", 1), t.get("start", 0), t.get("tail"))
        self.columns = lambda positions: _sample_columns(order, positions, self.plan.tail == "pad")
        self.facts = {
            "dataset": "crops@v1",
            "digest": self.server.digest,
            "split": split,
            "dtype": "uint16",
            "nodata": 65535,
            "values": "raw",
            "normalise": False,
            "statistics": [{"band": b, "count": 9, "mean": 1.5, "std": "NaN", "min": 0, "max": 3} for b in BANDS],
            "labels": {"set": "crop", "revision": "r1", "digest": "x", "dtype": "uint8"},
            "classes": [{"value": 0, "name": "no"}, {"value": 1, "name": "maize"}, {"value": 2, "name": "wheat"}],
            "ignore": LABEL_IGNORE,
            "order": ALGORITHM if isinstance(order, Order) else DRAWN_ALGORITHM,
            "shuffle": shuffle,
            "filter": text,
            "weights": t.get("weights"),
            "size": SIZE,
            "samples": n,
        }

    def _windows(self) -> None:
        t = self.ticket
        if t["cube"] != "s2":
            raise pa.ArrowKeyError(f"cube {t['cube']!r} does not exist\n  cure: there are: s2")
        size, stride = t["size"], t["size"] - t["overlap"]
        rows, cols = -(-GRID["height"] // stride), -(-GRID["width"] // stride)
        self.plan = Plan(rows * cols, t["batch_size"], start=t.get("start", 0))
        self.columns = lambda positions: _window_columns(positions, size, stride, cols)
        self.facts = {
            "dtype": "uint16",
            "size": size,
            "samples": rows * cols,
            "area": {"row": 0, "col": 0, "height": GRID["height"], "width": GRID["width"]},
        }

    @property
    def schema(self) -> pa.Schema:
        facts = self.facts | {
            "cube": "s2",
            "snapshot": "S1",
            "cell": "r0c0/10m",
            "grid": GRID,
            "bands": list(BANDS),
            "slots": SLOTS,
            "contracts": [{"slice": f"s{i}", "scale": 1, "offset": 0} for i in range(SLOTS)],
        }
        batch = pa.record_batch(self.columns(np.zeros(0, np.int64)))
        return batch.schema.with_metadata({"terrapin": json.dumps(facts)})

    def batches(self) -> Iterator[Any]:
        sent = 0
        for step in range(self.plan.steps):
            part = self.plan.part(step, self.ticket.get("rank", 0))
            positions = np.array(list(range(part.first, part.first + part.count)) + [-1] * part.pad, np.int64)
            cut = 3 if "message_bytes" in self.ticket else len(positions)
            for first in range(0, len(positions), cut):
                piece = positions[first : first + cut]
                fail = self.server.fail_after_rows
                if fail is not None and sent + len(piece) > fail:
                    self.server.fail_after_rows = None
                    raise flight.FlightUnavailableError("Socket closed")
                sent += len(piece)
                # What a stream carries must have the very schema it announced.
                batch = pa.record_batch(self.columns(piece))
                yield pa.RecordBatch.from_arrays(batch.columns, schema=self.schema), b'{"step": 0}'


def _sample_columns(order: Order, positions: np.ndarray, padded: bool) -> dict[str, pa.Array]:
    n = len(positions)
    image = np.zeros((n, SLOTS, len(BANDS), SIZE, SIZE), np.uint16)
    valid, label = np.zeros((n, SLOTS, SIZE, SIZE), np.uint8), np.full((n, SIZE, SIZE), LABEL_IGNORE, np.uint8)
    times, ids = np.full((n, SLOTS), np.iinfo(np.int64).min), []
    for i, position in enumerate(positions):
        ids.append("" if position < 0 else sample_id(order[int(position)]))
        if position >= 0:
            index = order[int(position)]
            image[i], label[i], valid[i], times[i] = sample_image(index), sample_label(index), 1, np.arange(SLOTS)
    columns = {
        "image": tensor(image),
        "valid": tensor(valid),
        "times": tensor(times),
        "label": tensor(label),
        "id": pa.array(ids, pa.string()),
        "position": pa.array(positions),
    }
    return columns | ({"weight": pa.array((positions >= 0).astype(np.float32))} if padded else {})


def _window_columns(positions: np.ndarray, size: int, stride: int, cols: int) -> dict[str, pa.Array]:
    n, margin = len(positions), (size - stride) // 2
    core_row, core_col = positions // cols * stride, positions % cols * stride
    image = np.broadcast_to(
        (core_row * 1000 + core_col)[:, None, None, None, None], (n, SLOTS, len(BANDS), size, size)
    ).astype(np.uint16)
    place = {
        "row": core_row - margin,
        "col": core_col - margin,
        "height": np.full(n, size),
        "width": np.full(n, size),
        "core_row": core_row,
        "core_col": core_col,
        "core_height": np.minimum(stride, GRID["height"] - core_row),
        "core_width": np.minimum(stride, GRID["width"] - core_col),
    }
    columns = {
        "image": tensor(image),
        "valid": tensor(np.ones((n, SLOTS, size, size), np.uint8)),
        "times": tensor(np.tile(np.arange(SLOTS), (n, 1))),
        "id": pa.array([f"r{r}c{c}" for r, c in zip(core_row, core_col, strict=True)], pa.string()),
        "position": pa.array(positions),
    }
    return columns | {name: pa.array(values, pa.int64()) for name, values in place.items()}


def _handler(server: Double) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

        def do_GET(self) -> None:
            if self.path == "/v1/server":
                self._send(200, {"http": server.url, "flight": f"grpc://0.0.0.0:{server.port}", "version": "0"})
            elif self.path.startswith("/raw/"):
                self._bytes(200, b"not json")
            else:
                self._send(404, {"kind": "not_found", "message": f"no {self.path}", "cure": "look elsewhere"})

        def do_POST(self) -> None:
            name = self.path.rpartition("/")[2]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            args, files = body, []
            if self.headers["Content-Type"].startswith("multipart/"):
                head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
                parts = message_from_bytes(head + body).get_payload()
                args = parts[0].get_payload(decode=True)
                files = [(p.get_filename(), p.get_payload(decode=True)) for p in parts[1:]]
            server.verbs.append((name, json.loads(args), files, self.headers["Terrapin-Actor"]))
            if name not in server.answers:
                self._send(404, {"kind": "not_found", "message": f"no verb {name}", "cure": "see the list"})
            else:
                self._send(200, {"exit": 0, "document": server.answers[name]})

        def _send(self, status: int, document: Any) -> None:
            self._bytes(status, json.dumps(document).encode())

        def _bytes(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def until(condition: Any, seconds: float = 5.0) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.01)
    return True


def put_ids(client: Any, queue: Any) -> None:
    """Read an epoch in another process; here, where a spawned one can import it."""
    queue.put([i for batch in client.loader("crops@v1", tensors="numpy") for i in batch["ids"]])


def threads() -> int:
    """How many threads read ahead."""
    return sum(t.name == "terrapin-prefetch" for t in threading.enumerate())


def expected(double: Double, seed: int, epoch: int, n: int = 50) -> list[str]:
    """The ids of an epoch of the split train, in order."""
    return [sample_id(i) for i in Order(double.digest, "train", n, seed=seed, epoch=epoch)]
