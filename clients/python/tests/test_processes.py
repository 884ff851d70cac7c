"""A loader in other processes: pickled, forked, spawned."""

import multiprocessing
import os
import pickle
import subprocess
import sys

import terrapin
from double import Double, expected, put_ids


def test_a_loader_survives_pickling_with_its_place(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    loader.load_state_dict({**loader.state_dict(), "position": 40})
    twin = pickle.loads(pickle.dumps(loader))
    assert [i for b in twin for i in b["ids"]] == expected(double, 0, 0)[40:]


SERVE = """
import sys; sys.path.insert(0, sys.argv[1])
from double import Double
d = Double(); print(d.url, d.digest, flush=True); sys.stdin.read(); d.stop()
"""


FORKING = """
import os, signal, sys, terrapin
tp = terrapin.connect(sys.argv[1])
loader = tp.loader("crops@v1", batch_size=5, tensors="numpy")
first = [i for b in loader for i in b["ids"]]
iterator = iter(loader); next(iterator)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    code = 1
    try:
        mine = tp.loader("crops@v1", batch_size=5, tensors="numpy")
        code = 2 if [i for b in mine for i in b["ids"]] == first else 4
    except terrapin.PreconditionError as e:
        code = 0 if "forked" in str(e) else 3
    os._exit(code)
status = os.waitpid(pid, 0)[1]
assert status == 0, status
assert [b["position"][0] for b in iterator][-1] == 45
"""


def test_a_fork_in_the_middle_of_a_stream_is_told_why_not() -> None:
    here = os.path.dirname(__file__)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        url = server.stdout.readline().split()[0]
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, url], capture_output=True, text=True)
        server.stdin.close()
    assert done.returncode == 0, done.stderr


def test_a_spawned_process_reads_for_itself(client: terrapin.Client, double: Double) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=put_ids, args=(client, queue))
    process.start()
    assert queue.get(timeout=60) == expected(double, 0, 0)
    process.join()
