"""How fast the batches of a loader come, and whether the training loop waits for them."""

from dataclasses import dataclass, fields

__all__ = ["Counts", "Stats"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What was handed out, and in which time."""

    batches: int = 0
    samples: int = 0
    """Samples, without padding."""
    bytes: int = 0
    """Bytes of the arrays of the batches, as they are handed out."""
    seconds: float = 0.0
    """From when the first batch of an iteration was asked for until the last one was handed out; of several iterations
    the sum, without what was between them."""
    waited: float = 0.0
    """The part of these seconds in which the loop waited for a batch."""
    lost: int = 0
    """Connections that broke and were taken up again."""
    kept: int = 0
    """Chunks that the server needed for these batches, and had decoded in its cache. A chunk that several batches have
    pixels of counts for each; what was read ahead of the loop is counted with the batches before it."""
    joined: int = 0
    """Chunks that it was reading already, for another batch or run."""
    decoded: int = 0
    """Chunks that it read and decoded for them."""
    bytes_read: int = 0
    """Bytes that it read for them from its store."""

    @property
    def samples_per_second(self) -> float:
        """Samples in a second, of whatever the loop does with them; 0 before the first."""
        return self.samples / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Bytes in a second; 0 before the first."""
        return self.bytes / self.seconds if self.seconds else 0.0

    @property
    def stall(self) -> float:
        """The share of the time in which the loop waited: from 0, which is the aim, to 1."""
        return self.waited / self.seconds if self.seconds else 0.0

    @property
    def cache_hits(self) -> float:
        """The share of the chunks that needed no decoding for these batches: from 0 to 1, 0 before the first."""
        all_chunks = self.kept + self.joined + self.decoded
        return (self.kept + self.joined) / all_chunks if all_chunks else 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __str__(self) -> str:
        return (
            f"{self.samples_per_second:.4g} samples/s, {self.bytes_per_second / 1e6:.4g} MB/s, "
            f"{100 * self.stall:.2g} % stalled"
        )


@dataclass(frozen=True, slots=True)
class Stats:
    """What :meth:`terrapin.Loader.stats` counts."""

    transport: str | None
    """The way in which batches come: ``ring``, ``http`` or ``flight``; None before the first."""
    epoch: Counts
    """Of the iteration that runs, or ran last."""
    total: Counts
    """Of all iterations of the loader."""

    def __str__(self) -> str:
        return f"{self.transport or 'nothing read'}: {self.epoch}, {self.epoch.batches} batches"


class Meter:
    """Counts what one loader hands out; a microsecond a batch, so that it is always on."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.transport: str | None = None
        self._before = Counts()
        self._begin()

    def _begin(self) -> None:
        self._batches = self._samples = self._bytes = self._lost = 0
        self._first = self._last = self._waited = 0.0
        self._chunks: tuple[int, ...] = (0, 0, 0, 0)

    def begin(self) -> None:
        """A new iteration begins."""
        self._before += self._epoch()
        self._begin()

    def delivered(self, samples: int, size: int, asked: float, given: float) -> None:
        """A batch was asked for at one time and handed out at another, both of time.perf_counter()."""
        if not self._batches:
            self._first = asked
        self._last = given
        self._waited += given - asked
        self._batches += 1
        self._samples += samples
        self._bytes += size

    def came(self, transport: str | None, lost: int, chunks: tuple[int, ...]) -> None:
        """How this iteration's batches come, how many connections it has lost, and which chunks they took."""
        self.transport, self._lost, self._chunks = transport or self.transport, lost, chunks

    def _epoch(self) -> Counts:
        seconds = self._last - self._first
        return Counts(self._batches, self._samples, self._bytes, seconds, self._waited, self._lost, *self._chunks)

    def stats(self) -> Stats:
        """What was counted up to now."""
        epoch = self._epoch()
        return Stats(self.transport, epoch, self._before + epoch)
