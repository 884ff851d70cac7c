"""Where a loader stands, as plain values: what is no such state, or that of something else, is refused."""

import contextlib
import operator
from collections.abc import Mapping
from typing import Any

from .errors import ConflictError, InvalidError
from .types import State

COUNTS = 1 << 64
_KEYS = ("digest", "split", "filter", "weights", "seed", "epoch", "order", "position")


def checked(state: State, mine: State, samples: int, dataset: str) -> dict[str, int]:
    """The seed, epoch and position of a state that a loader of these samples, which stands at `mine`, may take up."""
    if not isinstance(state, Mapping):
        raise InvalidError(f"{type(state).__name__} is no loader's state", "pass what state_dict() returned")
    missing = [key for key in _KEYS if key not in state]
    unknown = [key for key in state if key not in _KEYS]
    if missing or unknown:
        raise InvalidError(
            f"not a loader's state: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}",
            "pass what state_dict() returned",
        )
    for key in ("digest", "split", "filter", "weights", "order"):
        if state[key] != mine[key]:
            raise ConflictError(
                f"the state is of another {key}: {state[key]!r}, this loader has {mine[key]!r}",
                f"open the loader that the state was saved from{_with(key, state[key])}; "
                f"this one is {dataset}, split {mine['split']!r}",
            )
    numbers = {key: _count(key, state[key]) for key in ("seed", "epoch", "position")}
    if numbers["position"] > samples:
        raise InvalidError(
            f"position {numbers['position']} lies beyond the {samples} samples of the split",
            "pass what state_dict() returned",
        )
    return numbers


def _with(key: str, order: Any) -> str:
    """How a loader is asked for the order of a state."""
    if key != "order" or not isinstance(order, str):
        return ""
    if order == "base":
        return ", with shuffle=False"
    name, _, window = order.partition("/")
    return f", with order={name!r}, shuffle={window or 'uniform'!r}"


def _count(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < COUNTS:
        raise InvalidError(f"the state's {key} is {value!r}, not a count", "pass what state_dict() returned")
    return value


def whole(key: str, value: Any) -> int:
    """A whole number of Python's, NumPy's or torch's as an int, so that it can be written as JSON."""
    if not isinstance(value, bool):
        with contextlib.suppress(TypeError):
            return int(operator.index(value))
    raise InvalidError(f"loader: {key} {value!r} is no whole number", "pass an int")
