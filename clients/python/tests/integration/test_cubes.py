"""Cubes through the official libraries, and area reading, against the source files."""

import numpy as np
import pytest

import terrapin

from .conftest import BANDS, DEMO


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: pixels are not compared with GDAL")
    stack = []
    for path in sorted(DEMO.glob("s2_*.tif")):
        with rasterio.open(path) as raster:
            stack.append(raster.read())
    return np.stack(stack)


@pytest.mark.parametrize("way", ["files", "http", "zarr"])
def test_xarray_sees_the_source(served: terrapin.Client, source: np.ndarray, way: str, monkeypatch) -> None:
    pytest.importorskip("icechunk", reason="icechunk is not installed: the cube is not opened as xarray")
    pytest.importorskip("xarray", reason="xarray is not installed: the cube is not opened as xarray")
    cube = served.cube("s2")
    if way == "http":
        show = cube._show
        monkeypatch.setattr(cube, "_show", lambda version: show(version) | {"location": "s3://elsewhere/s2"})
    if way == "zarr":
        pytest.importorskip("aiohttp", reason="aiohttp is not installed: zarr-python does not read over HTTP")
    data = cube.xarray(via="zarr" if way == "zarr" else "icechunk")
    np.testing.assert_array_equal(data["image"].values, source)
    np.testing.assert_array_equal(data["valid"].values, source != 65535)
    assert list(data["band"].values) == BANDS
    red = data["image"].sel(band="B04", time="2021-07-01")
    np.testing.assert_array_equal(np.squeeze(red.values), source[8, 2])
    assert data["x"].values[0] == 664005


def test_a_zarr_url_is_pinned_and_opens_in_gdal(served: terrapin.Client, source: np.ndarray) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: GDAL does not open the view")
    cube = served.cube("s2")
    url = cube.zarr_url(version="main")
    assert url == f"{served.url}/zarr/s2/@{cube.info['snapshot']}/{cube.info['cells'][0]['path']}"
    with rasterio.open(f'ZARR:"/vsicurl/{url}":/image:8:2') as raster:
        assert raster.crs.to_epsg() == 32631
        assert tuple(raster.transform)[:6] == (10, 0, 664000, 0, -10, 5612120)
        np.testing.assert_array_equal(raster.read(1), source[8, 2])
    with pytest.raises(terrapin.NotFoundError):
        cube.zarr_url(version="nothing")
    with pytest.raises(terrapin.InvalidError):
        cube.zarr_url(cell="r9c9/10m")
    with pytest.raises(terrapin.InvalidError):
        cube.xarray(via="netcdf")  # type: ignore[arg-type]


def test_windows_cover_the_area_with_the_source(served: terrapin.Client, source: np.ndarray) -> None:
    got = np.zeros_like(source[:, :3])
    for window in served.cube("s2").windows(size=48, overlap=16, bands=BANDS[:3], batch_size=2):
        rows, cols = window.core_slices
        core = window.core
        got[:, :, core.row : core.row + core.height, core.col : core.col + core.width] = window.image[..., rows, cols]
    np.testing.assert_array_equal(got, source[:, :3])


def test_bounds_and_times_choose_a_part(served: terrapin.Client, source: np.ndarray) -> None:
    windows = served.cube("s2").windows((664100, 5611920, 664300, 5612120), ("2021-07-01", "2021-08-01"), size=32)
    (window,) = windows
    assert (window.row, window.col, window.core.height, window.core.width) == (0, 10, 20, 20)
    np.testing.assert_array_equal(window.image, source[8:10, :, :32, 10:42])
    assert [str(t)[:10] for t in window.times.view("datetime64[us]")] == ["2021-07-01", "2021-08-01"]


def test_pixels_over_the_edge_are_not_observed(served: terrapin.Client) -> None:
    window = list(served.cube("s2").windows(size=64))[-1]
    assert (window.valid[:, 36:, :] == 0).all()
    assert (window.valid[:, :, 36:] == 0).all()
    assert (window.image[:, :, 36:, :] == 65535).all()


def test_a_dataset_draws_itself(served: terrapin.Client, tmp_path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: nothing is drawn")
    figure = served.dataset("crops").plot(2)
    assert len(figure.axes) == 6
    figure.savefig(tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_a_manifest_has_the_promised_columns(served: terrapin.Client) -> None:
    table = served.dataset("crops@v1").manifest()
    assert {"id", "geometry", "split", "row", "col", "height", "width", "times"} <= set(table.column_names)
    assert table.num_rows == sum(served.dataset("crops@v1").info["samples"].values())
