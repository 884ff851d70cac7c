"""A real server, the binary in TERRAPIN_BIN, on the bundled sample."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import terrapin

DEMO = Path(__file__).parents[4] / "demo" / "data"
# The north-west corner, the size and the bands of the sample's scenes.
GRID = {"crs": "EPSG:32631", "bounds": "664000,5611120,665000,5612120", "res": 10.0}
BANDS = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"]
RECIPE = """name: crops
cube: s2
features: [B02, B03, B04, B08]
labels: cropland
window: {size: 10, stride: 10}
time: {policy: all}
split: {by: block, block_m: 200, train: 0.7, validate: 0.15, test: 0.15, salt: 1}
"""
SEED = 7


@pytest.fixture(scope="session")
def binary() -> str:
    found = os.environ.get("TERRAPIN_BIN")
    if not found:
        pytest.skip("TERRAPIN_BIN not set: no server to run against")
    return found


@pytest.fixture(scope="session")
def filled(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a cube, labels and a dataset version; no server is left running."""
    directory = tmp_path_factory.mktemp("filled") / "data"
    with terrapin.open(directory, binary=binary, actor="tests") as tp:
        tp.verb("cube.create", {"cube": "s2", **GRID, "bands": BANDS, "nodata": "65535", "chunk": 64})
        report = tp.ingest("s2", sorted(DEMO.glob("s2_*.tif")), datetime_pattern="s2_%Y%m%d")
        assert (len(report["accepted"]), report["rejected"]) == (12, [])
        assert tp.import_labels("cropland", DEMO / "labels_cropland.tif", cube="s2")["rejected"] == []
        assert tp.commit(RECIPE)["version"] == "v1"
    return directory


@pytest.fixture(scope="session")
def served(filled: Path, binary: str) -> Iterator[terrapin.Client]:
    """A server on the filled directory, for tests that only read."""
    with terrapin.open(filled, binary=binary) as tp:
        yield tp


@pytest.fixture
def scratch(filled: Path, binary: str, tmp_path: Path) -> Path:
    """A copy of the filled directory, for tests that write or kill."""
    return Path(shutil.copytree(filled, tmp_path / "data", ignore=shutil.ignore_patterns("terrapin.lock")))


@pytest.fixture
def serve(binary: str) -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """Start servers on fixed ports, which tests kill and start again."""
    running: list[subprocess.Popen[Any]] = []

    def start(directory: Path, http: int, flight: int) -> subprocess.Popen[Any]:
        command = [binary, "serve", "--data", str(directory), "--json"]
        command += ["--http", f"127.0.0.1:{http}", "--flight", f"127.0.0.1:{flight}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        assert process.stdout.readline()
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    numbers = tuple(s.getsockname()[1] for s in sockets)
    for s in sockets:
        s.close()
    return numbers[0], numbers[1]


@pytest.fixture
def kept(scratch: Path, binary: str) -> Iterator[terrapin.Client]:
    """A server of its own on a copy of the data, with an empty ledger."""
    with terrapin.open(scratch, binary=binary) as tp:
        yield tp


def read(loader: terrapin.Loader, steps: int | None = None) -> list[str]:
    """Read some steps, or the rest of the epoch; the last is taken, too."""
    ids, batches = [], iter(loader)
    for n, batch in enumerate(batches, 1):
        ids += batch["ids"]
        if n == steps:
            loader.state_dict()
            break
    return ids
