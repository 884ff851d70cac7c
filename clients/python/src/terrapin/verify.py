"""Whether what a run has seen is what the order says: what is found out about that."""

from dataclasses import dataclass, field

from .errors import CorruptError

__all__ = ["Masked", "Problem", "Report", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """Positions of an epoch, the last one included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"position {self.first}" if self.first == self.last else f"positions {self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``kind``  ``dropped``, ``repeated``, ``swapped`` (whole steps), ``exchanged`` (one sample), ``differs`` (more than
              can be told), ``positions``, ``on_the_way`` (sent right and received otherwise), ``uncovered``, ``twice``,
              ``pixels`` or ``refused`` (what the client refused while it read)
    """

    kind: str
    says: str
    """What is wrong, in one sentence."""
    rank: int | None = None
    step: int | None = None
    """Step of the session's stream, from 0."""
    position: int | None = None
    """Position in the epoch."""
    session: str | None = None

    def __str__(self) -> str:
        at = [
            f"{n} {v}"
            for n, v in (("rank", self.rank), ("step", self.step), ("position", self.position))
            if v is not None
        ]
        return f"{self.kind} ({', '.join(at)}): {self.says}" if at else f"{self.kind}: {self.says}"


@dataclass(frozen=True, slots=True)
class Masked:
    """A sample that came with ``weight`` 0: some of its pixels are damaged, and ``on_error`` is ``mask``."""

    position: int
    sample: str
    why: str
    """What is damaged, in the server's words."""

    def __str__(self) -> str:
        return f"masked (position {self.position}): sample {self.sample}: {self.why}"


@dataclass(slots=True)
class Report:
    """What :meth:`terrapin.Client.verify_epoch` found."""

    run: str
    dataset: str
    split: str
    seed: int
    epoch: int
    samples: int = 0
    """Positions of the epoch."""
    begin: int = 0
    """Position from which on this looks; more than 0 only where ``begin=`` was given."""
    end: int = 0
    """Position after the last that is read; less than ``samples`` where the tail drops the rest."""
    seen: int = 0
    """Positions from ``begin`` on that were acknowledged."""
    first: int | None = None
    """The first position that any receipt tells of; None where none does."""
    uncovered: int = 0
    """Positions that should have been seen and are in no receipt."""
    unread: int = 0
    """Positions that are not read yet, and that nothing is said of: of an epoch that is being read."""
    ranks: tuple[int, ...] = ()
    """Ranks that were looked at."""
    sessions: int = 0
    damaged: int = 0
    """Lines of the server's file of receipts, of any run, that do not read: what only they told is in no receipt."""
    claimed: int = 0
    """Steps that the client's own chain alone proves, as the server that sent them was killed."""
    read_again: list[Span] = field(default_factory=list)
    """Positions that were read again later: a resume from an older state, or the epoch read anew. No problem."""
    pixels: int = 0
    """Samples whose pixels were compared."""
    masked: list[Masked] = field(default_factory=list)
    """Samples that were seen without their pixels, by position. No problem: the run wants it so."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        """Whether every position of the epoch to ``end``, from ``begin`` where it was given, was seen, as the order has
        it; with ``partial`` every one so far."""
        return not self.problems

    @property
    def partial(self) -> bool:
        """Whether this is about the epoch so far: some of its positions are not read yet, and that is no problem."""
        return self.unread > 0

    def __bool__(self) -> bool:
        return self.verified

    def __str__(self) -> str:
        what = f"run {self.run}, {self.dataset} {self.split}, seed {self.seed}, epoch {self.epoch}"
        head = f"{what}: {self.seen} of {self.end - self.begin} positions in {self.sessions} sessions"
        for more, text in (
            (self.begin, f", from position {self.begin} of {self.samples} on"),
            (self.uncovered, f", {self.uncovered} not covered"),
            (self.uncovered and self.first, f", the receipts begin at position {self.first}"),
            (self.damaged, f", {self.damaged} lines of the server's receipts do not read"),
            (self.read_again, f", {sum(s.last - s.first + 1 for s in self.read_again)} read again"),
            (self.claimed, f", {self.claimed} steps proved by the client alone"),
            (self.pixels, f", pixels of {self.pixels} samples compared"),
            (self.masked, f", {len(self.masked)} masked"),
            (not self.end, f", as the epoch has no step ({self.samples} samples)"),
        ):
            head += text if more else ""
        verdict = "verified" if self.verified else "NOT verified"
        if self.begin:
            verdict += f" from position {self.begin} on"
        if self.partial:
            verdict += f" so far, {self.unread} positions are not read yet"
        return "\n  ".join([f"{head}: {verdict}", *map(str, self.problems[:20]), *map(str, self.masked[:20])])


def raised(report: Report) -> None:
    """Raise what a report finds."""
    if not report.verified:
        raise CorruptError(str(report), "report.problems has each; resume from a state before the first of them")
