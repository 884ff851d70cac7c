"""The training loop's side of a stream: an iterable of batches that knows exactly where it stands."""

import operator
import os
import secrets
import warnings
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from . import _asked
from ._convert import converter, pinner
from ._iteration import Batch, Iteration
from ._prefetch import Prefetch, Steps, cut
from ._progress import Progress
from ._rank import topology
from ._receipts import Reading
from ._refusals import caller, refuse_batching, refuse_sampling, refuse_sharding, refuse_workers
from ._state import checked, whole
from ._transport import Choice
from .errors import CorruptError, InvalidError, PreconditionError
from .order import Plan, Tail
from .stats import Meter, Stats
from .symmetry import Augment
from .types import Planned, Spec, State
from .verify import Report, raised

if TYPE_CHECKING:
    from ._planned import Planner
    from .runs import Ledger

__all__ = ["Batch", "Loader"]

_BASE_ORDER = "base"
_READINGS = 8


class Loader:
    """Batches of one split of a dataset version, in an order that is a value.

    Iterating yields dicts. With N samples in the batch, T time slots, C bands and windows of H × W pixels::

        image     [N, T, C, H, W]  dtype of the cube, or float32: see ``loader.spec``
        valid     [N, T, H, W]     uint8, 1 where every requested band is observed
        image_20m, valid_20m       the same of each further resolution, in pixels of its own
        times     [N, T]           int64, µs since 1970 UTC; minimum int64 is padding
        label     [N, H, W]        dtype of the label set; absent without labels
        ids       list of N str    sample ids
        position  [N]              int64 position in the epoch; -1 is padding
        weight    [N]              float32, only with ``tail="pad"`` or ``on_error="mask"``: 1, or 0 for padding and
                                   for samples that are masked
        symmetry  [N]              uint8, only with ``augment``: how each is laid, see :mod:`terrapin.symmetry`

    Tensors are those of torch, JAX or TensorFlow, or NumPy arrays, on the received memory without a copy where
    possible; NumPy arrays are read-only. Batches are read ahead, by the server in shared memory or by a thread here;
    there are no worker processes.

    A loader has one position. An iteration begins where it stands: at the start of its epoch, or at the position
    of the state it was given. An iteration that is broken off does not move that beginning; after one that has handed
    out its last batch, the next is that of the next epoch. A newer iteration ends an older one, whose next step raises
    CanceledError.
    """

    def __init__(
        self,
        transports: Choice,
        dataset: str,
        *,
        split: str = "train",
        batch_size: int = 32,
        seed: int = 0,
        epoch: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        shuffle: bool | str = True,
        filter: str | Mapping[str, Any] | Literal[False] | None = None,
        weights: str | Mapping[str, Any] | Literal[False] | None = None,
        tail: Tail | None = None,
        dtype: Literal["float32"] | None = None,
        values: Literal["raw", "physical"] | None = None,
        normalise: bool | None = None,
        augment: Augment | None = None,
        on_error: Literal["refuse", "mask"] | None = None,
        order: str | None = None,
        tensors: Literal["torch", "numpy", "jax", "tensorflow"] = "numpy",
        patience: float = 5.0,
        receipts: "Ledger | None" = None,
        planner: "Planner | None" = None,
        run: str | None = None,
        audit: bool = False,
        progress: bool = False,
        pin_memory: bool = False,
    ) -> None:
        """Open a split; :meth:`terrapin.Client.loader` is the usual way here."""
        self._transports = transports
        self._receipts = receipts
        self._planner = planner
        dataset = _asked.dataset(dataset)
        named = run or os.environ.get("TERRAPIN_RUN")
        self._own_run = not named
        self.run: str = _asked.run(named) if named else f"{dataset.partition('@')[0]}-{secrets.token_hex(8)}"
        """Name of the run that receipts are kept under."""
        self._audit = audit
        self._readings: deque[Reading] = deque(maxlen=_READINGS)
        self.batch_size = _asked.batch_size(batch_size)
        self.rank, self.world_size = topology(
            None if rank is None else whole("rank", rank),
            None if world_size is None else _asked.world_size(world_size),
        )
        self._seed = _asked.seed(seed)
        self._live: weakref.ref[Iteration] | None = None
        self._handed: tuple[Reading, int] | None = None
        self._begin(_asked.epoch(epoch), 0)
        self._shuffle = _asked.shuffle(shuffle)
        self._patience = _asked.patience(patience)
        self._meter = Meter()
        self._shows = progress
        self._warned = False
        self._convert = converter(tensors)
        self._pin, why = pinner(tensors) if pin_memory else (None, "it was not asked for")
        self.pinned: bool = self._pin is not None
        """Whether batches are handed out in page-locked memory."""
        self.unpinned: str = why
        """Why they are not; empty where they are."""
        asked: dict[str, Any] = {"dataset": dataset, "split": split, "tail": tail, "filter": filter}
        asked["weights"] = _asked.weights(weights)
        asked |= {"dtype": dtype, "values": values, "normalise": normalise, "augment": augment, "on_error": on_error}
        asked["order"] = order
        request = {key: value for key, value in asked.items() if value is not None}
        # One sample per batch: the schema is the same, and no batch size is too large to ask.
        self.spec = Spec.from_metadata(transports.facts({**request, **self._ticket_tail(1)}))
        # From here on this loader means this very version, whatever is committed meanwhile.
        resolved = {"dataset": self.spec.dataset, "digest": self.spec.digest, "order": self.spec.order}
        self._request = {**request, **resolved}
        for key, canonical in (("filter", self.spec.filter), ("weights", self.spec.weights)):
            if canonical is not None:
                self._request[key] = canonical
        self._tail = tail
        self._steps_from(0)

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration reads, or the running one is in."""
        return self._epoch

    @property
    def seed(self) -> int:
        """Seed of the order."""
        return self._seed

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; setting the epoch the loader is in keeps its position."""
        refuse_sharding(caller())
        epoch = _asked.epoch(epoch)
        self._settle()
        if epoch != self._epoch:
            self._begin(epoch, 0)

    def __len__(self) -> int:
        """Steps of a whole epoch, the same on every rank."""
        return self._steps_from(0).steps

    def __iter__(self) -> Iterator[Batch]:
        refuse_workers()
        refuse_batching()
        self._settle()
        self._end_live()
        self._warn_of_nothing()
        for reading in self._readings:
            reading.flush()  # so that what was broken off is over before this begins
        self._position = self._start
        iteration = Iteration(self)
        self._live = weakref.ref(iteration)
        return iteration

    def __getitem__(self, index: int) -> Batch:
        """One sample of the base order (sorted by id), under the keys of a batch but without its first axis; with a
        filter, of those that it keeps, each once whatever its weight, and as it lies on the ground.

        ``ids`` is the sample's id and ``position`` its place; both stand alone, not in a list. Raises IndexError
        beyond the split.
        """
        refuse_sampling(caller())
        n = self.spec.samples
        index = operator.index(index)
        place = index + n if index < 0 else index
        if not 0 <= place < n:
            raise IndexError(f"sample {index} of a split of {n}")
        ticket = {**self._request, "tail": "short", "shuffle": False, "batch_size": 1, "start": place}
        ticket["weights"] = False
        for key in ("augment", "order"):
            ticket.pop(key, None)
        stream, _ = self._transports.open(ticket)
        try:
            arrays = stream.read()
        finally:
            stream.cancel()
        if arrays is None:
            raise CorruptError(f"the stream ended before sample {place}")
        return {
            name: column[0] if isinstance(column, list) else self._convert(column)[0] for name, column in arrays.items()
        } | {"position": int(arrays["position"][0])}

    def state_dict(self) -> State:
        """Where the loader stands after the batches it has delivered; the same on every rank, plain JSON values.

        The server is told that these batches were taken, so that receipts have no hole where a run resumes from the
        state; this waits ``patience`` seconds at most. Loading the state into a loader of the same dataset version and
        split goes on with the very next sample, with any batch size, rank and world size.
        """
        self._take()
        return self._state()

    def _state(self) -> State:
        return {
            "digest": self.spec.digest,
            "split": self.spec.split,
            "filter": self.spec.filter,
            "weights": self.spec.weights,
            "seed": self._seed,
            "epoch": self._epoch,
            "order": self._order,
            "position": self._position,
        }

    def load_state_dict(self, state: State) -> None:
        """Go where a state says; its seed and epoch replace this loader's.

        Raises ConflictError for the state of another dataset version, split, filter, weights or order, and
        InvalidError for something that is no state.
        """
        numbers = checked(state, self._state(), self.spec.samples, self.spec.dataset)
        self._seed = numbers["seed"]
        self._begin(numbers["epoch"], numbers["position"])

    def verify_epoch(
        self,
        epoch: int | None = None,
        *,
        pixels: int = 0,
        partial: bool = False,
        begin: int = 0,
        raises: bool = False,
    ) -> Report:
        """Compare what was seen of an epoch, by the server's receipts and this loader's own record, with the order.

        ``epoch``    default: the one that this loader read last
        ``pixels``   so many steps that were seen, drawn at random, are read again through the official Icechunk
                     library and compared with what the server serves now; with ``audit=True`` that is compared with
                     what was delivered, too
        ``partial``  what is not read yet is no problem, and the report says "so far"; so it is of an epoch that is
                     being read, by an iteration that has neither ended nor failed
        ``begin``    the position from which on the epoch has to be seen, where what is before was read under another
                     name: the ``position`` of the state that this run began with. The report says so
        ``raises``   raise CorruptError with the problems instead of returning them

        With a run that was given a name (``run=`` or TERRAPIN_RUN) all its ranks and restarts are laid together: every
        position must have been seen, and once, but for what was read again after a resume. Without, only what this
        loader read itself is looked at. Returns a :class:`terrapin.Report`; raises NotFoundError where there are no
        receipts. An epoch without a step has nothing to be seen, and is verified.
        """
        if self._receipts is None:
            raise PreconditionError("this loader keeps no receipts")
        if epoch is None:
            epoch = int(self._readings[-1].facts["epoch"]) if self._readings else self._epoch
        if not len(self):
            s = self.spec
            return Report(self.run, s.dataset, s.split, self._seed, epoch, samples=s.samples)
        running = self._running() and epoch == self._epoch
        if not self._steps_from(self._position).steps:
            self._take()
        for reading in self._readings:
            reading.flush()
        ticket = {**self._version(), "seed": self._seed, "epoch": epoch}
        rank = self.rank if self._own_run else None
        readings = [r for r in self._readings if r.facts["epoch"] == epoch and r.facts["seed"] == self._seed]
        report = self._receipts.verify(self.run, ticket, rank, readings, pixels, partial or running, begin)
        if raises:
            raised(report)
        return report

    def plan(self, step: int, epoch: int | None = None) -> Planned:
        """What this rank reads in a step, computed here by the client's own order: no pixels are read for it.

        ``step``   counts from 0 as ``enumerate(loader)`` does: from where the next iteration begins, or the running one
                   began, which is the start of the epoch unless a state was loaded
        ``epoch``  default: the one that the next iteration reads, or the running one is in; any other from its start

        The first call fetches the sample ids of the version, and later ones ask for nothing. The result has
        ``position`` ([N] int64, -1 is padding) and ``ids`` (list of N str, ``""`` is padding), those of that batch.
        Raises IndexError for a step that the epoch does not have, InvalidError for what is no whole number,
        UnsupportedError for an order that this client cannot compute, and UnavailableError where the server is away
        before the ids are there.
        """
        if self._planner is None:
            raise PreconditionError("this loader cannot ask for the samples of its version")
        step = whole("step", step)
        given = self._epoch if epoch is None else _asked.epoch(epoch)
        plan = self._steps_from(self._start if given == self._epoch else 0)
        if not 0 <= step < plan.steps:
            raise IndexError(f"step {step} of {plan.steps} from position {plan.start} of epoch {given}")
        ticket = {**self._version(), "order": self.spec.order, "seed": self._seed, "epoch": given}
        return self._planner.step(ticket, plan, step, self.rank)

    def stats(self) -> Stats:
        """How fast batches came, what part of the time the loop waited for them, and by which transport.

        Counted by this process, over the iteration that runs or ran last and over all; see :class:`terrapin.Stats`.
        """
        return self._meter.stats()

    def close(self) -> None:
        """End a running iteration and its thread; the loader can be iterated again."""
        self._end_live()

    def __repr__(self) -> str:
        s = self.spec
        return (
            f"<terrapin.Loader {s.dataset} {s.split}: {s.samples} samples, {len(self)} steps of {self.batch_size}, "
            f"seed {self._seed}, epoch {self._epoch}, position {self._position}>"
        )

    @property
    def _order(self) -> str:
        shuffle = self.spec.shuffle
        if isinstance(shuffle, str):
            return f"{self.spec.order}/{shuffle}"
        return self.spec.order if shuffle else _BASE_ORDER

    def _steps_from(self, start: int) -> Plan:
        try:
            return Plan(self.spec.samples, self.batch_size, self.world_size, start, self._tail)
        except ValueError as e:
            raise InvalidError(f"loader: {e}") from None

    def _warn_of_nothing(self) -> None:
        """Say once that an epoch has no step: a loop over it would do nothing, without a word."""
        if self._warned or len(self):
            return
        self._warned = True
        s = self.spec
        what, cure = f"{s.dataset} {s.split} has no samples", "commit a version whose split has some"
        if s.samples:
            what = (
                f"{s.dataset} {s.split} has {s.samples} samples, and a step of all ranks takes "
                f"{self.world_size * self.batch_size} ({self.world_size} × {self.batch_size}); the rest is dropped"
            )
            cure = "use a smaller batch_size, or tail='pad'"
        warnings.warn(f"an epoch of this loader has no step: {what} (cure: {cure})", stacklevel=3)

    def _version(self) -> dict[str, Any]:
        """Which samples, and how they are mixed, as the server resolved it."""
        s = self.spec
        ticket = {"dataset": s.dataset, "digest": s.digest, "split": s.split}
        return {**ticket, "filter": s.filter, "weights": s.weights, "shuffle": s.shuffle}

    def _ticket_tail(self, batch_size: int) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "epoch": self._epoch,
            "shuffle": self._shuffle,
            "batch_size": batch_size,
            "rank": self.rank,
            "world_size": self.world_size,
        }

    def _prefetch(self, plan: Plan) -> tuple[Prefetch, Reading | None]:
        ticket = {**self._request, **self._ticket_tail(self.batch_size)}
        reading = None
        if self._receipts is not None:
            reading = Reading(self._receipts.send, ticket, self._audit)
            self._readings.append(reading)
            ticket["run"] = self.run
        ticket |= cut(self.spec.pixel_bytes(self.batch_size))
        pinned = ("digest", self.spec.digest)
        steps = Steps(self._transports, ticket, plan, self.rank, pinned, self._patience, reading)
        return Prefetch(steps, prepare=self._pin), reading

    def _progress(self, plan: Plan) -> Progress | None:
        """What shows this epoch's progress, on the first rank alone."""
        if not self._shows or self.rank:
            return None
        what = f"{self.spec.dataset} {self.spec.split} epoch {self._epoch}"
        return Progress(what, plan.steps, self._meter.stats)

    def _take(self) -> None:
        """Acknowledge all that was handed out."""
        if self._handed is not None:
            reading, steps = self._handed
            reading.take(steps)
            reading.flush(self._patience)

    def _settle(self) -> None:
        """A loop may have had the last batch and not have asked whether there is another, as Lightning does not."""
        if self._position > self._start and not self._steps_from(self._position).steps:
            self._take()
            self._end_live()
            self._finished()

    def _finished(self) -> None:
        self._live = None
        self._begin(self._epoch + 1, 0)

    def _begin(self, epoch: int, position: int) -> None:
        if self._running():
            self._end_live()
        self._handed = None
        self._epoch, self._start, self._position = epoch, position, position

    def _end_live(self) -> None:
        live = self._live() if self._live else None
        self._live = self._handed = None
        if live is not None:
            live.end(superseded=True)

    def _running(self) -> bool:
        live = self._live() if self._live else None
        return live is not None and live.running

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_live": None,
            "_handed": None,
            "_readings": deque(maxlen=_READINGS),
            "_meter": Meter(),
        }
