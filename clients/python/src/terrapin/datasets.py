"""Dataset versions: what they pin, their manifest, and a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as parquet

from .errors import NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .client import Client

__all__ = ["Dataset"]


class Dataset:
    """One immutable version of a dataset."""

    def __init__(self, client: "Client", name: str) -> None:
        """Use :meth:`terrapin.Client.dataset`."""
        self._client = client
        self.info: dict[str, Any] = client.verb("dataset.show", {"dataset": name}).document
        """Everything the server says: digest, samples, leakage, bands, the pinned cube and labels, collection."""
        self.name = f"{self.info['dataset']}@{self.info['version']}"
        """Name and version, such as ``crops@v3``."""
        self.digest: str = self.info["digest"]
        """Digest of the version."""

    def collection(self) -> dict[str, Any]:
        """Its STAC collection."""
        document: dict[str, Any] = self._client._http.get_json(f"collections/{self.info['collection']}")
        return document

    def manifest(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The samples as an Arrow table, from the STAC-GeoParquet asset of its collection; all columns, or some.

        At least the columns id, geometry, split, row, col, height, width (pixels of the cell's grid) and times.
        """
        assets = self.collection().get("assets", {})
        for key, asset in assets.items():
            if key == "manifest" or str(asset.get("href", "")).endswith("manifest.parquet"):
                data = pa.BufferReader(self._client._http.get(asset["href"]))
                has = parquet.read_schema(data).names
                if missing := [c for c in columns or () if c not in has]:
                    raise NotFoundError(
                        f"the manifest of {self.name} has no column {', '.join(map(repr, missing))}",
                        f"it has: {', '.join(has)}; those of classes are not there in manifests of older releases",
                    )
                return parquet.read_table(data, columns=columns and list(columns))
        raise NotFoundError(
            f"the collection of {self.name} has no manifest asset; it has {', '.join(assets) or 'none'}"
        )

    def plot(self, n: int = 9, *, split: str = "train") -> "Figure":
        """Draw the first n samples of a split: true colour, label and validity; returns a matplotlib figure.

        Needs the extra ``terrapin[plot]``.
        """
        try:
            from ._plot import draw
        except ImportError as e:
            raise UnsupportedError(
                f"dataset(...).plot() needs matplotlib: {e}", "pip install 'terrapin[plot]'"
            ) from None
        loader = self._client.loader(
            self.name, split=split, batch_size=n, shuffle=False, rank=0, world_size=1, tensors="numpy"
        )
        iterator = iter(loader)
        batch = next(iterator)
        loader.close()
        return draw(loader.spec, batch)

    def __repr__(self) -> str:
        return f"<terrapin.Dataset {self.name} {self.digest}>"
