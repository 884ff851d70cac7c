"""Models: registered before they predict, so that every prediction knows what made it."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._upload import plan

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Models"]


class Models:
    """The registered models of a server."""

    def __init__(self, client: "Client") -> None:
        """Use :attr:`terrapin.Client.models`."""
        self._client = client

    def register(
        self,
        model: str,
        *,
        framework: str | None = None,
        task: str | None = None,
        inputs: Sequence[Mapping[str, Any]] | None = None,
        classes: Mapping[int, str] | Sequence[Mapping[str, Any]] | None = None,
        artifact: str | os.PathLike[str] | None = None,
        dataset: str | None = None,
        **facts: Any,
    ) -> str:
        """Register a model under an id for ever, and return the id; the same again changes nothing.

        ``framework``  such as ``PyTorch``
        ``task``       an mlm task; default ``semantic-segmentation``
        ``inputs``     each with name, bands, shape (-1 for free sizes), dims and dtype
        ``classes``    value → name of what it predicts; none means numbers
        ``artifact``   file of the weights, uploaded and kept
        ``dataset``    the version it was trained on, ``NAME@vN``
        ``facts``      name, description, architecture, framework_version, parameters, hyperparameters, metrics

        Raises ConflictError when the id stands for another model.
        """
        args: dict[str, Any] = {"id": model, **facts}
        if classes is not None:
            args["classes"] = (
                [{"value": int(value), "name": str(name)} for value, name in classes.items()]
                if isinstance(classes, Mapping)
                else [dict(c) for c in classes]
            )
        given = {
            "framework": framework,
            "task": task,
            "dataset": dataset,
            "inputs": None if inputs is None else [dict(i) for i in inputs],
        }
        args |= {key: value for key, value in given.items() if value is not None}
        upload = plan([artifact] if artifact is not None else [])
        if artifact is not None:
            args |= {"files": [os.fspath(artifact)], "layout": upload.layout}
        return str(self._client.verb("model.register", args, upload.files).document["id"])

    def list(self) -> "list[dict[str, Any]]":
        """Every registered model, with its facts and its STAC item under ``document``."""
        return list(self._client.verb("model.ls").document or [])

    def __getitem__(self, model: str) -> dict[str, Any]:
        """One registered model by id. Raises NotFoundError."""
        document: dict[str, Any] = self._client.verb("model.show", {"id": model}).document
        return document
