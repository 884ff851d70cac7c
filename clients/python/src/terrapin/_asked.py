"""What a loader is asked for, checked before anything is sent: the limits are those of the server's tickets."""

import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

from ._state import COUNTS, whole
from .errors import InvalidError
from .order import shuffle_name

MOST_SAMPLES = MOST_RANKS = 1 << 20
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}")


def dataset(name: Any) -> str:
    """The name of a dataset or of its version."""
    if not isinstance(name, str) or not name:
        raise InvalidError(f"loader: {name!r} names no dataset", 'give its name, such as "crops@v3", or "crops"')
    return name


def run(name: Any) -> str:
    """The name of a run."""
    if not isinstance(name, str) or not _RUN.fullmatch(name):
        raise InvalidError(
            f"loader: run {str(name)[:140]!r} is no name of a run",
            "use up to 128 letters, digits and . _ : @ + = -, beginning with a letter or digit",
        )
    return name


def count(key: str, value: Any, least: int, most: int, means: str) -> int:
    """A whole number within limits; `means` says what it is."""
    number = whole(key, value)
    if not least <= number <= most:
        limit = "2**64 - 1" if most == COUNTS - 1 else f"{most:,}"
        raise InvalidError(f"loader: {key} {number} is not between {least} and {limit}", f"{key} {means}")
    return number


def batch_size(value: Any) -> int:
    """Samples of a batch."""
    return count("batch_size", value, 1, MOST_SAMPLES, "is how many samples a batch has on each rank, such as 32")


def world_size(value: Any) -> int:
    """Ranks of a run."""
    return count("world_size", value, 1, MOST_RANKS, "is how many ranks read together")


def seed(value: Any) -> int:
    """The seed of an order."""
    return count("seed", value, 0, COUNTS - 1, "is any whole number from 0 up, and may be 0")


def epoch(value: Any) -> int:
    """The number of an epoch."""
    return count("epoch", value, 0, COUNTS - 1, "counts from 0")


def begin(value: Any) -> int:
    """The position that an epoch is looked at from."""
    return count("begin", value, 0, COUNTS - 1, "is a position of the epoch, from 0")


def patience(value: Any) -> float:
    """Seconds, 0 or more."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or math.isnan(value) or value < 0:
        raise InvalidError(
            f"loader: patience {value!r} is no number of seconds from 0 up",
            "it is how long a server that went away is waited for, such as 5.0; 0 does not wait",
        )
    return float(value)


def shuffle(value: Any) -> bool | str:
    """How an epoch is mixed."""
    if isinstance(value, bool):
        return value
    try:
        shuffle_name(value)
    except (ValueError, AttributeError):
        raise InvalidError(
            f"loader: unknown shuffle {value!r}",
            'use True (what the version fixes), False or "base" (sorted by id), "uniform", or "window:2GiB"',
        ) from None
    return str(value)


def weights(value: Any) -> Any:
    """How often samples come: a text, or weights by class as plain JSON."""
    if not isinstance(value, Mapping):
        return value
    given = value.get("class")
    if not isinstance(given, Mapping) or len(value) != 1:
        raise InvalidError(f"loader: weights {value!r} are not by class", 'write {"class": {"maize": 2, "wheat": 0.5}}')
    out = {}
    for name, weight in given.items():
        key = name if isinstance(name, str) else str(whole("weights", name))
        real = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
        if not real or not 0 <= float(weight) < math.inf or key in out:
            raise InvalidError(
                f"loader: weights: class {name!r} has the weight {weight!r}, or another one besides",
                "a weight is a finite number from 0 up; a class has one",
            )
        out[key] = float(weight)
    return {"class": out}
