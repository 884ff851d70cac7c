"""Predictions: windows go back to the server, which publishes them as one item, or nothing at all."""

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ._flight import ERRORS, Connection, fault, faults, tensor_array
from .errors import InternalError, InvalidError, TerrapinError
from .types import Affine, Window, shifted

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Predictions"]

_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")


class Predictions:
    """One run of a model over an area, as a context manager.

    ``write`` each window that :meth:`terrapin.Cube.windows` gave. A block that ends well publishes everything at once
    and sets ``item``; one that ends with an exception leaves no trace. Publishing the same run again is idempotent.
    """

    def __init__(
        self,
        client: "Client",
        *,
        model: str,
        dataset: str | None = None,
        cube: str | None = None,
        names: Sequence[str] | None = None,
        run: str | None = None,
        bounds: Sequence[float] | None = None,
    ) -> None:
        """Use :meth:`terrapin.Client.predictions`."""
        self._client = client
        # Also tells an unknown model before anything is computed.
        self._model = client.models[model]
        self._request = {"model": model, "dataset": dataset, "cube": cube, "run": run}
        self._names = list(names) if names is not None else None
        self._bounds = [float(v) for v in bounds] if bounds is not None else None
        self._put: _Put | None = None
        self._first: Window | None = None
        self._state = "new"
        self.item: dict[str, Any] | None = None
        """The published STAC item; None before the block has ended well."""
        self.run: str | None = run
        """Id of the run; known after publishing where it was not given."""
        self.created: bool | None = None
        """False where the same run had been published before."""

    def __enter__(self) -> "Predictions":
        if self._state != "new":
            raise InvalidError("predictions: a run is entered once", "call client.predictions(...) again")
        self._state = "open"
        return self

    def write(self, window: Window, array: Any, valid: Any = None) -> None:
        """Write one window's prediction; its core counts.

        ``array``  [K, height, width], or [height, width] for one band, of the window's size; NumPy or anything that
                   ``numpy.asarray`` takes. All windows have the dtype and K of the first.
        ``valid``  [height, width], non-zero where the prediction counts; default: where any time of the window was
                   observed.
        """
        if self._state != "open":
            raise InvalidError("predictions: write outside of the `with` block", "write inside it, before it ends")
        values = np.asarray(array)
        values = values.astype(np.uint8) if values.dtype == bool else values
        values = values[np.newaxis] if values.ndim == 2 else values
        if values.ndim != 3 or values.shape[1:] != (window.height, window.width):
            raise InvalidError(
                f"predictions: the array is {np.shape(array)}, the window {window.height} × {window.width} pixels",
                "write [K, height, width] or [height, width] of the whole window; its core is cut out for you",
            )
        mask = window.valid.any(axis=0) if valid is None else np.asarray(valid) != 0
        if mask.shape != (window.height, window.width):
            raise InvalidError(f"predictions: valid is {mask.shape}, not {(window.height, window.width)}")
        if self._put is None:
            self._begin(window, values)
        assert self._put is not None
        assert self._first is not None
        if (window.cube, window.snapshot, window.cell, window.slices) != (
            self._first.cube,
            self._first.snapshot,
            self._first.cell,
            self._first.slices,
        ):
            raise InvalidError(
                "predictions: the windows of one run come from different cubes, snapshots or times",
                "write the windows of one cube.windows(...); use a run for each",
            )
        self._put.write(window, values, mask)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._state = "closed"
        put, self._put = self._put, None
        if kind is not None:
            if put is not None:
                put.abort()
            return
        if put is None:
            raise InvalidError("predictions: no window was written", "write at least one, or leave by an exception")
        answer = put.commit()
        self.item, self.run, self.created = answer["document"], answer["run"], answer.get("created")
        # The catalog's copy has absolute links; the item is published even if the catalog is not there to ask.
        with contextlib.suppress(TerrapinError):
            path = f"collections/{answer['collection']}/items/{answer['item']}"
            self.item = self._client._http.get_json(path)

    def _begin(self, window: Window, values: npt.NDArray[Any]) -> None:
        if values.dtype.name not in _DTYPES:
            raise InvalidError(
                f"predictions: dtype {values.dtype} cannot be stored", f"convert to one of {', '.join(_DTYPES)}"
            )
        command: dict[str, Any] = {key: value for key, value in self._request.items() if value is not None}
        command.setdefault("cube", window.cube)
        command |= {
            "version": window.snapshot,
            "cell": window.cell,
            "slices": list(window.slices),
            "bounds": self._bounds or _bounds(window),
            "dtype": values.dtype.name,
            "names": self._names or self._default_names(len(values)),
        }
        classes = self._model.get("classes")
        if classes and values.dtype.kind in "iu":
            command["classes"] = classes
        self._first = window
        self._put = _Put(self._client._connection(), {"predictions": command}, values)

    def _default_names(self, k: int) -> list[str]:
        classes = [str(c["name"]) for c in self._model.get("classes") or ()]
        if k == 1:
            return ["prediction"]
        return classes if len(classes) == k else [f"prediction_{i + 1}" for i in range(k)]


class _Put:
    """One DoPut stream: a record batch per window, then a commit, or nothing."""

    _PLACE = ("row", "col", "height", "width", "core_row", "core_col", "core_height", "core_width")

    def __init__(self, connection: Connection, command: dict[str, Any], first: npt.NDArray[Any]) -> None:
        self._connection = connection
        self._shape, self._dtype = first.shape, first.dtype
        fields = [pa.field(name, pa.int64()) for name in self._PLACE]
        fields.append(pa.field("data", pa.fixed_shape_tensor(pa.from_numpy_dtype(first.dtype), list(first.shape))))
        fields.append(pa.field("valid", pa.fixed_shape_tensor(pa.uint8(), list(first.shape[1:]))))
        self._schema = pa.schema(fields)
        try:
            self._writer, self._reader = connection.put(command, self._schema)
        except BaseException:
            connection.close()
            raise

    def write(self, window: Window, values: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> None:
        if values.shape != self._shape or values.dtype != self._dtype:
            raise InvalidError(
                f"predictions: {values.dtype} {values.shape} after {self._dtype} {self._shape}",
                "write every window with the size, bands and dtype of the first",
            )
        own, core = window, window.core
        place = (own.row, own.col, own.height, own.width, core.row, core.col, core.height, core.width)
        columns: list[Any] = [pa.array([number], pa.int64()) for number in place]
        columns += [tensor_array(values[np.newaxis]), tensor_array(mask[np.newaxis].astype(np.uint8))]
        try:
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        except ERRORS as e:
            raise self._reason(e) from e

    def commit(self) -> dict[str, Any]:
        try:
            try:
                self._writer.write_metadata(pa.py_buffer(b'{"commit": true}'))
                answer = self._reader.read()
            except ERRORS as e:
                raise self._reason(e) from e
            with faults():
                self._writer.close()
            if answer is None:
                raise InternalError("predictions: the server answered nothing to the commit", "look at its log")
            document: dict[str, Any] = json.loads(answer.to_pybytes())
            return document
        finally:
            self._connection.close()

    def abort(self) -> None:
        """End the stream without a commit and wait until the server has thrown the run away."""
        with contextlib.suppress(*ERRORS):
            self._writer.close()
        self._connection.close()

    def _reason(self, error: BaseException) -> TerrapinError:
        """A refused stream breaks when it is written to; why is only told when it is closed."""
        try:
            self._writer.close()
        except ERRORS as e:
            return fault(e)
        return fault(error)


def _bounds(window: Window) -> list[float]:
    """Bounds of the whole area that the window belongs to, in the CRS."""
    grid: Affine = shifted(window.transform, -window.row, -window.col)
    area = window.area
    _, _, x0, _, _, y0 = shifted(grid, area.row, area.col)
    _, _, x1, _, _, y1 = shifted(grid, area.row + area.height, area.col + area.width)
    return [min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]
