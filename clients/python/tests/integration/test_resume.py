"""A server killed with -9 in the middle of an epoch."""

import hashlib
import json
import subprocess
import sys

import pytest

import terrapin

TRAIN = """
import hashlib, json, os, signal, sys, terrapin
url, pid, stop, state = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
loader = terrapin.connect(url).loader("crops@v1", batch_size=4, seed=7, tensors="numpy", patience=0.5)
for step, batch in enumerate(loader, 1):
    data = batch["image"].tobytes() + batch["label"].tobytes() + "".join(batch["ids"]).encode()
    print(hashlib.sha256(data).hexdigest())
    open(state, "w").write(json.dumps(loader.state_dict()))
    if step == stop:
        os.kill(pid, signal.SIGKILL)
"""


def digest(batch) -> str:
    data = batch["image"].tobytes() + batch["label"].tobytes() + "".join(batch["ids"]).encode()
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("stop", [1, 6])
def test_a_new_process_goes_on_with_the_very_next_batch(scratch, serve, ports, tmp_path, stop: int) -> None:
    url, state = f"http://127.0.0.1:{ports[0]}", tmp_path / "state.json"
    server = serve(scratch, *ports)
    loader = terrapin.connect(url).loader("crops@v1", batch_size=4, seed=7, tensors="numpy")
    whole = [digest(b) for b in loader]
    command = [sys.executable, "-c", TRAIN, url, str(server.pid), str(stop), state]
    died = subprocess.run(command, capture_output=True, text=True, timeout=120)
    seen = died.stdout.split()
    assert len(seen) >= stop
    if len(seen) < len(whole):
        assert died.returncode == 1
        assert "load_state_dict" in died.stderr
    server.wait()
    serve(scratch, *ports)
    resumed = terrapin.connect(url).loader("crops@v1", batch_size=4, tensors="numpy")
    resumed.load_state_dict(json.loads(state.read_text()))
    assert seen + [digest(b) for b in resumed] == whole


def test_a_server_that_comes_back_is_not_even_noticed(scratch, serve, ports) -> None:
    server = serve(scratch, *ports)
    loader = terrapin.connect(f"http://127.0.0.1:{ports[0]}").loader(
        "crops@v1", batch_size=1, seed=7, tensors="numpy", patience=60
    )
    whole = [digest(b) for b in loader]
    loader.set_epoch(0)
    again = []
    for batch in loader:
        again.append(digest(batch))
        if len(again) == 3:
            server.kill()
            server.wait()
            serve(scratch, *ports)
    assert again == whole
