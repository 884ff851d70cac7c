"""A picture of some samples: colour, label and validity side by side."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .types import Spec

_PANEL_INCHES = 2.0
_CLASS_COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#882255", "#999933", "#332288",
)  # fmt: skip


def draw(spec: Spec, batch: dict[str, Any]) -> Figure:
    """One row per sample: its best observed time in true colour (else the first band), label, validity."""
    n = len(batch["ids"])
    has_label = "label" in batch
    columns = 3 if has_label else 2
    figure = Figure(figsize=(columns * _PANEL_INCHES, n * _PANEL_INCHES + 0.8), layout="constrained")
    axes = figure.subplots(n, columns, squeeze=False)
    red_green_blue = [spec.bands.index(b) for b in ("B04", "B03", "B02") if b in spec.bands]
    for i in range(n):
        valid = batch["valid"][i].astype(bool)
        slot = int(valid.sum(axis=(1, 2)).argmax())
        image = batch["image"][i, slot].astype(np.float64)
        if len(red_green_blue) == 3:
            axes[i, 0].imshow(_stretched(image[red_green_blue], valid[slot]))
        else:
            axes[i, 0].imshow(_stretched(image[:1], valid[slot])[..., 0], cmap="gray")
        axes[i, 0].set_ylabel(f"{batch['ids'][i][:8]}\n{_day(batch['times'][i, slot])}", fontsize=7)
        if has_label:
            _draw_label(axes[i, 1], spec, batch["label"][i])
        axes[i, -1].imshow(valid.mean(axis=0), vmin=0, vmax=1, cmap="viridis")
    for title, axis in zip(
        ["image", "label", "observed"] if has_label else ["image", "observed"], axes[0], strict=True
    ):
        axis.set_title(title, fontsize=8)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.suptitle(f"{spec.dataset} · {spec.split}", fontsize=10)
    if has_label and spec.classes:
        handles = [Patch(color=_colour(spec, value), label=name) for value, name in spec.classes.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _stretched(bands: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Bands [C, H, W] as [H, W, C] between 0 and 1, from the 2nd to the 98th percentile; missing pixels white."""
    picture = np.ones((*valid.shape, len(bands)))
    if valid.any():
        low, high = np.percentile(bands[:, valid], (2, 98))
        picture[valid] = np.clip((bands[:, valid].T - low) / max(high - low, 1e-12), 0, 1)
    return picture


def _draw_label(axis: Any, spec: Spec, label: npt.NDArray[Any]) -> None:
    values = sorted(spec.classes) or sorted(int(v) for v in np.unique(label) if v != spec.ignore)
    index = np.full(label.shape, np.nan)
    for place, value in enumerate(values):
        index[label == value] = place
    colours = ListedColormap([_colour(spec, value) for value in values] or ["#ffffff"])
    axis.imshow(index, cmap=colours, vmin=-0.5, vmax=max(len(values), 1) - 0.5, interpolation="nearest")


def _colour(spec: Spec, value: int) -> str:
    values = sorted(spec.classes)
    return _CLASS_COLOURS[(values.index(value) if value in values else value) % len(_CLASS_COLOURS)]


def _day(micros: Any) -> str:
    return str(np.datetime64(int(micros), "us").astype("datetime64[D]"))
