"""Numbers that samples have by name, computed from the manifest as docs/spec/ticket.md defines them."""

from collections.abc import Mapping
from typing import Any

from .errors import UnsupportedError

_CLASS = "class:"
_LABELLED, _SCENES = "labelled", "scenes"
_STORED = ("row", "col", "height", "width")
COUNTS = "label_counts"
"""The column that the shares of classes are made of."""


def columns_of(name: str) -> tuple[str, ...]:
    """The columns of the manifest that a number is made of."""
    if name in _STORED:
        return (name,)
    if name == _SCENES:
        return ("slots",)
    if name == _LABELLED or name.startswith(_CLASS):
        return (COUNTS, "height", "width")
    raise UnsupportedError(
        f"this client knows no number {name!r} of samples",
        f"use a newer client, or one of: {', '.join((*_STORED, _SCENES, _LABELLED))}, {_CLASS}NAME",
    )


def class_names(facts: Mapping[str, Any]) -> dict[int, str]:
    """The classes of a stream's facts that have a name, by value."""
    names: dict[int, str] = {}
    for c in facts.get("classes") or ():
        if c["name"]:
            names.setdefault(int(c["value"]), str(c["name"]))
    return names


def number(sample: Mapping[str, Any], name: str, classes: Mapping[int, str]) -> float:
    """A number of a sample, a row of the manifest; `classes` are the names of the version's classes by value."""
    if name in _STORED:
        return float(sample[name])
    if name == _SCENES:
        return float(len(sample["slots"]))
    found = 0
    for counted in sample[COUNTS] or ():
        value = counted["value"]
        # What has no name goes by its value.
        if name == _LABELLED or classes.get(value, str(value)) == name.removeprefix(_CLASS):
            found += counted["pixels"]
    return float(found / (sample["height"] * sample["width"]))
