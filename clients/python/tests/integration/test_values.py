"""What a ticket has done to numbers and windows by a real server, compared with NumPy; and damaged samples."""

import json
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import terrapin
from terrapin.symmetry import Symmetries, laid, undone

TRANSPORTS = ["ring", "http", "flight"]


def batches(loader: terrapin.Loader) -> dict[str, Any]:
    """An epoch as one batch."""
    whole: dict[str, Any] = {}
    for batch in loader:
        for name, column in batch.items():
            whole.setdefault(name, []).append(column if isinstance(column, list) else np.array(column))
    return {n: list(chain(*c)) if isinstance(c[0], list) else np.concatenate(c) for n, c in whole.items()}


def on(tp: terrapin.Client, transport: str) -> terrapin.Client:
    return terrapin.connect(tp.url, transport=transport)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_server_converts_with_the_bits_of_numpy(served: terrapin.Client, transport: str) -> None:
    tp = on(served, transport)
    plain = tp.loader("crops@v1", batch_size=7, seed=3, tensors="numpy")
    stored = batches(plain)
    spec = plain.spec
    assert (spec.dtype, spec.values, spec.normalised) == (np.uint16, "raw", False)
    want = stored["image"].astype(np.float32)
    scale, offset = (np.float32(spec.contracts[0][k]) for k in ("scale", "offset"))
    mean, std = (np.array([s[k] for s in spec.statistics], np.float32)[:, None, None] for k in ("mean", "std"))
    valid = stored["valid"][:, :, None] != 0
    for asked, image in (
        ({"dtype": "float32"}, want),
        ({"values": "physical"}, want * scale + offset),
        ({"normalise": True}, np.where(valid, (want - mean) / std, np.float32(0))),
    ):
        loader = tp.loader("crops@v1", batch_size=7, seed=3, tensors="numpy", **asked)
        got = batches(loader)
        assert loader.spec.dtype == np.float32 == got["image"].dtype
        assert got["image"].tobytes() == image.tobytes(), asked
        assert got["ids"] == stored["ids"]
        assert loader[0]["image"].dtype == np.float32
    with pytest.raises(terrapin.InvalidError, match="statistics of crops@v1 are of raw values"):
        tp.loader("crops@v1", values="physical", normalise=True)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_area_is_converted_as_samples_are(served: terrapin.Client, transport: str) -> None:
    tp = on(served, transport)
    cube, spec = tp.cube("s2"), tp.loader("crops@v1", tensors="numpy").spec
    where: dict[str, Any] = {"size": 33, "overlap": 5, "bands": spec.bands[::-1], "batch_size": 4}
    mean, std = (np.array([s[k] for s in spec.statistics[::-1]], np.float32)[:, None, None] for k in ("mean", "std"))
    scale, offset = (np.float32(spec.contracts[0][k]) for k in ("scale", "offset"))
    every = zip(
        cube.windows(**where),
        cube.windows(**where, normalise="crops"),
        cube.windows(**where, values="physical"),
        cube.windows(**where, dtype="float32"),
        strict=True,
    )
    count = 0
    for plain, normal, physical, floats in every:
        image, valid = plain.image.astype(np.float32), plain.valid[:, None] != 0
        assert normal.image.tobytes() == np.where(valid, (image - mean) / std, np.float32(0)).tobytes()
        assert physical.image.tobytes() == (image * scale + offset).tobytes()
        assert floats.image.tobytes() == image.tobytes()
        assert plain.image.dtype == np.uint16
        count += 1
    assert count == len(cube.windows(**where)) > 8
    with pytest.raises(terrapin.InvalidError, match="statistics of crops@v1 are of raw values"):
        cube.windows(normalise="crops@v1", values="physical")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("augment", ["flips", "d4"])
def test_windows_are_laid_as_their_positions_say(served: terrapin.Client, transport: str, augment: str) -> None:
    tp = on(served, transport)
    plain = batches(tp.loader("crops@v1", batch_size=7, seed=3, epoch=5, tensors="numpy"))
    loader = tp.loader("crops@v1", batch_size=5, seed=3, epoch=5, tail="pad", augment=augment, tensors="numpy")
    by = Symmetries(augment, loader.spec.digest, "train", seed=3, epoch=5)
    got = batches(loader)
    n = len(plain["ids"])
    assert got["ids"][:n] == plain["ids"]
    assert got["symmetry"].dtype == np.uint8
    assert got["symmetry"].tolist() == [by[p] for p in range(n)] + [0] * (len(got["ids"]) - n)
    for i in range(n):
        for name in ("image", "valid", "label"):
            assert np.array_equal(got[name][i], laid(plain[name][i], by[i]))
            assert np.array_equal(undone(got[name][i], by[i]), plain[name][i])
    first = loader[0]
    assert "symmetry" not in first
    assert np.array_equal(first["image"], tp.loader("crops@v1", tensors="numpy")[0]["image"])


def test_pixels_of_augmented_epochs_are_compared_with_the_cube(scratch: Path, binary: str) -> None:
    with terrapin.open(scratch, binary=binary) as tp:
        for asked in (
            {"augment": "d4"},
            {"augment": "flips", "values": "physical"},
            {"augment": "d4", "normalise": True},
        ):
            loader = tp.loader("crops@v1", batch_size=6, seed=2, audit=True, **asked)
            for _ in loader:
                pass
            report = loader.verify_epoch(pixels=5)
            assert report.verified, report
            assert report.pixels >= 24


@pytest.fixture
def damaged(scratch: Path, binary: str) -> Iterator[terrapin.Client]:
    """A server on a cube of whose pixels one bit is flipped."""
    pack = max((scratch / "cubes/s2/chunks").iterdir(), key=lambda p: p.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)
    with terrapin.open(scratch, binary=binary) as tp:
        yield tp


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_damaged_samples_are_refused_or_masked(
    served: terrapin.Client, damaged: terrapin.Client, binary: str, transport: str
) -> None:
    tp = on(damaged, transport)
    with pytest.raises(terrapin.CorruptError, match="read sample"):
        batches(tp.loader("crops@v1", batch_size=4, seed=1))
    sound = batches(served.loader("crops@v1", batch_size=4, seed=1, tensors="numpy"))
    loader = tp.loader(
        "crops@v1", batch_size=4, seed=1, on_error="mask", tail="pad", tensors="numpy", run="m", audit=True
    )
    got = batches(loader)
    n = len(sound["ids"])
    assert got["ids"][:n] == sound["ids"]
    assert got["weight"][n:].tolist() == [0] * (len(got["ids"]) - n)
    lost = np.flatnonzero(got["weight"][:n] == 0)
    assert 0 < len(lost) < n
    for i in range(n):
        if i in lost:
            assert not got["valid"][i].any()
            assert (got["image"][i] == loader.spec.nodata).all()
            assert (got["label"][i] == loader.spec.ignore).all()
        else:
            for name in ("image", "valid", "label"):
                assert np.array_equal(got[name][i], sound[name][i])
        assert np.array_equal(got["times"][i], sound["times"][i])

    for report in (loader.verify_epoch(pixels=20), tp.verify_epoch("m")):
        assert report.verified, report
        assert report.seen == n
        assert [m.position for m in report.masked] == lost.tolist()
        assert [m.sample for m in report.masked] == [sound["ids"][i] for i in lost]
        assert "chunk" in report.masked[0].why
        assert f"{len(lost)} masked" in str(report)
    (session,) = tp.run("m")["sessions"]
    assert [row["position"] for row in tp.seen(session["session"]) if row.get("masked")] == lost.tolist()
    shown = subprocess.run([binary, "run", "show", "m", "--server", tp.url], capture_output=True, text=True, check=True)
    assert "masked: read sample" in shown.stdout
    assert sound["ids"][lost[0]] in shown.stdout


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_epoch_that_ends_at_a_damaged_sample_is_not_verified(damaged: terrapin.Client, transport: str) -> None:
    loader = on(damaged, transport).loader("crops@v1", batch_size=2, seed=1, run="d", tensors="numpy")
    iterator = iter(loader)
    seen = 0
    with pytest.raises(terrapin.CorruptError, match="read sample") as caught:
        for batch in iterator:
            seen += len(batch["ids"])
    report = loader.verify_epoch()
    assert caught.value
    assert [(p.kind, p.position) for p in report.problems] == [("uncovered", seen), ("refused", None)], report
    assert not report.partial


def test_masked_samples_are_known_after_a_restart(scratch: Path, damaged: terrapin.Client, binary: str) -> None:
    loader = damaged.loader("crops@v1", batch_size=4, seed=1, on_error="mask", run="k", tensors="numpy")
    got = batches(loader)
    ledger = next(p for p in scratch.rglob("receipts.log"))
    assert json.loads(ledger.read_text().splitlines()[-1][9:])["ack"]["masked"]
    lost = got["position"][got["weight"] == 0].tolist()
    damaged.close()
    with terrapin.open(scratch, binary=binary) as again:
        assert [m.position for m in again.verify_epoch("k").masked] == lost
