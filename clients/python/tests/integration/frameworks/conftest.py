"""Other people's training frameworks, in the environment of `.ci/setup frameworks`."""

from collections.abc import Callable

import pytest

import terrapin


@pytest.fixture
def make(served: terrapin.Client) -> Callable[..., terrapin.Loader]:
    """Loaders of the same samples in the same order, of torch tensors unless told otherwise."""

    def loader(**options: object) -> terrapin.Loader:
        asked: dict[str, object] = {"batch_size": 8, "seed": 3, "tensors": "torch"}
        return served.loader("crops@v1", **(asked | options))  # type: ignore[arg-type]

    return loader


@pytest.fixture
def epochs(make: Callable[..., terrapin.Loader]) -> list[list[list[str]]]:
    """The ids of each batch of each of three epochs."""
    loader = make(tensors="numpy")
    return [[batch["ids"] for batch in loader] for _ in range(3)]
