"""Limits of this machine in this run: what no loader that copies, sends or decodes the same bytes can beat."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .contract import Batch, Job
from .pixels import Source, buffers

CORES = os.cpu_count() or 1
SLOTS = 4  # of the ring


def prepare(job: Job) -> None:
    """The c-blosc limit decodes the chunks of the Zarr arrays; the others read the pixels as they are."""
    if job.options["what"] == "blosc":
        from . import arrays

        arrays.prepare(job)


def batches(job: Job) -> Iterator[Batch]:
    kinds = {"gather": _gather, "blosc": _blosc, "ring": _ring, "unix": _socket, "tcp": _socket, "disk": _disk}
    return kinds[job.options["what"]](job)


def _resident(job: Job) -> Source:
    """The source with its pixels in this process's memory."""
    source = Source(job)
    if job.workload.windows:
        source.image, source.mask = np.array(source.image), np.array(source.mask)
    return source


def _gather(job: Job) -> Iterator[Batch]:
    """One reused buffer, filled by one thread, or by several."""
    source, batch = _resident(job), buffers(job.workload)
    threads = job.options.get("threads", 1)
    if threads == 1:
        for step in job.steps():
            source.gather(step, batch)
            yield batch._replace(index=step)
    with ThreadPoolExecutor(threads) as pool:
        parts = [slice(k * len(batch.image) // threads, (k + 1) * len(batch.image) // threads) for k in range(threads)]
        for step in job.steps():
            list(pool.map(lambda p, s=step: source.gather(s[p], Batch(batch.image[p], batch.mask[p], ())), parts))
            yield batch._replace(index=step)


def _blosc(job: Job) -> Iterator[Batch]:
    """numcodecs decodes every chunk that a batch touches from memory, on all cores; windows are not cut out."""
    import numcodecs.blosc

    from . import arrays

    numcodecs.blosc.use_threads = False
    source, batch, codec = Source(job), buffers(job.workload), numcodecs.blosc.Blosc()
    encoded = arrays.encoded(job)
    chunk = (job.workload.bands, job.workload.chunk, job.workload.chunk)
    spare = [np.empty(chunk, np.uint16) for _ in range(CORES)]

    def decode(part: tuple[int, np.ndarray]) -> None:
        thread, slots = part
        for slot in slots:
            for chunk in source.touched(int(step[slot])):
                codec.decode(encoded[chunk], spare[thread] if job.workload.windows else batch.image[slot])

    with ThreadPoolExecutor(CORES) as pool:
        shares = list(enumerate(np.array_split(np.arange(job.workload.batch), CORES)))
        for step in job.steps():
            list(pool.map(decode, shares))
            if not job.workload.windows:
                for slot, i in enumerate(step):
                    batch.mask[slot] = source.mask[i]
            yield batch._replace(index=step)


def _ring(job: Job) -> Iterator[Batch]:
    """Another process gathers into slots of shared memory; this one only looks at them."""
    w = job.workload
    images, masks = w.batch * int(np.prod(w.image_shape)) * 2, w.batch * int(np.prod(w.mask_shape))
    memory = mmap.mmap(-1, SLOTS * (images + masks))
    slots = []
    for k in range(SLOTS):
        whole = np.frombuffer(memory, np.uint8, images + masks, k * (images + masks))
        image = whole[:images].view(np.uint16).reshape(w.batch, *w.image_shape)
        slots.append(Batch(image, whole[images:].reshape(w.batch, *w.mask_shape), ()))
    free, full = os.eventfd(SLOTS, os.EFD_SEMAPHORE), os.eventfd(0, os.EFD_SEMAPHORE)

    def fill() -> None:
        source = _resident(job)
        for k, step in enumerate(job.steps()):
            os.eventfd_read(free)
            source.gather(step, slots[k % SLOTS])
            os.eventfd_write(full, 1)

    _beside(fill)
    for k, step in enumerate(job.steps()):
        os.eventfd_read(full)
        yield slots[k % SLOTS]._replace(index=step)
        os.eventfd_write(free, 1)


def _beside(work: Callable[[], None]) -> None:
    """Do work in a forked process that ends with this one."""
    if os.fork() == 0:
        try:
            ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
            work()
        finally:
            os._exit(0)


def _socket(job: Job) -> Iterator[Batch]:
    """Another process sends straight from the mapped pixels; this one receives into one reused buffer."""
    batch, source = buffers(job.workload), Source(job)
    if job.options["what"] == "unix":
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs = listener.accept()[0]

    def send() -> None:
        ours.close()
        for step in job.steps():
            pairs = [source.sample(int(i)) for i in step]
            _send(theirs, [memoryview(np.ascontiguousarray(a)).cast("B") for p in zip(*pairs, strict=True) for a in p])

    _beside(send)
    theirs.close()
    views = [memoryview(batch.image).cast("B"), memoryview(batch.mask).cast("B")]
    for step in job.steps():
        for view in views:
            got = 0
            while got < len(view):
                got += ours.recv_into(view[got:])
        yield batch._replace(index=step)


def _send(to: socket.socket, parts: list[Any]) -> None:
    while parts:
        sent = to.sendmsg(parts)
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if sent:
            parts[0] = parts[0][sent:]


def _disk(job: Job) -> Iterator[Batch]:
    """The file of the pixels from beginning to end, out of the page cache, into one reused buffer."""
    batch = buffers(job.workload)
    view = memoryview(batch.image).cast("B")
    with (job.folder / "image.npy").open("rb", buffering=0) as file:
        while True:
            file.seek(128)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for first in range(0, job.workload.samples - len(batch.image) + 1, len(batch.image)):
                file.readinto(view)
                yield batch._replace(index=np.arange(first, first + len(batch.image)))
