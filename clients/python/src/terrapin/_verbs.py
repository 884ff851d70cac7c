"""What changes the server's data, as the verbs of its command line do: upload scenes and labels, commit recipes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ._http import Http, Reply
from ._upload import plan

StrPath = str | os.PathLike[str]
Document = dict[str, Any]


class Verbs:
    """The part of a client that writes."""

    _http: Http

    def ingest(
        self,
        cube: str,
        sources: Sequence[StrPath] | StrPath,
        *,
        datetime_pattern: str | None = None,
        bands: Sequence[str] | None = None,
        strict: bool = False,
    ) -> Document:
        """Upload scenes into a cube: files with all bands, folders of them, or STAC items with local assets.

        ``datetime_pattern`` is a strptime pattern searched in the file's name (UTC). Returns the report: snapshot,
        accepted, rejected (each with reason and cure) and skipped. A bad scene does not raise; see ``rejected``.
        """
        paths = _listed(sources)
        upload = plan(paths)
        args = given(cube=cube, datetime_pattern=datetime_pattern, bands=bands and list(bands), strict=strict or None)
        args |= {"sources": [os.fspath(s) for s in paths], "layout": upload.layout}
        return self._document("ingest", args, upload.files)

    def import_labels(
        self,
        labels: str,
        files: Sequence[StrPath] | StrPath,
        *,
        cube: str,
        class_property: str | None = None,
        classes: StrPath | None = None,
        state: Literal["accepted", "draft"] | None = None,
        replace: bool = False,
        dry_run: bool = False,
        strict: bool = False,
    ) -> Document:
        """Upload labels (GeoJSON polygons in WGS 84, class rasters on the cube's grid) as one new revision.

        ``classes`` is a file that maps class names to values. Returns the report: labels, revision, digest, accepted
        and rejected (each with reason and cure). A bad feature does not raise; see ``rejected``.
        """
        paths = _listed(files)
        upload = plan(paths)
        args = given(
            cube=cube,
            class_property=class_property,
            classes=Path(classes).read_text() if classes else None,
            classes_name=Path(classes).name if classes else None,
            state=state,
            replace=replace or None,
            dry_run=dry_run or None,
            strict=strict or None,
        )
        args |= {"labels": labels, "files": [os.fspath(f) for f in paths], "layout": upload.layout}
        return self._document("labels.import", args, upload.files)

    def commit(self, recipe: StrPath) -> Document:
        """Commit a recipe, as the path of a YAML file or as its text (recognised by its line breaks).

        Returns the report: dataset, version, created, digest, samples, leakage, collection. A recipe whose digest
        exists returns that version with ``created`` false. Raises InvalidError with line and column.
        """
        if isinstance(recipe, str) and "\n" in recipe:
            return self._document("dataset.commit", {"recipe": recipe})
        return self._document("dataset.commit", {"recipe": Path(recipe).read_text(), "name": os.fspath(recipe)})

    def verb(self, name: str, args: dict[str, Any] | None = None, files: Sequence[StrPath] = ()) -> Reply:
        """Run any verb of the command line on the server, such as ``cube.create``.

        ``args`` are its arguments and flags in snake_case; ``files`` are uploaded. Returns the exit code (0 all done,
        1 something was refused, named in the document) and the document that ``--json`` prints.
        """
        return self._http.verb(name, args or {}, files)

    def _document(self, name: str, args: Document, files: Sequence[StrPath] = ()) -> Document:
        document: Document = self._http.verb(name, args, files).document
        return document


def _listed(sources: Sequence[StrPath] | StrPath) -> list[StrPath]:
    return [sources] if isinstance(sources, str | os.PathLike) else list(sources)


def given(**values: Any) -> Document:
    """Those that are not None."""
    return {key: value for key, value in values.items() if value is not None}
