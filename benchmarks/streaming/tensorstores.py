"""tensorstore: a whole batch asked for at once, into a reused buffer, one batch ahead, with or without its cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorstore as ts

from . import arrays
from .contract import Batch, Job
from .pixels import Source, buffers

prepare = arrays.prepare


def _open(job: Job) -> list[Any]:
    budget = {"all": 4 * job.workload.pixels, "part": job.workload.pixels // 4}
    keep = budget.get(job.options.get("cache", ""), 0)
    context = ts.Context(
        {
            "cache_pool": {"total_bytes_limit": keep},
            "data_copy_concurrency": {"limit": job.options.get("threads", 2)},
            "file_io_concurrency": {"limit": 4},
        }
    )
    specs = [
        {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": f"{arrays.path(job)}/{name}/"},
            "recheck_cached_data": False,
            "recheck_cached_metadata": False,
        }
        for name in ("image", "mask")
    ]
    return [ts.open(spec, context=context, open=True, read=True).result() for spec in specs]


def batches(job: Job) -> Iterator[Batch]:
    if job.options.get("into"):
        return _into(job)
    return _plain(job)


def _plain(job: Job) -> Iterator[Batch]:
    """As its tutorial reads: index, read, wait; windows are read together and stacked."""
    image, mask = _open(job)
    source = Source(job)
    for step in job.steps():
        if not job.workload.windows:
            asked = [a.oindex[step.tolist()].read() for a in (image, mask)]
            yield Batch(asked[0].result(), asked[1].result(), step)
            continue
        pairs = [(image[_at(source, i, 2)].read(), mask[_at(source, i, 1)].read()) for i in step]
        yield Batch(np.stack([a.result() for a, _ in pairs]), np.stack([b.result() for _, b in pairs]), step)


def _at(source: Source, i: int, lead: int) -> tuple[slice, ...]:
    """A sample's part of the array, chip or window; ``lead`` counts the axes before y and x of a cube."""
    if not source.workload.windows:
        return (slice(int(i), int(i) + 1),)
    (y, x), n = source.windows[i], source.workload.size
    return (*(slice(None) for _ in range(lead)), slice(int(y), int(y) + n), slice(int(x), int(x) + n))


def _into(job: Job) -> Iterator[Batch]:
    """Two reused buffers: one is read into while the other is looked at."""
    sources, source = _open(job), Source(job)
    ring = [buffers(job.workload) for _ in range(2)]
    targets = [[ts.array(part) for part in batch[:2]] for batch in ring]
    waiting: deque[tuple[int, np.ndarray, list[Any]]] = deque()
    for k, step in enumerate(job.steps()):
        copies = []
        with ts.Batch() as together:
            for slot, i in enumerate(step):
                for stored, target, lead in zip(sources, targets[k % 2], (2, 1), strict=True):
                    part = stored[_at(source, i, lead)]
                    into = target[slot] if job.workload.windows else target[slot : slot + 1]
                    origin = (0,) * part.rank
                    copies.append(into.translate_to[origin].write(part.translate_to[origin], batch=together))
        waiting.append((k % 2, step, copies))
        if len(waiting) == 2:
            place, taken, running = waiting.popleft()
            for copy in running:
                copy.result()
            yield ring[place]._replace(index=taken)
