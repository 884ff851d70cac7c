"""The way in: connect to a server, or open a data directory or bucket, and ask for what it holds."""

import atexit
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from ._flight import Connection, Flight
from ._http import Http
from ._local import Server, attach_or_start
from ._planned import Planner
from ._transport import Choice, Name
from ._verbs import Document, StrPath, Verbs, given
from .cubes import Cube
from .datasets import Dataset
from .errors import InvalidError, UnsupportedError
from .loader import Loader
from .models import Models
from .order import Tail
from .predictions import Predictions
from .runs import Ledger
from .symmetry import Augment
from .verify import Report, raised

__all__ = ["Client", "connect", "open"]

_WILDCARDS = {"0.0.0.0", "::", ""}


def connect(url: str, *, actor: str | None = None, transport: Name | None = None) -> "Client":
    """Connect to a running server by its HTTP address, such as ``http://localhost:8080``.

    ``actor`` is recorded with every write; default: TERRAPIN_USER, else the user of the operating system.
    ``transport`` is how batches come: ``ring`` (memory shared with a server on this machine, nothing is copied),
    ``http`` (raw arrays over HTTP/1.1) or ``flight`` (Arrow Flight); default: the first of these that works. The
    address may name it, too: ``http://localhost:8080#flight``.
    Raises UnavailableError when nothing listens there and InvalidError when it is something else than Terrapin.
    """
    url, _, fragment = url.partition("#")
    return Client(Http(url, actor), transport=transport or fragment or None)


def open(path: StrPath, *, binary: str | None = None, actor: str | None = None) -> "Client":
    """Open a data directory, or ``s3://bucket/prefix?endpoint=…``: attach to the server that holds it, or start one
    and stop it again on close.

    The program is ``binary``, else TERRAPIN_BIN, else ``terrapin`` on PATH. Use the result as a context manager, or
    call :meth:`Client.close`. A server started here ends with the block, also on an exception; if this process is
    killed outright, the server stays and the next ``open`` attaches to it.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise InvalidError(f"open {path!r}: no path", 'give the folder of a data directory, such as "./terrapin-data"')
    endpoints, server = attach_or_start(path, binary)
    try:
        return Client(Http(str(endpoints["http"]), actor), server)
    except BaseException:
        if server:
            server.stop()
        raise


class Client(Verbs):
    """One server: its datasets, cubes, models and predictions. Safe to share between threads.

    It may be pickled and carried through forks; only the process that started a server stops it.
    """

    def __init__(self, http: Http, server: Server | None = None, transport: str | None = None) -> None:
        """Use :func:`terrapin.connect` or :func:`terrapin.open`."""
        self._http = http
        self._transport = transport
        self._server = server
        self._closing = threading.Lock()
        about = http.get_json("v1/server", timeout=10)
        if not isinstance(about, dict) or "flight" not in about:
            raise InvalidError(
                f"{http.url} is not a Terrapin server", "give the HTTP address that `terrapin serve` prints"
            )
        self._about = about
        self.version: str = str(about.get("version", ""))
        """Version of the server."""
        self.stac: str = _reachable(str(about.get("stac") or http.url + "/"), http.url)
        """Root of the STAC API, for pystac-client and browsers."""
        self.flight: str = _reachable(str(about["flight"]), http.url)
        """Address of Arrow Flight, for stock clients."""
        self._choice = Choice(http, about, Flight(self._connection, self.flight), transport)
        if server:
            atexit.register(server.stop)

    @property
    def url(self) -> str:
        """HTTP address of the server."""
        return self._http.url

    def loader(
        self,
        dataset: str,
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
        tensors: Literal["torch", "numpy", "jax", "tensorflow"] | None = None,
        patience: float = 5.0,
        run: str | None = None,
        audit: bool = False,
        progress: bool = False,
        pin_memory: bool = False,
    ) -> Loader:
        """Stream one split of a dataset version as training batches; see :class:`terrapin.Loader` for their form.

        ``dataset``      ``NAME@vN``, or ``NAME`` for its newest version, which stays pinned from here on
        ``batch_size``   samples per batch and rank
        ``seed, epoch``  with the version's digest they decide the order, bit for bit
        ``rank, world_size``  this process's part; from torch.distributed where it is initialised
        ``shuffle``      True is what the version fixes, ``uniform`` or ``window:2GiB`` is just that: groups of samples
                         that share a chunk are mixed, and samples within so many decoded bytes; False is the base
                         order: sorted by sample id
        ``filter``       keep the samples for which this CQL2 is true, as text or as its JSON, such as
                         ``class = 'maize' AND labelled > 0.5``; an unknown property raises and names those there are.
                         None is the recipe's, if any, in ``train``; False is none
        ``weights``      ``class_balanced``, a number that samples have, or ``{"class": {"maize": 2, "wheat": 0.5}}``
                         (by name or value; other classes weigh 1): samples come more or less often in proportion, as
                         many positions as there are samples kept. None and False as with ``filter``
        ``tail``         the last samples that do not fill a step: ``short`` (a smaller batch; default for one rank),
                         ``drop`` (default for several) or ``pad`` (full batches with ``weight`` 0)
        ``dtype``        ``float32``: the server converts images, whatever else is done to their numbers
        ``values``       ``raw`` (the stored numbers) or ``physical`` (scale and offset of each scene applied), instead
                         of what the version fixes
        ``normalise``    whether mean and standard deviation of the training split are applied, instead of what the
                         version fixes; they are statistics of the version's own ``values``
        ``augment``      ``flips`` (mirror images) or ``d4`` (also rotations): each position of each epoch has its own,
                         done alike to images, ``valid`` and ``label``, and told in ``symmetry``
        ``on_error``     ``refuse``: a damaged chunk ends the iteration with CorruptError. ``mask``: its samples come
                         with ``weight`` 0 and ``valid`` 0, up to 1,000 of them, and are told by ``verify_epoch``
        ``order``        algorithm of the order, such as ``terrapin-order-2``, instead of that which the version was
                         committed with: to go on with what began under it
        ``tensors``      ``torch``, ``numpy``, ``jax`` or ``tensorflow``; default: ``torch`` where the program has
                         imported it already, else ``numpy``
        ``patience``     seconds to wait for a server that went away before giving up; it goes on exactly where it was

        ``run``          name under which the server keeps receipts of what was taken; give all ranks and restarts of
                         a job the same (default: TERRAPIN_RUN, else a name of the loader's own, see ``loader.run``)
        ``audit``        keep checksums of what is delivered, for ``loader.verify_epoch(pixels=…)``
        ``progress``     show on stderr how far the epoch is and how fast: a line that is redrawn on a terminal, else
                         one every ten seconds; the first rank alone does
        ``pin_memory``   copy batches, in a thread, into page-locked memory of torch's, so that
                         ``.to("cuda", non_blocking=True)`` does not wait. Without a CUDA device nothing changes, and
                         ``loader.unpinned`` says so

        Raises NotFoundError for an unknown dataset, version or split (it says which exist), and InvalidError or
        PreconditionError for values that mean nothing (it says why).
        """
        has_torch = "torch" in sys.modules
        kind: type[Loader] = Loader
        if has_torch or tensors == "torch":
            try:
                from .torch import TorchLoader
            except ImportError as e:
                raise UnsupportedError(
                    f'tensors="torch" needs PyTorch: {e}', "pip install 'terrapin[torch]', or use tensors=\"numpy\""
                ) from None
            kind = TorchLoader
        return kind(
            self._transports(),
            dataset,
            split=split,
            batch_size=batch_size,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            shuffle=shuffle,
            filter=filter,
            weights=weights,
            tail=tail,
            dtype=dtype,
            values=values,
            normalise=normalise,
            augment=augment,
            on_error=on_error,
            order=order,
            tensors=tensors or ("torch" if has_torch else "numpy"),
            patience=patience,
            receipts=self._ledger if self._about.get("receipts") else None,
            planner=Planner(self),
            run=run,
            audit=audit,
            progress=progress,
            pin_memory=pin_memory,
        )

    def runs(self) -> Document:
        """The runs that the server keeps receipts of, those heard of last first, and what it has dropped."""
        document: Document = self._http.get_json("v1/runs")
        return document

    def run(self, name: str) -> Document:
        """What a run has seen: ``{"run", "sessions"}``, each with its ticket and how much of it was acknowledged.

        :meth:`seen` lists the samples. Raises NotFoundError for a name without receipts.
        """
        return self._ledger.run(name)

    def seen(self, session: str) -> Iterator[Document]:
        """The samples that a session acknowledged: ``{"step", "position", "id"}`` in order, fetched page by page."""
        return self._ledger.seen(session)

    def verify_epoch(
        self,
        run: str,
        epoch: int | None = None,
        *,
        dataset: str | None = None,
        split: str | None = None,
        seed: int | None = None,
        pixels: int = 0,
        partial: bool = False,
        begin: int = 0,
        raises: bool = False,
    ) -> Report:
        """Compare what a run has seen of an epoch, over all its ranks and restarts, with the order.

        Where the run has read several things, ``epoch``, ``dataset``, ``split`` and ``seed`` say which is meant;
        for the rest see :meth:`terrapin.Loader.verify_epoch`. Raises NotFoundError where there are no receipts.
        """
        wanted = given(epoch=epoch, dataset=dataset, split=split, seed=seed)
        report = self._ledger.verify(run, wanted, None, (), pixels, partial, begin)
        if raises:
            raised(report)
        return report

    def dataset(self, name: str) -> Dataset:
        """A dataset version, ``NAME@vN`` or ``NAME`` for the newest. Raises NotFoundError (it says which exist)."""
        return Dataset(self, name)

    def cube(self, name: str) -> Cube:
        """A cube by name. Raises NotFoundError (it says which exist)."""
        return Cube(self, name)

    @property
    def models(self) -> Models:
        """The registered models."""
        return Models(self)

    def predictions(
        self,
        *,
        model: str,
        dataset: str | None = None,
        cube: str | None = None,
        names: Sequence[str] | None = None,
        run: str | None = None,
        bounds: Sequence[float] | None = None,
    ) -> Predictions:
        """Write a model's predictions back; a context manager, see :class:`terrapin.Predictions`.

        ``model``    id of a registered model
        ``dataset``  the version it was trained on, ``NAME@vN``; default: what the model says
        ``cube``     the cube that was read; default: that of the first window written
        ``names``    names of the K bands of the prediction; default: what the model says, else ``prediction``
        ``run``      id of the run; default: derived from everything else, so that repeating is idempotent
        ``bounds``   min x, min y, max x, max y in the cube's CRS of the area predicted; default: the whole cube
        """
        return Predictions(self, model=model, dataset=dataset, cube=cube, names=names, run=run, bounds=bounds)

    def close(self) -> None:
        """Let go of what waits to be used again, and stop the server if this client started it.

        Closing twice does nothing.
        """
        self._choice.close()
        with self._closing:
            server, self._server = self._server, None
        if server:
            atexit.unregister(server.stop)
            server.stop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<terrapin.Client {self.url}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy elsewhere reaches the same server, and never stops it.
        return _reconnect, (self.url, self._http.actor, self._transport)

    def _transports(self) -> Choice:
        return self._choice

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self)

    def _connection(self) -> Connection:
        return Connection(self.flight, self._http.actor)


def _reconnect(url: str, actor: str, transport: Name | None) -> Client:
    return connect(url, actor=actor, transport=transport)


def _reachable(address: str, http: str) -> str:
    """A server that listens on every address is reached at the one it was connected by."""
    parts, host = urlsplit(address), urlsplit(http).hostname or "localhost"
    if (parts.hostname or "") not in _WILDCARDS:
        return address
    host = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))
