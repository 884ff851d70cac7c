"""How fast the batches of a loader come, and whether the training loop waits for them."""

from dataclasses import dataclass

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

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.batches + other.batches,
            self.samples + other.samples,
            self.bytes + other.bytes,
            self.seconds + other.seconds,
            self.waited + other.waited,
            self.lost + other.lost,
        )

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

    def came(self, transport: str | None, lost: int) -> None:
        """How this iteration's batches come, and how many connections it has lost."""
        self.transport, self._lost = transport or self.transport, lost

    def _epoch(self) -> Counts:
        seconds = self._last - self._first
        return Counts(self._batches, self._samples, self._bytes, seconds, self._waited, self._lost)

    def stats(self) -> Stats:
        """What was counted up to now."""
        epoch = self._epoch()
        return Stats(self.transport, epoch, self._before + epoch)
