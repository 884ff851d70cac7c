"""Which local files go with a verb, and where they stood: folders with their files, STAC items with their assets."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Upload:
    """Files to send, and for each its place "I/path" below source I."""

    files: list[Path]
    layout: list[str]


def plan(sources: Sequence[str | os.PathLike[str]]) -> Upload:
    """List the files behind the sources. One that is missing is left out: the server reports it by name."""
    upload = Upload([], [])

    def add(path: Path, place: str) -> None:
        upload.files.append(path)
        upload.layout.append(place)

    for i, source in enumerate(sources):
        path = Path(os.path.normpath(source))
        if path.is_dir():
            for entry in sorted(path.iterdir()):
                if entry.is_file() and not entry.is_symlink():
                    add(entry, f"{i}/{path.name}/{entry.name}")
        elif path.is_file():
            add(path, f"{i}/{path.name}")
            if path.suffix.lower() in (".json", ".geojson"):
                for asset, relative in _assets(path):
                    add(asset, f"{i}/{relative}")
    return upload


def _assets(item: Path) -> list[tuple[Path, str]]:
    """The local files below a STAC item's folder that its assets name."""
    try:
        assets = json.loads(item.read_bytes())["assets"]
        hrefs = [str(asset["href"]) for asset in assets.values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []  # whatever it is, the server says so
    found = []
    for href in hrefs:
        relative = os.path.normpath(href)
        if os.path.isabs(relative) or relative.startswith("..") or "://" in href:
            continue
        if (item.parent / relative).is_file():
            found.append((item.parent / relative, Path(relative).as_posix()))
    return found
