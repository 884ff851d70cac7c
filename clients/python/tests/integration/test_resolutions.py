"""Samples of three resolutions: what every transport hands out is what rasterio reads of the scenes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import terrapin

from .conftest import DEMO

rasterio = pytest.importorskip("rasterio")

DAYS = ("20210401", "20210501", "20210601")
EDGE = 96
TIERS = {"r10": (1, ["B02", "B03", "B04"]), "r20": (2, ["B11", "B12"]), "r60": (6, ["B05"])}
RECIPE = """name: mixed
cube: tiers
features: [B11, B04, B05, B02]
labels: cropland
window: {size: 12, stride: 12}
split: {by: block, block_m: 120, train: 0.6, validate: 0.2, test: 0.2, salt: 1}
"""


def write_scenes(out: Path) -> list[Path]:
    """STAC items of the sample's scenes; the coarser bands are thinned, so that every number is a measured one."""
    items = []
    for day in DAYS:
        assets: dict[str, Any] = {}
        with rasterio.open(DEMO / f"s2_{day}.tif") as s:
            data = dict(zip(s.descriptions, s.read()[:, :EDGE, :EDGE], strict=True))
            for key, (step, bands) in TIERS.items():
                profile = {"driver": "GTiff", "crs": s.crs, "transform": s.transform @ rasterio.Affine.scale(step)}
                profile |= {"dtype": "uint16", "nodata": 65535, "count": len(bands)}
                profile |= {"width": EDGE // step, "height": EDGE // step}
                with rasterio.open(out / f"{day}_{key}.tif", "w", **profile) as d:
                    for i, band in enumerate(bands, 1):
                        d.write(data[band][::step, ::step], i)
                        d.set_band_description(i, band)
                assets[key] = {"href": f"{day}_{key}.tif", "type": "image/tiff", "bands": [{"name": b} for b in bands]}
        item = {
            "type": "Feature", "stac_version": "1.1.0", "id": f"s2_{day}", "geometry": None, "links": [],
            "properties": {"datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:56:21Z"}, "assets": assets,
        }  # fmt: skip
        items.append(out / f"{day}.json")
        items[-1].write_text(json.dumps(item))
    with rasterio.open(DEMO / "labels_cropland.tif") as s:
        profile = s.profile | {"width": EDGE, "height": EDGE, "driver": "GTiff"}
        with rasterio.open(out / "labels.tif", "w", **profile) as d:
            d.write(s.read()[:, :EDGE, :EDGE])
    return items


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scenes")
    write_scenes(directory)
    return directory


@pytest.fixture(scope="module")
def tiers(binary: str, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[terrapin.Client]:
    """A server with a cube of cells in three resolutions, labels and a version."""
    with terrapin.open(tmp_path_factory.mktemp("tiers") / "data", binary=binary, actor="tests") as tp:
        bounds = f"664000,{5612120 - 10 * EDGE},{664000 + 10 * EDGE},5612120"
        grid = {"crs": "EPSG:32631", "bounds": bounds, "res": 10.0, "nodata": "65535", "chunk": 4, "cell": 48}
        further = ["20m=B11,B12", "60m=B05"]
        tp.verb("cube.create", {"cube": "tiers", **grid, "bands": ["B02", "B03", "B04"], "groups": further})
        assert tp.ingest("tiers", sorted(scenes.glob("*.json")))["rejected"] == []
        assert tp.import_labels("cropland", scenes / "labels.tif", cube="tiers")["rejected"] == []
        assert tp.commit(RECIPE)["version"] == "v1"
        yield tp


def windows(tp: terrapin.Client) -> dict[str, tuple[int, int]]:
    """Row and column in the frame of 10 m, by sample."""
    table = tp.dataset("mixed@v1").manifest(["id", "cell", "row", "col"]).to_pylist()
    out = {}
    for row in table:
        r, _, c = row["cell"].partition("/")[0][1:].partition("c")
        out[row["id"]] = int(r) * 48 + row["row"], int(c) * 48 + row["col"]
    return out


@pytest.mark.parametrize("transport", ["ring", "http", "flight"])
def test_every_resolution_is_what_the_scenes_hold(tiers: terrapin.Client, scenes: Path, transport: Any) -> None:
    loader = terrapin.connect(tiers.url, transport=transport).loader("mixed@v1", batch_size=5, seed=2)
    spec = loader.spec
    assert (spec.bands, [(g.image, g.bands, g.size, g.scale) for g in spec.groups]) == (
        ("B04", "B02"),
        [("image_20m", ("B11",), 6, 2), ("image_60m", ("B05",), 2, 6)],
    )
    where = windows(tiers)
    files = {key: [rasterio.open(scenes / f"{day}_{key}.tif") for day in DAYS] for key in TIERS}
    with rasterio.open(scenes / "labels.tif") as s:
        label = s.read(1)
    seen = 0
    for batch in loader:
        n = len(batch["ids"])
        assert {k: v.shape for k, v in batch.items() if k in spec.shapes(n)} == spec.shapes(n)
        for i, sample in enumerate(batch["ids"]):
            row, col = where[sample]
            assert np.array_equal(batch["label"][i], label[row : row + 12, col : col + 12])
            for key, tier, bands, step in (
                ("", "r10", spec.bands, 1),
                ("_20m", "r20", ("B11",), 2),
                ("_60m", "r60", ("B05",), 6),
            ):
                size = 12 // step
                at = rasterio.windows.Window(col // step, row // step, size, size)
                for t, f in enumerate(files[tier]):
                    want = f.read([TIERS[tier][1].index(b) + 1 for b in bands], window=at)
                    assert np.array_equal(batch[f"image{key}"][i, t], want)
                    assert np.array_equal(batch[f"valid{key}"][i, t] != 0, (want != 65535).all(axis=0))
            seen += 1
    assert seen == spec.samples > 15
    assert np.array_equal(loader[0]["image_20m"].shape, (3, 1, 6, 6))


def test_an_epoch_of_three_resolutions_is_verified_pixel_by_pixel(tiers: terrapin.Client) -> None:
    loader = tiers.loader("mixed@v1", batch_size=4, seed=3, run="three", audit=True)
    assert sum(len(batch["ids"]) for batch in loader) == loader.spec.samples
    report = loader.verify_epoch(pixels=100)
    assert report.verified, report
    assert report.pixels == loader.spec.samples
    assert {"image", "valid", "image_20m", "valid_60m", "label", "times"} <= set(loader._readings[-1].checksums[0])


def test_stock_clients_get_columns_of_every_resolution(tiers: terrapin.Client) -> None:
    flight = pytest.importorskip("pyarrow.flight")
    address = tiers._http.get_json("v1/server")["flight"].replace("grpc://", "grpc+tcp://")
    reader = flight.connect(address).do_get(flight.Ticket(b'{"dataset": "mixed@v1", "batch_size": 3}'))
    batch = reader.read_chunk().data
    assert batch.column("image_20m").to_numpy_ndarray().shape == (3, 3, 1, 6, 6)
    assert batch.column("valid_60m").to_numpy_ndarray().dtype == np.uint8


def test_windows_that_cut_coarse_pixels_are_refused(tiers: terrapin.Client) -> None:
    with pytest.raises(terrapin.InvalidError, match=r"line 5, column 16.*window\.size 10") as refused:
        tiers.commit(RECIPE.replace("size: 12, stride: 12", "size: 10"))
    assert "multiples of 6" in str(refused.value)
