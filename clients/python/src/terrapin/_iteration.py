"""One run through the rest of an epoch."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ._prefetch import Arrays, Prefetch, Steps, cancelled
from ._progress import Progress
from ._receipts import Reading

if TYPE_CHECKING:
    from .loader import Loader

Batch = dict[str, Any]
"""One batch by key: image, valid, times, label, ids, position, and weight where the tail is padded."""


class Iteration(Iterator[Batch]):
    """One run through the rest of an epoch; its thread ends with it, however it ends.

    What is read is settled when the first batch is asked for: Lightning makes an iteration before it says of which
    epoch, as a sampler's begins no sooner.
    """

    def __init__(self, loader: "Loader") -> None:
        self._begun = False
        self._over = False
        self._prefetch: Prefetch | None = None
        self._reading: Reading | None = None
        self._progress: Progress | None = None
        self._superseded = False
        self._loader = loader
        self._step = 0

    @property
    def running(self) -> bool:
        """Whether it has begun and has not ended: by its last batch, an error, or a newer iteration."""
        return self._begun and not self._over

    def _begin(self) -> Prefetch:
        loader = self._loader
        self._begun = True
        self._plan = loader._steps_from(loader._start)
        self._progress = loader._progress(self._plan)
        self._prefetch, self._reading = loader._prefetch(self._plan)
        loader._meter.begin()
        return self._prefetch

    def __next__(self) -> Batch:
        if self._superseded:
            raise cancelled()
        if self._over:
            raise StopIteration
        asked = time.perf_counter()
        prefetch = self._prefetch or self._begin()
        self.taken()
        try:
            arrays = prefetch.next()
            batch = None if arrays is None else _batch(arrays, self._loader._convert)
            size = sum(a.nbytes for a in (arrays or {}).values() if not isinstance(a, list))
        except BaseException:
            self.end()
            raise
        if batch is None:
            self.taken(durable=True)
            self.end()
            self._loader._finished()
            raise StopIteration
        self._delivered(size, asked, prefetch.steps)
        return batch

    def _delivered(self, size: int, asked: float, steps: Steps) -> None:
        """Note a batch that is about to be handed out."""
        loader = self._loader
        samples = self._plan.part(self._step, loader.rank).count
        self._step += 1
        loader._position = self._plan.after(self._step)
        loader._handed = (self._reading, self._step) if self._reading is not None else None
        loader._meter.came(steps.transport, steps.lost, steps.chunks)
        loader._meter.delivered(samples, size, asked, time.perf_counter())
        if self._progress is not None:
            self._progress.step()

    def taken(self, durable: bool = False) -> None:
        """Acknowledge all that was delivered: the loop asks for more, or says where it stands."""
        if self._reading is not None:
            self._reading.take(self._step)
            if durable:
                self._reading.flush(self._loader._patience)

    def end(self, superseded: bool = False) -> None:
        """Stop reading; a superseded iteration says so when it is asked again."""
        self._superseded = self._superseded or (superseded and not self._over)
        self._over = True
        prefetch, self._prefetch = self._prefetch, None
        if prefetch is not None:
            if self._progress is not None:
                self._progress.end()
            prefetch.close()
            if self._reading is not None:
                self._reading.end(self._loader._patience)

    def __del__(self) -> None:
        self.end()


def _batch(arrays: Arrays, convert: Callable[[Any], Any]) -> Batch:
    """The arrays as what is handed out; ids, and what is a tensor already, are passed on."""
    return {name: convert(column) if isinstance(column, np.ndarray) else column for name, column in arrays.items()}
