"""Terrapin: versioned Earth-observation training data, streamed exactly.

::

    import terrapin
    tp = terrapin.connect("http://localhost:8080")        # or terrapin.open("./terrapin-data")
    for batch in tp.loader("crops@v3", batch_size=32, seed=1):
        step(batch["image"], batch["label"])
"""

from .client import Client, connect, open
from .cubes import Cube, Windows
from .datasets import Dataset
from .errors import (
    CanceledError,
    ConflictError,
    CorruptError,
    InternalError,
    InvalidError,
    NotFoundError,
    PreconditionError,
    TerrapinError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from .loader import Batch, Loader
from .models import Models
from .predictions import Predictions
from .stats import Counts, Stats
from .types import Area, Group, Planned, Spec, State, Window
from .verify import Masked, Problem, Report, Span

__version__ = "0.1.0"

__all__ = [
    "Area",
    "Batch",
    "CanceledError",
    "Client",
    "ConflictError",
    "CorruptError",
    "Counts",
    "Cube",
    "Dataset",
    "Group",
    "InternalError",
    "InvalidError",
    "Loader",
    "Masked",
    "Models",
    "NotFoundError",
    "Planned",
    "PreconditionError",
    "Predictions",
    "Problem",
    "Report",
    "Span",
    "Spec",
    "State",
    "Stats",
    "TerrapinError",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedError",
    "Window",
    "Windows",
    "connect",
    "open",
]
