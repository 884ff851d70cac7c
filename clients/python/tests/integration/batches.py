"""Batches over each transport, and what they amount to."""

import hashlib
from typing import Any

import numpy as np

import terrapin

NAMES = ("ring", "http", "flight")


def over(served: terrapin.Client, name: Any) -> terrapin.Client:
    return terrapin.connect(served.url, transport=name)


def digest(batch: dict[str, Any]) -> str:
    """SHA-256 of everything in a batch."""
    out = hashlib.sha256()
    for key in sorted(batch):
        value = batch[key]
        if isinstance(value, np.ndarray):
            out.update(f"{key} {value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            out.update(repr((key, value)).encode())
    return out.hexdigest()
