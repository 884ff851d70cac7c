"""The table of all engines, and how far each is tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .contract import Engine, Variant

CHIPS = frozenset({"w1", "w2", "w3", "w5", "w6r2", "w6r4", "w6j2", "w7"})
WINDOWS = frozenset({"w4", "w4o", "w4t8"})
RAW = frozenset({"w1", "w2", "w5", "w6r2", "w6r4", "w7"})
PACKED = frozenset({"w3", "w6j2"})
ALL = CHIPS | WINDOWS
ALONE = ALL - {"w6r2", "w6r4", "w6j2"}  # engines that know nothing of ranks, or own their machine

# Huge pages for what torch allocates, and a heap that keeps what was freed: fresh pages for each batch of tens of
# megabytes are what costs most peers most.
HEAP = {
    "THP_MEM_ALLOC_ENABLE": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "MALLOC_ARENA_MAX": "1",
}
HUGE = {**HEAP, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def _plain(*workers: int, **options: Any) -> tuple[Variant, ...]:
    return tuple(Variant("plain", n, options) for n in workers)


def _tuned(env: Mapping[str, str] = HEAP, workers: int = 0, **options: Any) -> Variant:
    return Variant("tuned", workers, options, env)


def _limit(name: str, workloads: frozenset[str], **options: Any) -> Engine:
    return Engine(name, "limits", (Variant("limit", 0, options),), workloads)


def _resharder(name: str, module: str, workloads: frozenset[str], python: str = "peers", **folder: str) -> Engine:
    """A loader with a format of its own and a collation that can be replaced."""
    variants = (*_plain(0, 1, 2), _tuned(), _tuned(HUGE), _tuned(into=True), _tuned(HUGE, into=True))
    return Engine(name, module, variants, workloads, python, converts=folder["converts"])


LIMITS = (
    _limit("gather, 1 thread", ALL, what="gather"),
    _limit("gather, 2 threads", ALONE, what="gather", threads=2),
    _limit("c-blosc × cores", PACKED | WINDOWS, what="blosc"),
    _limit("memfd ring", ALONE, what="ring"),
    _limit("unix socket", ALONE, what="unix"),
    _limit("loopback TCP", ALONE, what="tcp"),
    _limit("sequential read", frozenset({"w7"}), what="disk"),
)

MAPPED = ALL - PACKED - {"w4o"}  # cut out, windows that overlap are several times the pixels
MADE = RAW & ALONE  # for formats of their own, which windows are cut out for; a peer or two of them do for those
REST = PACKED | WINDOWS

PEERS = (
    Engine("memmap + DataLoader", "loops", (*_plain(0, 1, 2), _tuned(), _tuned(HUGE)), MAPPED, converts="extracted"),
    Engine(
        "memmap, __getitems__ into one buffer",
        "loops",
        (_tuned({}, into=True), _tuned(into=True)),
        MAPPED,
        converts="extracted",
    ),
    Engine(
        "Grain, memmap",
        "grains",
        (
            *_plain(0),
            *_plain(0, threads=2),
            _tuned(threads=2),
            _tuned(HUGE, threads=2),
            _tuned(threads=1, into=True),
            _tuned(threads=2, into=True),
        ),
        MAPPED,
        converts="extracted",
    ),
    Engine(
        "Grain, ArrayRecord",
        "grains",
        (
            *_plain(0, format="arrayrecord"),
            _tuned(format="arrayrecord", threads=2),
            _tuned(HUGE, format="arrayrecord", threads=2, into=True),
        ),
        MADE,
        converts="arrayrecord",
    ),
    _resharder("LitData", "lightning", MADE | {"w4"}, converts="litdata"),
    _resharder("Mosaic Streaming", "mosaic", MADE, "mosaic", converts="mosaic"),
    _resharder("WebDataset", "tars", MADE, converts="webdataset"),
    Engine(
        "LanceDB",
        "lances",
        (
            *_plain(0, 1),
            _tuned(read=8, into=True),
            _tuned(HUGE, read=8, into=True),
            _tuned(HUGE, read=32, into=True),
        ),
        MADE,
        converts="lance",
    ),
    Engine("Lance, take", "lances", (_tuned({}, take=True), _tuned(HUGE, take=True)), MADE, converts="lance"),
    Engine("tensorstore", "tensorstores", (*_plain(0), _tuned(into=True), _tuned(HUGE, into=True)), REST),
    Engine(
        "tensorstore, all cached",
        "tensorstores",
        (_tuned(into=True, cache="all"), _tuned(HUGE, into=True, cache="all")),
        REST,
    ),
    Engine("tensorstore, a quarter cached", "tensorstores", (_tuned(HUGE, into=True, cache="part"),), WINDOWS),
    Engine(
        "zarrs",
        "arrays",
        (
            *_plain(0, codecs="zarrs"),
            _tuned(codecs="zarrs"),
            _tuned(HUGE, codecs="zarrs"),
            _tuned(HUGE, codecs="zarrs", into=True),
        ),
        REST,
    ),
    Engine(
        "zarr-python",
        "arrays",
        (*_plain(0, 2), _tuned(concurrency=4), _tuned(HUGE, concurrency=4, into=True)),
        REST,
    ),
    Engine("xbatcher / xarray", "xarrays", (*_plain(0, 2), _tuned(HUGE)), REST),
    Engine(
        "insitubatch",
        "insitu",
        (*_plain(0), _tuned(block_chunks=64), _tuned(HUGE, block_chunks=64, max_inflight=64)),
        PACKED,
    ),
    Engine("insitubatch, all in its pool", "insitu", (_tuned(pool_mb=8192), _tuned(HUGE, pool_mb=8192)), PACKED),
)


def _ours(transport: str, title: str) -> tuple[Engine, ...]:
    def engine(how: str, workloads: frozenset[str], **options: str) -> Engine:
        variant = Variant("ours", 0, {"transport": transport, **options})
        return Engine(f"{title}, {how}", "ours", (variant,), workloads, served=True)

    return (
        engine("all cached", ALL, cache="all"),
        engine("nothing cached", PACKED | WINDOWS, cache="none"),
        engine("a quarter cached", WINDOWS, cache="part"),
        engine("a quarter cached, window order", WINDOWS, cache="part", order="window"),
        engine("bytes codec, nothing cached", RAW, cache="none", codec="bytes"),
    )


OURS = (
    *_ours("ring", "ours-ring"),
    *_ours("http", "ours-http"),
    *_ours("flight", "ours-flight"),
    *_ours("stock", "pyarrow.flight, stock"),
)

ENGINES = (*LIMITS, *PEERS, *OURS)


def few(engine: Engine) -> tuple[Variant, ...]:
    """The first plain setting, without workers, and the last tuned one: where sweeps have always ended so far."""
    groups = {v.group: v for v in engine.variants if v.group != "plain"}
    plain = [v for v in engine.variants if v.group == "plain"][:1]
    return (*plain, *groups.values())


def chosen(workload: str, wanted: list[str]) -> list[Engine]:
    """The engines of a workload whose name holds one of the wanted words; all if none is wanted."""
    fitting = [e for e in ENGINES if workload in e.workloads]
    return [e for e in fitting if not wanted or any(word.lower() in e.name.lower() for word in wanted)]
