"""Checks of a running server with nothing but stock pyarrow.flight, NumPy and rasterio.

Usage: stock_client.py CHECK URL FOLDER, where FOLDER holds what the Go test wrote down: world.json and the
arrays it names. Exit 0 means that the check holds.
"""

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq

NO_TIME = np.iinfo(np.int64).min
URL, FOLDER = sys.argv[2], Path(sys.argv[3])
WORLD = json.loads((FOLDER / "world.json").read_text())


def connect():
    return fl.connect(URL)


def arrays(batch):
    out = {}
    for name in batch.schema.names:
        col = batch.column(name)
        if isinstance(col.type, pa.FixedShapeTensorType):
            assert col.null_count == 0
            out[name] = col.to_numpy_ndarray() if len(col) else None
        else:
            out[name] = np.array(col.to_pylist()) if pa.types.is_string(col.type) else col.to_numpy()
    return out


def read(client=None, raw=None, **ticket):
    """Every record batch of a ticket as (arrays, app_metadata), and the schema's metadata."""
    reader = (client or connect()).do_get(fl.Ticket(raw or json.dumps(ticket).encode()))
    facts = json.loads(reader.schema.metadata[b"terrapin"])
    return [(arrays(c.data), json.loads(c.app_metadata.to_pybytes())) for c in reader], facts


def together(batches):
    return {k: np.concatenate([b[k] for b, _ in batches]) for k in batches[0][0]}


def digest(batches):
    h = hashlib.sha256()
    for b, _ in batches:
        for name in sorted(b):
            h.update(name.encode() + np.ascontiguousarray(b[name]).tobytes())
    return h.hexdigest()


def manifest(dataset):
    rows = pq.read_table(FOLDER / "data" / "datasets" / dataset.replace("@", "/") / "manifest.parquet").to_pylist()
    return {r["id"]: r for r in rows}


def scenes(bands):
    """The sources, straight from the GeoTIFFs: [T, C, H, W], validity and times."""
    import rasterio

    images, times = [], []
    for path in sorted(Path(WORLD["scenes"]).glob("s2_*.tif")):
        with rasterio.open(path) as src:
            index = [WORLD["band_names"].index(b) + 1 for b in bands]
            images.append(src.read(index))
            nodata = src.nodata
        day = datetime.strptime(path.stem, "s2_%Y%m%d").replace(tzinfo=UTC)
        times.append((day - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    image = np.stack(images)
    return image, (image != nodata).all(axis=1).astype(np.uint8), np.array(times)


def label_raster():
    import rasterio

    with rasterio.open(WORLD["label_file"]) as src:
        return src.read(1)


def cut(image, row, col, size, fill):
    """A window that may reach over the edge."""
    out = np.full(image.shape[:-2] + (size, size), fill, image.dtype)
    h, w = image.shape[-2:]
    r0, c0, r1, c1 = max(row, 0), max(col, 0), min(row + size, h), min(col + size, w)
    if r1 > r0 and c1 > c0:
        out[..., r0 - row : r1 - row, c0 - col : c1 - col] = image[..., r0:r1, c0:c1]
    return out


def check_values():
    """Every sample of every split equals the sources."""
    rows = manifest("crops@v1")
    seen = set()
    for split in ("train", "validate", "test"):
        batches, facts = read(dataset="crops@v1", split=split, batch_size=7, seed=3)
        bands = facts["bands"]
        assert bands == WORLD["bands"], bands
        image, valid, times = scenes(bands)
        label = label_raster()
        for b, _ in batches:
            n, size = len(b["id"]), facts["size"]
            assert b["image"].shape == (n, len(times), len(bands), size, size), b["image"].shape
            assert b["image"].dtype == np.uint16 and b["valid"].dtype == np.uint8 and b["label"].dtype == label.dtype
            assert b["times"].dtype == np.int64 and b["position"].dtype == np.int64
            for i, sample in enumerate(b["id"]):
                r = rows[sample]
                assert r["split"] == split
                assert (b["image"][i] == cut(image, r["row"], r["col"], size, 65535)).all()
                assert (b["valid"][i] == cut(valid, r["row"], r["col"], size, 0)).all()
                assert (b["label"][i] == cut(label, r["row"], r["col"], size, facts["ignore"])).all()
                assert (b["times"][i] == times).all()
                seen.add(sample)
        assert facts["samples"] == sum(len(b["id"]) for b, _ in batches)
        assert facts["digest"].startswith("td1:") and facts["dataset"] == "crops@v1" and facts["ignore"] == WORLD["ignore"]
        assert [meta["step"] for _, meta in batches] == list(range(facts["steps"]))
        for contract in facts["contracts"]:
            assert set(contract) == {"slice", "datetime", "item", "scale", "offset", "baseline"}, contract
    assert seen == set(rows)


def f32(x):
    return np.asarray(x).astype(np.float32)


def check_float_values():
    """physical and normalise give NumPy's bits, from the stored numbers and the stream's own facts."""
    stored = np.load(FOLDER / "synthetic.npy")
    seen = np.load(FOLDER / "synthetic_valid.npy")
    for dataset, physical, normalise in WORLD["float_datasets"]:
        rows = manifest(dataset)
        batches, facts = read(dataset=dataset, batch_size=5)
        assert facts["values"] == ("physical" if physical else "raw") and facts["normalise"] == normalise
        assert facts["dtype"] == "float32" and facts["cube_dtype"] == str(stored.dtype)
        index = [WORLD["synthetic_bands"].index(b) for b in facts["bands"]]
        scale = f32([c["scale"] for c in facts["contracts"]])[:, None, None, None]
        offset = f32([c["offset"] for c in facts["contracts"]])[:, None, None, None]
        assert not physical or len(set(scale.ravel())) > 1
        mean = f32([s["mean"] for s in facts["statistics"]] or 0).reshape(1, -1, 1, 1)
        std = f32([s["std"] for s in facts["statistics"]] or 1).reshape(1, -1, 1, 1)
        count = 0
        for b, _ in batches:
            for i, sample in enumerate(b["id"]):
                r = rows[sample]
                window = cut(stored[:, index], r["row"], r["col"], facts["size"], WORLD["synthetic_nodata"])
                valid = cut(seen[:, index].min(axis=1), r["row"], r["col"], facts["size"], 0)
                x = f32(window)
                if physical:
                    x = x * scale + offset
                if normalise:
                    x = np.where(valid[:, None] == 1, (x - mean) / std, np.float32(0))
                assert x.dtype == np.float32
                assert (b["valid"][i] == valid).all()
                assert (b["image"][i].view(np.uint32) == x.view(np.uint32)).all(), dataset
                count += int((valid == 0).sum())
        assert count > 0, "the check never met an invalid pixel"


def check_order():
    """Laws of the order over ranks, batch sizes, resumes, epochs and seeds."""
    client = connect()

    def ids(**more):
        batches, facts = read(client, dataset="crops@v1", **more)
        return [(p, i) for b, _ in batches for p, i in zip(b["position"].tolist(), b["id"].tolist(), strict=True)], facts

    whole, facts = ids(seed=5, epoch=2, batch_size=16)
    n = facts["samples"]
    assert [p for p, _ in whole] == list(range(n))
    assert len({i for _, i in whole}) == n
    base, _ = ids(shuffle=False, batch_size=50)
    assert [i for _, i in base] == sorted(i for _, i in whole)
    assert [i for _, i in base] != [i for _, i in whole]
    for other in ({"seed": 6, "epoch": 2}, {"seed": 5, "epoch": 3}, {"seed": 6, "epoch": 1}):
        again, _ = ids(batch_size=16, **other)
        assert [i for _, i in again] != [i for _, i in whole] and sorted(i for _, i in again) == sorted(i for _, i in whole)
    at = dict(whole)
    for batch in (1, 5, 16, n, 10 * n):
        assert ids(seed=5, epoch=2, batch_size=batch)[0] == whole
    for start in range(n + 1):
        assert ids(seed=5, epoch=2, batch_size=9, start=start)[0] == whole[start:], start
    assert ids(seed=5, epoch=2, start=n)[0] == []
    for world in range(1, 9):
        for tail in ("drop", "pad"):
            got, steps = [], set()
            for rank in range(world):
                part, f = ids(seed=5, epoch=2, batch_size=3, rank=rank, world_size=world, tail=tail)
                steps.add(f["steps"])
                assert len(part) == 3 * f["steps"] == f["rows"]
                got += [(p, i) for p, i in part if p >= 0]
                assert all(i == "" for p, i in part if p < 0)
                for k, (p, _) in enumerate(part):
                    assert p in (-1, (k // 3) * 3 * world + rank * 3 + k % 3)
            assert len(steps) == 1
            got.sort()
            assert got == whole[: len(got)] and len(got) == (n if tail == "pad" else n - n % (3 * world))
    assert at == dict(whole)


def check_padding():
    """Padding rows say that nothing was observed and weigh nothing."""
    batches, facts = read(dataset="crops@v1", split="test", batch_size=300, tail="pad")
    b = together(batches)
    pad = b["position"] < 0
    assert pad.any() and not pad.all() and len(pad) % 300 == 0
    assert b["weight"].dtype == np.float32 and (b["weight"] == np.where(pad, 0, 1)).all()
    assert (b["valid"][pad] == 0).all() and (b["times"][pad] == NO_TIME).all()
    assert (b["label"][pad] == facts["ignore"]).all() and (b["image"][pad] == facts["nodata"]).all()


def check_messages():
    """message_bytes cuts a step into whole, consecutive samples and changes nothing else."""
    ticket = {"dataset": "crops@v1", "seed": 1, "batch_size": 8}
    whole, _ = read(**ticket)
    counts = [meta.pop("chunks") for _, meta in whole]
    assert all(meta == {"step": g, "part": 0, "parts": 1} for g, (_, meta) in enumerate(whole))
    assert all(c.keys() == {"kept", "joined", "decoded", "bytes_read"} for c in counts) and counts[0]["kept"] + counts[0]["joined"] + counts[0]["decoded"] > 0
    assert all(a["kept"] + a["joined"] + a["decoded"] <= b["kept"] + b["joined"] + b["decoded"] for a, b in zip(counts, counts[1:]))
    for size in (1, 200_000, 2**30):
        cut_up, _ = read(**ticket, message_bytes=size)
        for g, (b, _) in enumerate(whole):
            parts = [(c, m) for c, m in cut_up if m["step"] == g]
            assert [m["part"] for _, m in parts] == list(range(parts[0][1]["parts"])) and len(parts) == parts[0][1]["parts"]
            assert len(parts) == (len(b["id"]) if size == 1 else len(parts))
            joined = together(parts)
            assert all((joined[k] == b[k]).all() for k in b)
        if size == 2**30:
            assert len(cut_up) == len(whole)


def check_alignment():
    """Numbers of any message that does not fit one frame of HTTP/2 lie where NumPy takes them as they are."""
    seen = 0
    for ticket in ({"dataset": "crops@v1"}, {"cube": "s2", "size": 33, "overlap": 3}):
        for size in (1, 2, 3, 5, 8, 13):
            reader = connect().do_get(fl.Ticket(json.dumps({**ticket, "batch_size": size}).encode()))
            for chunk in reader:
                json.loads(chunk.app_metadata.to_pybytes())
                if chunk.data.nbytes < 64 << 10:
                    continue
                seen += 1
                assert chunk.data.column("image").to_numpy_ndarray().ctypes.data % 16 == 0, (ticket, size)
                for name in ("valid", "times"):
                    column = chunk.data.column(name).to_numpy_ndarray()
                    assert column.flags.aligned and column.ctypes.data % 8 == 0, (ticket, size, name)
    assert seen > 10, seen


def check_info():
    """GetFlightInfo tells what DoGet will give; its ticket reads the same; names are pinned."""
    client = connect()
    text = b'{"dataset": "crops@v1", "seed": 4,  "batch_size": 6}'
    info = client.get_flight_info(fl.FlightDescriptor.for_command(text))
    assert len(info.endpoints) == 1 and info.endpoints[0].ticket.ticket == text and info.ordered
    batches, facts = read(client, raw=text)
    meta = json.loads(info.app_metadata)
    assert meta["steps"] == len(batches) == facts["steps"] and meta["samples"] == facts["samples"] and meta["digest"] == facts["digest"]
    assert info.total_records == sum(len(b["id"]) for b, _ in batches)
    reader = client.do_get(fl.Ticket(text))
    assert info.schema.equals(reader.schema, check_metadata=True)
    assert client.get_schema(fl.FlightDescriptor.for_command(text)).schema.equals(info.schema)
    reader.cancel()
    newest = client.get_flight_info(fl.FlightDescriptor.for_command(b'{"dataset": "crops", "seed": 4, "batch_size": 6}'))
    pinned = json.loads(newest.endpoints[0].ticket.ticket)
    assert pinned["dataset"] == "crops@v1" and pinned["digest"] == facts["digest"], pinned
    assert digest(read(client, raw=newest.endpoints[0].ticket.ticket)[0]) == digest(batches)
    windows = client.get_flight_info(fl.FlightDescriptor.for_command(b'{"cube": "s2"}'))
    assert json.loads(windows.endpoints[0].ticket.ticket)["version"] == json.loads(windows.schema.metadata[b"terrapin"])["snapshot"]


def refused(kind, *words, **ticket):
    for call in (
        lambda c, t: c.do_get(fl.Ticket(t)).read_all(),
        lambda c, t: c.get_flight_info(fl.FlightDescriptor.for_command(t)),
    ):
        try:
            call(connect(), json.dumps(ticket).encode())
        except (fl.FlightError, pa.ArrowException, KeyError) as e:
            text = str(e)
            assert isinstance(e, kind), (type(e), text)
            assert all(w in text for w in words), text
            assert "cure:" in text, text
        else:
            raise AssertionError(f"{ticket} was not refused")


def check_errors():
    refused(pa.ArrowInvalid, '"batchsize"', "batch_size", dataset="crops@v1", batchsize=3)
    refused(pa.ArrowInvalid, '"rank"', dataset="crops@v1", rank=2, world_size=2)
    refused(pa.ArrowInvalid, "start", dataset="crops@v1", start=10**6)
    refused(pa.ArrowKeyError, "corps", "crops", dataset="corps@v1")
    refused(pa.ArrowKeyError, "v9", "v1", dataset="crops@v9")
    refused((pa.ArrowInvalid, pa.ArrowKeyError), "holdout", "train", dataset="crops@v1", split="holdout")
    refused(pa.ArrowInvalid, "cloud", dataset="crops@v1", filter="cloud < 1")
    refused(pa.ArrowInvalid, "other-order", "terrapin-order-1", dataset="crops@v1", order="other-order")
    refused(pa.ArrowException, "td1:00", "td1:", dataset="crops@v1", digest="td1:00")
    refused(pa.ArrowKeyError, "s3", "s2", cube="s3")
    refused(pa.ArrowKeyError, "B99", "B02", cube="s2", bands=["B99"])
    refused(pa.ArrowInvalid, "bounds", "EPSG:", cube="s2", bounds=[0, 0, 1, 1])
    refused(pa.ArrowKeyError, "time", cube="s2", time=["1999-01-01", "1999-12-31"])
    refused(pa.ArrowInvalid, "message_bytes", "batch_size", cube="s2", size=1024, batch_size=64, overlap=1020)
    refused(pa.ArrowInvalid, "one row", "smaller", cube="s2", size=4096, batch_size=1, message_bytes=1)
    assert json.loads(next(iter(connect().do_action("health"))).body.to_pybytes()) == {"ok": True}
    assert [a.type for a in connect().list_actions()] == ["health", "acknowledge"]
    try:
        connect().get_flight_info(fl.FlightDescriptor.for_path("crops"))
    except pa.ArrowInvalid as e:
        assert "command" in str(e)
    else:
        raise AssertionError("a path descriptor was taken")


def check_drawn():
    """Filters, weights and windows: the same sequence over ranks, batch sizes and resumes, and what it holds."""
    client = connect()
    whole, _ = read(client, dataset="crops@v1", batch_size=1000)
    every = [i for b, _ in whole for i in b["id"]]
    chosen = {"filter": "row >= 9", "weights": "class_balanced", "shuffle": "window:1KiB", "seed": 3}
    for keys in ("filter",), ("weights",), ("shuffle",), ("filter", "weights"), ("filter", "weights", "shuffle"):
        ticket = {"dataset": "crops@v1", **{k: chosen[k] for k in keys}}
        one, told = read(client, **ticket, batch_size=1000)
        ids = [i for b, _ in one for i in b["id"]]
        assert told["samples"] == len(ids) and told["order"] == "terrapin-order-3", told
        assert told["filter"] == ticket.get("filter") and told["weights"] == ticket.get("weights"), told
        assert set(ids) <= set(every)
        if "weights" not in keys:
            assert len(set(ids)) == len(ids), "each once"
        if keys == ("shuffle",):
            assert sorted(ids) == sorted(every) and told["shuffle"] == "window:1024", told["shuffle"]
        assert [b["position"] for b, _ in one][0][0] == 0
        for world, batch, start in (1, 3, 0), (2, 2, 0), (3, 1, 4), (1, 7, 5):
            parts = [read(client, **ticket, world_size=world, rank=r, batch_size=batch, start=start, tail="pad")[0] for r in range(world)]
            steps = zip(*parts, strict=True)
            assert [i for step in steps for b, _ in step for i in b["id"] if i] == ids[start:], (keys, world, batch, start)
        again, _ = read(client, **ticket, epoch=1, batch_size=1000)
        assert [i for b, _ in again for i in b["id"]] != ids
    as_json = {"op": ">=", "args": [{"property": "row"}, 9]}
    text, told = read(client, dataset="crops@v1", filter="row>=9")
    tree, same = read(client, dataset="crops@v1", filter=as_json)
    assert digest(text) == digest(tree) and told["filter"] == same["filter"] == "row >= 9"
    refused(pa.ArrowInvalid, "cloud", "they have", dataset="crops@v1", filter="cloud < 1")
    refused(pa.ArrowInvalid, "area", "they have", dataset="crops@v1", weights="area")
    refused(pa.ArrowInvalid, "no number", dataset="crops@v1", weights="cell")
    refused(pa.ArrowException, "passes the filter", dataset="crops@v1", filter="row < 0")


def check_receipts():
    """A client that acknowledges what it takes, and the chain that it computes itself."""
    ticket = {"dataset": "crops@v1", "seed": 5, "batch_size": 2, "message_bytes": 4000, "run": "stock"}
    described = connect().get_flight_info(fl.FlightDescriptor.for_command(json.dumps(ticket))).schema
    assert "session" not in json.loads(described.metadata[b"terrapin"])
    client = connect()
    reader = client.do_get(fl.Ticket(json.dumps(ticket).encode()))
    session = json.loads(reader.schema.metadata[b"terrapin"])["session"]

    def acknowledge(**body):
        body = json.dumps({"session": session, **body}).encode()
        return json.loads(next(iter(client.do_action(fl.Action("acknowledge", body)))).body.to_pybytes())

    def refused(says, **body):
        try:
            acknowledge(**body)
        except pa.ArrowException as e:
            assert says in str(e), e
        else:
            raise AssertionError(f"{body} was taken")

    chain, rows, step = bytes(32), [], 0
    for chunk in reader:
        data, where = chunk.data, json.loads(chunk.app_metadata.to_pybytes())
        rows += zip(data.column("position").to_pylist(), data.column("id").to_pylist(), strict=True)
        if where["part"] < where["parts"] - 1:
            continue
        positions, ids = zip(*rows, strict=True)
        chain = hashlib.sha256(
            chain + len(rows).to_bytes(4, "little") + np.array(positions, "<i8").tobytes() + "\n".join(ids).encode()
        ).digest()
        rows, step = [], step + 1
        assert acknowledge(steps=step, seen=chain.hex(), durable=step % 2 == 0) == {"steps": step}
    assert step > 3
    assert acknowledge(steps=1) == {"steps": step}
    refused("were delivered", steps=step + 1)
    refused("no session", steps=1, session="00")
    refused("unknown key", step=1)
    print(session, step, chain.hex())


def check_windows():
    """An area once: cores partition it, pixels equal the sources, edges are padded."""
    import rasterio

    with rasterio.open(next(iter(sorted(Path(WORLD["scenes"]).glob("s2_*.tif"))))) as src:
        h, w, t, crs_bounds = src.height, src.width, src.transform, src.bounds
    for size, overlap, bounds, span in (
        (32, 8, None, None),
        (64, 7, None, ["2021-03-01", "2021-06-01"]),
        (16, 0, [t.c + 105, crs_bounds.top - 333, t.c + 412, crs_bounds.top - 20], None),
        (256, 16, None, ["..", "2020-11-30"]),
    ):
        ticket = {"cube": "s2", "size": size, "overlap": overlap, "bands": ["B08", "B02"], "batch_size": 3}
        ticket |= {"bounds": bounds} if bounds else {}
        ticket |= {"time": span} if span else {}
        batches, facts = read(**ticket)
        image, valid, times = scenes(["B08", "B02"])
        if span:
            lo, hi = (s if s != ".." else None for s in span)
            day = np.array([np.datetime64(int(x), "us").astype("datetime64[D]").astype(str) for x in times])
            keep = np.array([(lo is None or d >= lo) and (hi is None or d <= hi) for d in day])
            image, valid, times = image[keep], valid[keep], times[keep]
        area = facts["area"]
        if bounds:
            r0, r1 = int((crs_bounds.top - bounds[3]) // 10), int(-((bounds[1] - crs_bounds.top) // 10))
            c0, c1 = int((bounds[0] - t.c) // 10), int(-((t.c - bounds[2]) // 10))
            assert area == {"row": r0, "col": c0, "height": r1 - r0, "width": c1 - c0}, area
        else:
            assert area == {"row": 0, "col": 0, "height": h, "width": w}
        cover = np.zeros((h, w), int)
        b = together(batches)
        assert (b["position"] == np.arange(len(b["id"]))).all() and len(set(b["id"])) == len(b["id"])
        for i in range(len(b["id"])):
            row, col = b["row"][i], b["col"][i]
            assert b["height"][i] == b["width"][i] == size
            assert (b["image"][i] == cut(image, row, col, size, 65535)).all()
            assert (b["valid"][i] == cut(valid, row, col, size, 0)).all()
            assert (b["times"][i] == times).all()
            cr, cc, ch, cw = (b[f"core_{k}"][i] for k in ("row", "col", "height", "width"))
            assert row <= cr and col <= cc and cr + ch <= row + size and cc + cw <= col + size
            cover[cr : cr + ch, cc : cc + cw] += 1
        want = np.zeros((h, w), int)
        want[area["row"] : area["row"] + area["height"], area["col"] : area["col"] + area["width"]] = 1
        assert (cover == want).all()
        later, _ = read(**ticket, start=1)
        assert all((together(later)[k] == b[k][1:]).all() for k in b) if later else len(b["id"]) == 1


def check_concurrent():
    """Several streams at once give what each gives alone; clients that leave in the middle harm nobody."""
    tickets = [{"dataset": "crops@v1", "seed": s, "batch_size": 4} for s in range(4)] + [{"cube": "s2", "size": 32}]
    alone = [digest(read(**t)[0]) for t in tickets]

    def leave(_):
        reader = connect().do_get(fl.Ticket(json.dumps({"dataset": "crops@v1", "batch_size": 1}).encode()))
        reader.read_chunk()
        reader.cancel()

    with ThreadPoolExecutor(8) as pool:
        gone = [pool.submit(leave, k) for k in range(16)]
        together_ = list(pool.map(lambda t: digest(read(**t)[0]), tickets))
        for g in gone:
            g.result()
    assert together_ == alone


def check_digest():
    """Prints the SHA-256 of a whole epoch, for the Go test to compare across restarts."""
    print(digest(read(dataset="crops@v1", seed=11, epoch=1, batch_size=8)[0]))


def check_leave():
    """Leaves in the middle of a stream without a word."""
    reader = connect().do_get(fl.Ticket(b'{"dataset": "crops@v1", "batch_size": 1}'))
    reader.read_chunk()
    import os

    os._exit(0)


def check_damaged():
    """A damaged chunk ends the stream with an error that says so; it is never a fill value."""
    try:
        connect().do_get(fl.Ticket(b'{"dataset": "crops@v1", "batch_size": 4}')).read_all()
    except (fl.FlightError, pa.ArrowException, OSError) as e:
        assert "sample" in str(e) or "internal error" in str(e), str(e)
    else:
        raise AssertionError("the damage went unnoticed")


def put(rows, command, commit=True, with_record=False):
    client = connect()
    names = [f"{p}{k}" for p in ("", "core_") for k in ("row", "col", "height", "width")]
    columns = [pa.array([r[n] for r in rows], pa.int64()) for n in names]
    for key in ("data", "valid"):
        values = np.ascontiguousarray(np.stack([r[key] for r in rows]))
        columns.append(pa.FixedShapeTensorArray.from_numpy_ndarray(values))
    batch = pa.record_batch(columns, names=[*names, "data", "valid"])
    options = fl.FlightCallOptions(headers=[(b"terrapin-actor", b"mallory")])
    writer, reader = client.do_put(fl.FlightDescriptor.for_command(json.dumps(command).encode()), batch.schema, options)
    half = len(rows) // 2
    writer.write_batch(batch.slice(0, half))
    if with_record:
        writer.write_with_metadata(batch.slice(half), b'{"commit": true}')
    else:
        writer.write_batch(batch.slice(half))
        if commit:
            writer.write_metadata(b'{"commit": true}')
    writer.done_writing()
    answer = reader.read()
    writer.close()
    return None if answer is None else json.loads(answer.to_pybytes())


def predicted(**more):
    batches, facts = read(cube="s2", bands=["B04"], size=32, overlap=8, batch_size=4, **more)
    b = together(batches)
    rows = []
    for i in range(len(b["id"])):
        r = {k: int(b[k][i]) for k in b if k.endswith(("row", "col", "height", "width"))}
        r["data"] = b["image"][i, :1, 0].astype(np.float32)
        r["valid"] = b["valid"][i, 0]
        rows.append(r)
    return rows, facts


def check_predictions():
    rows, facts = predicted()
    command = {
        "predictions": {
            "model": "unet-1",
            "dataset": "crops@v1",
            "cube": "s2",
            "version": facts["snapshot"],
            "names": ["score"],
            "dtype": "float32",
        }
    }
    try:
        put(rows, command, commit=False)
    except (fl.FlightError, pa.ArrowException) as e:
        assert "commit" in str(e), str(e)
    assert not list((FOLDER / "data" / "predictions").glob("*/commit.json")), "an unfinished run is visible"
    item = put(rows, command)
    assert item["created"] and item["run"], item
    again = put(rows, command, with_record=True)
    assert not again["created"] and again["item"] == item["item"] and again["run"] == item["run"]
    text = next((FOLDER / "data" / "predictions").glob("*/commit.json")).read_text()
    assert json.loads(text)["actor"] == "mallory"
    for wrong, words in (
        ({"modle": "x"}, "modle"),
        ({"model": "nope"}, "nope"),
        ({"dtype": "float16"}, "float16"),
        ({"cube": "s3"}, "s3"),
        ({"dtype": "uint8"}, "uint8"),
        ({"names": ["a", "b"]}, "values a row"),
        ({"slices": ["0" * 32]}, "slice"),
    ):
        try:
            put(rows, {"predictions": command["predictions"] | wrong})
        except (fl.FlightError, pa.ArrowException, KeyError) as e:
            assert words in str(e), (wrong, str(e))
        else:
            raise AssertionError(f"{wrong} was taken")


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"]()
