"""Draw what the demo made: true colour, labels, split and prediction, side by side."""

from __future__ import annotations

import io
import urllib.request
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch, Rectangle

SPLITS = {"train": "#2c7fb8", "validate": "#fec44f", "test": "#d95f0e"}
CROPS = ListedColormap(["#4d9221", "#c9b79c"])  # 0 cropland, 1 other


def true_colour(image: np.ndarray, bands: list[str]) -> np.ndarray:
    """Reflectance [band, y, x] as an RGB picture, stretched between two percentiles."""
    rgb = np.stack([image[bands.index(b)] for b in ("B04", "B03", "B02")], -1).astype(float)
    low, high = np.percentile(rgb, (1, 99))
    return np.clip((rgb - low) / (high - low), 0, 1)


def draw(client: Any, cube: str, dataset: str, item: dict[str, Any], result: dict[str, Any], path: Path) -> None:
    """Write the picture to path, reading everything through the client and the STAC API."""
    import rasterio

    ds = client.cube(cube).xarray()
    bands = [str(b) for b in ds.band.values]
    summer = ds.image.sel(time="2021-06-01").squeeze().values
    manifest = client.dataset(dataset).manifest().to_pandas()
    href = next(a["href"] for a in item["assets"].values() if "geotiff" in a.get("type", ""))
    with urllib.request.urlopen(href) as body, rasterio.open(io.BytesIO(body.read())) as src:
        prediction = np.ma.masked_where(src.dataset_mask() == 0, src.read(1))

    figure, axes = plt.subplots(1, 4, figsize=(19, 5.4), layout="constrained")
    axes[0].imshow(true_colour(summer, bands))
    axes[0].set_title("true colour, 2021-06")
    norm = BoundaryNorm([-0.5, 0.5, 1.5], 2)
    label = np.full(summer.shape[1:], 255, np.uint8)
    for split in SPLITS:
        loader = client.loader(dataset, split=split, batch_size=16, shuffle=False, tensors="numpy")
        where = {row.id: row for row in manifest.itertuples()}
        for batch in loader:
            for sample, values in zip(batch["ids"], batch["label"], strict=True):
                row = where[sample]
                label[row.row : row.row + row.height, row.col : row.col + row.width] = values
    axes[1].imshow(np.ma.masked_equal(label, 255), cmap=CROPS, norm=norm, interpolation="nearest")
    axes[1].set_title("labels, as the batches carry them")
    axes[2].imshow(true_colour(summer, bands), alpha=0.45)
    for row in manifest.itertuples():
        axes[2].add_patch(
            Rectangle((row.col - 0.5, row.row - 0.5), row.width, row.height,
                      facecolor=SPLITS[row.split], edgecolor="white", linewidth=0.6, alpha=0.75)
        )  # fmt: skip
    axes[2].set_title("split by blocks on the ground")
    axes[2].legend(handles=[Patch(color=c, label=s) for s, c in SPLITS.items()], loc="lower right", fontsize=8)
    axes[3].imshow(prediction, cmap=CROPS, norm=norm, interpolation="nearest")
    axes[3].set_title(f"prediction, held-out accuracy {result['accuracy']:.2f}")
    axes[3].legend(
        handles=[Patch(color=CROPS(0), label="cropland"), Patch(color=CROPS(1), label="other")],
        loc="lower right", fontsize=8,
    )  # fmt: skip
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.suptitle(f"{dataset} on {cube} — contains modified Copernicus Sentinel data 2020–2021", fontsize=9)
    figure.savefig(path, dpi=90)
