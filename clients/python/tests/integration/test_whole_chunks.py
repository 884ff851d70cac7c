"""Windows that are whole chunks: over HTTP and Flight their pixels are sent from where they were decoded."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import terrapin

rasterio = pytest.importorskip("rasterio")

EDGE, WINDOW, BANDS, DATES = 512, 128, ("B02", "B03", "B04"), 2
RECIPE = """name: {name}
cube: s2
features: [{features}]
window: {{size: 128, stride: 128}}
time: {{policy: all}}
split: {{by: block, block_m: 1280, buffer_m: 0, train: 1, validate: 0, test: 0, salt: 1}}
"""


def scene(path: Path, seed: int) -> Any:
    """Random pixels, with a chunk that is the same all over and one that is nodata in part."""
    pixels = np.random.default_rng(seed).integers(1, 3000, (len(BANDS), EDGE, EDGE)).astype(np.uint16)
    pixels[:, :WINDOW, :WINDOW] = 7
    pixels[:, WINDOW : WINDOW + 50, :WINDOW] = 65535
    profile = {
        "driver": "GTiff", "width": EDGE, "height": EDGE, "count": len(BANDS), "dtype": "uint16", "nodata": 65535,
        "crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 600000, 0, -10, 5700000),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.descriptions = BANDS
        out.write(pixels)
    return pixels


@pytest.fixture(scope="module")
def chips(binary: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A data directory with two dataset versions, and the pixels that are in it [date, band, y, x]."""
    folder = tmp_path_factory.mktemp("chips")
    sources = [folder / f"s2_2021030{t + 1}.tif" for t in range(DATES)]
    pixels = np.stack([scene(path, t) for t, path in enumerate(sources)])
    with terrapin.open(folder / "data", binary=binary) as tp:
        bounds = f"600000,{5700000 - 10 * EDGE},{600000 + 10 * EDGE},5700000"
        grid = {"crs": "EPSG:32631", "bounds": bounds, "res": 10.0, "nodata": "65535", "chunk": WINDOW}
        tp.verb("cube.create", {"cube": "s2", **grid, "bands": list(BANDS)})
        assert tp.ingest("s2", sources, datetime_pattern="s2_%Y%m%d")["rejected"] == []
        for name, features in (("plain", "B02, B03, B04"), ("turned", "B04, B02")):
            tp.commit(RECIPE.format(name=name, features=features))
    return folder / "data", pixels


@pytest.fixture(params=["1MiB", "64MiB"])
def served(chips: tuple[Path, Any], binary: str, request: Any) -> Iterator[str]:
    """The address of a server that keeps two chunks, or all of them."""
    command = [binary, "serve", "--data", str(chips[0]), "--json", "--cache", request.param]
    command += ["--http", "127.0.0.1:0", "--flight", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["http"]
    process.terminate()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("name", ["ring", "http", "flight"])
@pytest.mark.parametrize(("dataset", "bands"), [("plain", [0, 1, 2]), ("turned", [2, 0])])
def test_batches_are_the_source(
    chips: tuple[Path, Any], served: str, name: Any, dataset: str, bands: list[int]
) -> None:
    loader = terrapin.connect(served, transport=name).loader(
        f"{dataset}@v1", batch_size=5, tail="pad", seed=3, tensors="numpy"
    )
    for epoch in range(3):
        loader.set_epoch(epoch)
        seen, kept = 0, []
        for batch in loader:
            kept.append(batch)
            for k, name_of in enumerate(batch["ids"]):
                if not name_of:
                    assert (batch["image"][k] == 65535).all()
                    continue
                row, col = places(chips[0], dataset)[name_of]
                want = chips[1][:, bands, row : row + WINDOW, col : col + WINDOW]
                np.testing.assert_array_equal(batch["image"][k], want)
                np.testing.assert_array_equal(batch["valid"][k], (want != 65535).all(axis=1))
                seen += 1
        assert seen == (EDGE // WINDOW) ** 2 == len({i for b in kept for i in b["ids"] if i})


def places(data: Path, dataset: str) -> dict[str, tuple[int, int]]:
    """Where each sample lies."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(next(data.glob(f"datasets/{dataset}/v1/manifest.parquet"))).to_pylist()
    return {r["id"]: (r["row"], r["col"]) for r in rows}
