"""Predictions against a real server: all of a run, or nothing of it."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import terrapin

KILLED = """
import os, signal, sys, numpy as np, terrapin
tp = terrapin.connect(sys.argv[1])
with tp.predictions(model="net", dataset="crops@v1") as out:
    for w in tp.cube("s2").windows(size=64):
        out.write(w, np.zeros((64, 64), np.uint8))
        os.kill(os.getpid(), signal.SIGKILL)
"""


def register(tp: terrapin.Client, tmp_path) -> str:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(os.urandom(1000))
    return tp.models.register(
        "net", framework="PyTorch", classes={0: "other", 1: "cropland"}, artifact=weights, dataset="crops@v1"
    )


def expected() -> np.ndarray:
    rows, cols = np.indices((100, 100))
    return ((rows // 10 + cols // 7) % 2).astype(np.uint8)


def predict(window: terrapin.Window) -> np.ndarray:
    whole = np.pad(expected(), 64, constant_values=9)
    return whole[window.row + 64 : window.row + 64 + window.height, window.col + 64 : window.col + 64 + window.width]


def published(tp: terrapin.Client) -> list:
    return tp.verb("predictions.ls").document or []


def test_a_run_is_published_once_and_knows_its_lineage(scratch, binary, tmp_path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: the COG is not read")
    with terrapin.open(scratch, binary=binary) as tp:
        model = register(tp, tmp_path)
        items = []
        for _ in range(2):
            with tp.predictions(model=model, dataset="crops@v1") as out:
                for window in tp.cube("s2").windows(size=32, overlap=8):
                    out.write(window, predict(window))
                assert published(tp) == items
            assert out.item is not None
            items = published(tp)
            assert len(items) == 1
        assert out.created is False
        assert items[0]["model"] == "net"
        assert items[0]["dataset"] == "crops@v1"
        href = out.item["assets"]["prediction"]["href"]
        assert href.startswith(tp.url)
        (tmp_path / "p.tif").write_bytes(tp._http.get(href))
        with rasterio.open(tmp_path / "p.tif") as raster:
            np.testing.assert_array_equal(raster.read(1), expected())
            assert raster.transform.c == 664000
            assert (raster.dataset_mask() == 255).all()
        related = {link["href"] for link in out.item["links"] if link["rel"] == "derived_from"}
        assert any("models/items/net" in href for href in related)
        assert any("dataset-crops-v1" in href for href in related)


def test_a_failure_in_the_block_leaves_nothing(scratch, binary, tmp_path) -> None:
    with terrapin.open(scratch, binary=binary) as tp:
        model = register(tp, tmp_path)
        windows = list(tp.cube("s2").windows(size=64))
        with pytest.raises(ZeroDivisionError), tp.predictions(model=model) as out:
            for window in windows:
                out.write(window, predict(window))
            raise ZeroDivisionError
        killed = subprocess.run([sys.executable, "-c", KILLED, tp.url])
        assert killed.returncode == -signal.SIGKILL
        assert published(tp) == []
        with tp.predictions(model=model) as out:
            for window in windows:
                out.write(window, predict(window))
        assert out.created is True
        assert len(published(tp)) == 1


def test_a_refused_run_says_why(scratch, binary, tmp_path) -> None:
    with terrapin.open(scratch, binary=binary) as tp:
        with pytest.raises(terrapin.NotFoundError, match="nobody"):
            tp.predictions(model="nobody")
        model = register(tp, tmp_path)
        window = next(iter(tp.cube("s2").windows(size=64)))
        with pytest.raises(terrapin.ConflictError, match="v7"), tp.predictions(model=model, dataset="crops@v7") as out:
            for _ in range(1000):
                out.write(window, predict(window))
        assert published(tp) == []
