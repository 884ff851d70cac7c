from collections.abc import Iterator

import pytest

import terrapin
from double import Double


@pytest.fixture
def double() -> Iterator[Double]:
    server = Double()
    yield server
    server.stop()


@pytest.fixture
def client(double: Double) -> terrapin.Client:
    return terrapin.connect(double.url)
