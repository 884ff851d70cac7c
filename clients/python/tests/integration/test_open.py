"""open(): one server per directory, started when nobody serves it, stopped by whoever started it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import terrapin
from double import until


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def holder(directory: Path) -> int:
    return int(json.loads((directory / "terrapin.lock").read_text())["pid"])


def test_the_second_attaches_and_leaves_the_server_alone(binary: str, tmp_path: Path) -> None:
    with terrapin.open(tmp_path / "d", binary=binary) as first:
        pid = holder(tmp_path / "d")
        with terrapin.open(tmp_path / "d", binary="/nowhere/terrapin") as second:
            assert second.url == first.url
        assert alive(pid)
        assert first.verb("cube.ls").exit == 0
    assert until(lambda: not alive(pid))


def test_a_killed_server_leaves_a_lock_file_that_stops_nobody(binary: str, tmp_path: Path) -> None:
    first = terrapin.open(tmp_path, binary=binary)
    os.kill(holder(tmp_path), signal.SIGKILL)
    first.close()
    assert (tmp_path / "terrapin.lock").read_text()
    with terrapin.open(tmp_path, binary=binary) as second:
        assert second.url != first.url


def test_the_server_ends_with_the_program_that_forgot_to_close(binary: str, tmp_path: Path) -> None:
    code = "import sys, terrapin; tp = terrapin.open(sys.argv[1], binary=sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, tmp_path, binary], check=True)
    assert (tmp_path / "terrapin.lock").read_text() == ""


def test_a_fork_does_not_stop_the_server_of_its_parent(binary: str, tmp_path: Path) -> None:
    code = """
import os, sys, terrapin
with terrapin.open(sys.argv[1], binary=sys.argv[2]) as tp:
    pid = os.fork()
    if pid == 0:
        tp.close()
        assert terrapin.connect(tp.url).verb("cube.ls").exit == 0
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert tp.verb("cube.ls").exit == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, tmp_path, binary], check=True, timeout=60)


def test_two_at_once_share_one_server(binary: str, tmp_path: Path) -> None:
    code = "import sys, terrapin\nwith terrapin.open(sys.argv[1], binary=sys.argv[2]) as tp: print(tp.url); input()"
    command = [sys.executable, "-c", code, tmp_path / "d", binary]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    urls = {p.stdout.readline() for p in both}
    for p in both:
        p.communicate("\n")
    assert len(urls) == 1
    assert "http" in urls.pop()


def test_what_cannot_be_opened_says_why(binary: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(terrapin.PreconditionError, match="not a directory"):
        terrapin.open(tmp_path / "file", binary=binary)
    with pytest.raises(terrapin.NotFoundError, match="no terrapin program"):
        terrapin.open(tmp_path / "d", binary="/nowhere/terrapin")
    with pytest.raises(terrapin.PreconditionError, match="data directory"):
        terrapin.open(tmp_path / "file" / "d", binary=binary)
    with pytest.raises(terrapin.PreconditionError, match="ended with exit code"):
        terrapin.open(tmp_path / "d", binary="false")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a folder in a bucket of a MinIO server."""
    program = os.environ.get("TERRAPIN_MINIO")
    if not program:
        pytest.skip("TERRAPIN_MINIO not set: `.ci/setup servers` builds the S3 server")
    for name, value in {"AWS_ACCESS_KEY_ID": "opener", "AWS_SECRET_ACCESS_KEY": "opens-what-there-is"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "drive" / "tiles").mkdir(parents=True)  # a folder of the drive is a bucket
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    keys = {"MINIO_ROOT_USER": "opener", "MINIO_ROOT_PASSWORD": "opens-what-there-is", "MINIO_UPDATE": "off"}
    command = [program, "server", "--quiet", "--address", address, tmp_path / "drive"]
    process = subprocess.Popen(command, env=os.environ | keys, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"s3://tiles/some/where?endpoint=http://{address}"
    process.kill()
    process.wait()


def test_a_bucket_opens_like_a_directory(binary: str, bucket: str) -> None:
    with terrapin.open(bucket, binary=binary) as first:
        assert first.verb("cube.ls").exit == 0
        with terrapin.open(bucket, binary=binary) as second:
            assert second.url == first.url
        assert first.verb("cube.ls").exit == 0
    with pytest.raises(terrapin.InvalidError, match="bucket"):
        terrapin.open("s3:/eo", binary=binary)
