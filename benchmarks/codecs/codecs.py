"""Chunk codecs: cube/zarr beside c-blosc through numcodecs, the same bytes, one run, interleaved.

    codecs.py [--seconds 1.0] [--rounds 5] [--threads 1,2] [--clock cpu|wall] [--cgo] [--profile DIR]

Data: windows of 256² pixels of real Sentinel-2 and Landsat 8 scenes, none twice, nine as the bands of one chunk
(1, 9, 256, 256) of uint16. Every round measures each engine in turn, decoding (or encoding) all
chunks from memory into one reused buffer per thread. Ratios of medians are what counts; GB are of decoded data,
seconds are of processor time per thread, which other work on the machine disturbs least, or of the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numcodecs
import numpy as np
import rasterio

TOP = Path(__file__).resolve().parents[2]
# Sentinel-2 and Landsat 8 scenes of 1093² to 2667² pixels, from the collection of real files beside the repository.
SOURCES = (
    "scenes/s2-60m-rasterframes/B01_cog.tif",
    "scenes/l8-greenland-xrspatial/LC80030172015001LGN00_B4.tiff",
    "cogs/rio-tiler/cog.tif",
)
EDGE, BANDS = 256, 9
CHAINS: dict[str, dict[str, Any]] = {
    "blosc zstd 5 shuffle": {"cname": "zstd", "clevel": 5, "shuffle": 1},
    "blosc zstd 3 bitshuffle": {"cname": "zstd", "clevel": 3, "shuffle": 2},
    "blosc lz4 5 shuffle": {"cname": "lz4", "clevel": 5, "shuffle": 1},
}
SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")


def make_chunks(data: Path) -> list[np.ndarray]:
    """Windows of 256² real pixels, none twice, nine of neighbouring places as the bands of a chunk."""
    windows = []
    for name in SOURCES:
        with rasterio.open(data / name) as src:
            pixels = src.read(1)
        for row in range(0, pixels.shape[0] - EDGE + 1, EDGE):
            for col in range(0, pixels.shape[1] - EDGE + 1, EDGE):
                window = pixels[row : row + EDGE, col : col + EDGE]
                if (window == 0).mean() < 0.02:
                    windows.append(window.astype("<u2"))
    return [np.stack(windows[i : i + BANDS])[None] for i in range(0, len(windows) - BANDS + 1, BANDS)]


def write(folder: Path, config: dict[str, Any], chunks: list[np.ndarray]) -> numcodecs.Blosc:
    """Put the raw and encoded chunks and the metadata where the Go program finds them."""
    codec = numcodecs.Blosc(**config)
    folder.mkdir()
    blosc = {
        "cname": config["cname"],
        "clevel": config["clevel"],
        "shuffle": SHUFFLES[config["shuffle"]],
        "typesize": 2,
        "blocksize": 0,
    }
    shape = list(chunks[0].shape)
    (folder / "zarr.json").write_text(
        json.dumps(
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": shape,
                "data_type": "uint16",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
                "chunk_key_encoding": {"name": "default"},
                "fill_value": 0,
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "blosc", "configuration": blosc},
                ],
            }
        )
    )
    for i, chunk in enumerate(chunks):
        (folder / f"{i:02}.raw").write_bytes(chunk.tobytes())
        (folder / f"{i:02}.enc").write_bytes(codec.encode(chunk))
    return codec


class Ours:
    """The Go program, asked for one measurement at a time."""

    def __init__(self, name: str, binary: Path, clock: str) -> None:
        self.name, self.clock = name, clock
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self, **request: Any) -> tuple[float, int, int]:
        """Return GB/s, decoded bytes and stored bytes."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended")
        a = json.loads(line)
        seconds = a["cpu"] / request["threads"] if self.clock == "cpu" else a["seconds"]
        return a["bytes"] / seconds / 1e9, a["bytes"], a["stored"]


def c_blosc(
    codec: numcodecs.Blosc, op: str, raw: list[np.ndarray], enc: list[bytes], threads: int, seconds: float, clock: str
) -> tuple[float, int, int]:
    """The same loop with numcodecs, which lets other threads run while it works."""
    totals: list[tuple[int, int]] = []
    start, cpu = time.perf_counter(), time.process_time()

    def loop() -> None:
        out = np.empty_like(raw[0])
        done = stored = 0
        while time.perf_counter() < start + seconds:
            for i in range(len(raw)):
                if op == "encode":
                    stored += len(codec.encode(raw[i]))
                else:
                    codec.decode(enc[i], out=out)
                done += out.nbytes
        totals.append((done, stored))

    workers = [threading.Thread(target=loop) for _ in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    elapsed = time.perf_counter() - start
    if clock == "cpu":
        elapsed = (time.process_time() - cpu) / threads
    done = sum(t[0] for t in totals)
    return done / elapsed / 1e9, done, sum(t[1] for t in totals)


def build(folder: Path, tags: list[str]) -> Path:
    binary = folder / ("codecs" + "-".join(tags))
    subprocess.run(["go", "build", "-tags", ",".join(tags), "-o", binary, "./benchmarks/codecs"], cwd=TOP, check=True)
    return binary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--cgo", action="store_true", help="measure the build tag cgo_codecs too (needs libzstd-dev)")
    parser.add_argument("--profile", type=Path, help="write a CPU profile of our decoding per chain here")
    parser.add_argument("--data", type=Path, default=TOP.parent / "shared/data", help="the collection of real files")
    options = parser.parse_args()
    numcodecs.blosc.use_threads = False
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        engines = [Ours("go", build(folder, []), options.clock)] + (
            [Ours("cgo_codecs", build(folder, ["cgo_codecs"]), options.clock)] if options.cgo else []
        )
        chunks = make_chunks(options.data)
        print(
            f"{len(chunks)} chunks (1, {BANDS}, {EDGE}, {EDGE}) uint16, c-blosc {numcodecs.blosc.VERSION_STRING}, "
            f"{os.cpu_count()} cores, median of {options.rounds}"
        )
        print(
            f"{'chain':26}{'op':8}{'thr':>4}{'c-blosc GB/s':>14}"
            + "".join(f"{e.name + ' ÷ c-blosc':>24}" for e in engines)
            + "   size: c-blosc, ours"
        )
        for n, (name, config) in enumerate(CHAINS.items()):
            where = folder / str(n)
            codec = write(where, config, chunks)
            enc = [(where / f"{i:02}.enc").read_bytes() for i in range(len(chunks))]
            for op in ("decode", "encode"):
                if op == "encode" and config["shuffle"] == 2:
                    continue
                for threads in map(int, options.threads.split(",")):
                    rates: list[list[float]] = [[] for _ in range(1 + len(engines))]
                    sizes = [0.0] * (1 + len(engines))
                    for _ in range(options.rounds):
                        for k, engine in enumerate([None, *engines]):
                            if engine is None:
                                rate, done, stored = c_blosc(
                                    codec, op, chunks, enc, threads, options.seconds, options.clock
                                )
                            else:
                                rate, done, stored = engine.measure(
                                    dir=str(where), op=op, threads=threads, seconds=options.seconds
                                )
                            rates[k].append(rate)
                            sizes[k] = stored / done
                    base = median(rates[0])
                    row = f"{name:26}{op:8}{threads:4}{base:14.2f}"
                    for k, _ in enumerate(engines):
                        row += f"{median(rates[k + 1]) / base:24.2f}"
                    print(row + ("   " + ", ".join(f"{s:.3f}" for s in sizes) if op == "encode" else ""), flush=True)
            if options.profile:
                options.profile.mkdir(exist_ok=True)
                engines[0].measure(
                    dir=str(where), op="decode", threads=1, seconds=3, profile=str(options.profile / f"{n}.pprof")
                )
            engines[0].measure(dir=str(where), op="decode", threads=1, seconds=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
