"""The whole main job on real Sentinel-2 scenes, through the public client and command line only.

    run.py --binary bin/terrapin [--data FOLDER] [--out demo-out]

Without --data: the bundled sample, from scenes to a trained network and its predictions. With --data:
another folder of scenes is ingested and compared, pixel for pixel, by the official readers.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from steps import (
    DemoError,
    Server,
    Terrapin,
    clear,
    compare_on_disk,
    file_time,
    find_pattern,
    must,
    same_kind,
)

# icechunk warns on every local repository that two writers could meet; nothing writes here while it reads.
os.environ.setdefault("ICECHUNK_LOG", "error")

HERE = Path(__file__).resolve().parent
SAMPLE = HERE / "data"
sys.path.insert(0, str(HERE.parent / "clients/python/src"))

CUBE, LABELS, DATASET, MODEL = "s2-flanders", "cropland", "crops", "pixel-cnn-1"
LATE = "s2_20210401.tif"
STOP_EPOCH, STOP_STEP, EPOCHS = 3, 5, 14


class Demo:
    """One run of the demo in a folder of its own."""

    def __init__(self, binary: Path, out: Path) -> None:
        self.binary, self.out, self.data = binary.resolve(), out.resolve(), out.resolve() / "data"
        self.terrapin = Terrapin(self.binary, self.data)
        self.log = self.out / "server.log"
        self.lines: list[str] = []
        self.started = time.monotonic()
        clear(self.out)

    def say(self, line: str) -> None:
        """Print what a step did."""
        print(f"[{time.monotonic() - self.started:5.1f}s] {line}", flush=True)

    def serve(self) -> Server:
        return Server(self.binary, self.data, self.log)

    # Step 1: scenes.

    def ingest_sample(self) -> dict[str, Any]:
        scenes = sorted(SAMPLE.glob("s2_*.tif"))
        damaged = self.out / "s2_20211101.tif"
        whole = (SAMPLE / "s2_20211001.tif").read_bytes()
        damaged.write_bytes(whole[: len(whole) * 6 // 10])
        first = [f for f in scenes if f.name != LATE]
        self.terrapin("cube", "create", CUBE, "--like", scenes[0], "--chunk", "32", "--latency", "5h")
        pattern = ("--datetime-pattern", "s2_%Y%m%d")
        report = self.terrapin("ingest", CUBE, *first, damaged, *pattern, expect=1)
        must(len(report["accepted"]) == len(first), f"not all scenes were taken: {report}")
        must(len(report["rejected"]) == 1, f"the damaged scene was not refused: {report}")
        reason = report["rejected"][0]["reason"].split(":")[0].replace(str(damaged), "it")
        late = self.terrapin("ingest", CUBE, SAMPLE / LATE, *pattern)
        again = self.terrapin("ingest", CUBE, *scenes, *pattern)
        must(len(again["skipped"]) == len(scenes), f"scenes were taken twice: {again}")
        cube: dict[str, Any] = self.terrapin("cube", "show", CUBE)
        place = cube["times"].index(late["accepted"][0]["datetime"])
        self.say(f"ingested {len(scenes)} scenes of {len(cube['bands'])} bands into {CUBE}; a late one went in at")
        self.say(f"  place {place} of the time axis without rewriting a pixel")
        self.say(f"  refused {damaged.name}: {reason}")
        return cube

    # Step 2: labels.

    def import_labels(self) -> None:
        report = self.terrapin(
            "labels", "import", LABELS, SAMPLE / "labels_cropland.tif", SAMPLE / "fields.geojson",
            "--cube", CUBE, "--classes", SAMPLE / "classes.json",
        )  # fmt: skip
        self.say(f"labels {LABELS} {report['revision']}: a class raster and polygons, burned")

    # Step 3: a dataset version.

    def commit(self) -> dict[str, Any]:
        report: dict[str, Any] = self.terrapin("dataset", "commit", HERE / "recipe.yaml")
        again = self.terrapin("dataset", "commit", HERE / "recipe.yaml")
        must(not again["created"] and again["digest"] == report["digest"], "the digest is not stable")
        leak, samples = report["leakage"], report["samples"]
        must(leak["shared_pixels"] == 0, "splits share pixels")
        self.say(f"dataset {DATASET}@{report['version']} {report['digest'][:20]}…: " + ", ".join(
            f"{samples[s]} {s}" for s in ("train", "validate", "test")))  # fmt: skip
        self.say(f"  splits share {leak['shared_pixels']} pixels; {leak['dropped']} samples dropped")
        return report

    # Step 4: training, with an accident in the middle.

    def train(self, ref: str) -> tuple[dict[str, Any], Server]:
        server = self.serve()
        reference = self.out / "reference.json"
        self.trainer("hash", server, ref, "--epoch", STOP_EPOCH, "--out", reference)
        checkpoint, report = self.out / "checkpoint.pt", self.out / "training.json"
        weights = self.out / "weights.pt"
        files = ("--checkpoint", checkpoint, "--weights", weights, "--out", report)
        job = self.start("train", server, ref, "--epochs", EPOCHS, "--stop-at", f"{STOP_EPOCH}:{STOP_STEP}", *files)
        assert job.stdout is not None and job.stdin is not None
        saved = json.loads(job.stdout.readline() or "{}")
        must(saved.get("saved", False), "training ended before its checkpoint")
        server.stop(signal.SIGKILL)
        job.communicate("go on\n", timeout=120)
        must(job.returncode == 3, f"training outlived its server: exit {job.returncode}")
        server = self.serve()
        self.trainer("train", server, ref, "--epochs", EPOCHS, *files)
        expected = json.loads(reference.read_text())
        result: dict[str, Any] = json.loads(report.read_text())
        must(result["hashes"] == expected[STOP_STEP:], "batches after the restart differ")
        losses = result["losses"]
        must(losses[-1] < losses[0], "the loss did not fall")
        must(result["accuracy"] > result["majority"], "the network did not beat the majority class")
        self.say(f"trained {EPOCHS} epochs, batches from a server: loss {losses[0]:.3f} → {losses[-1]:.3f},")
        self.say(f"  accuracy on held-out blocks {result['accuracy']:.3f}, majority class "
                 f"{result['majority']:.3f}")  # fmt: skip
        self.say(f"  in epoch {STOP_EPOCH} the server was killed with -9 and the job ended; resumed at")
        self.say(f"  position {saved['state']['position']}, all {len(result['hashes'])} remaining "
                 "batches have the SHA-256 of an uninterrupted epoch")  # fmt: skip
        return result, server

    def start(self, task: str, server: Server, ref: str, *args: Any) -> subprocess.Popen[str]:
        command = [sys.executable, HERE / "train.py", task, "--url", server.urls["http"]]
        with self.log.open("a") as errors:
            return subprocess.Popen(
                [str(a) for a in (*command, "--dataset", ref, *args)],
                env=child_environment(), text=True, stderr=errors,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip

    def trainer(self, task: str, server: Server, ref: str, *args: Any) -> None:
        job = self.start(task, server, ref, *args)
        job.communicate(timeout=300)
        must(job.returncode == 0, f"train.py {task} ended with {job.returncode}; see {self.log}")

    # Step 5: predictions.

    def predict(self, client: Any, ref: str) -> dict[str, Any]:
        import torch

        from train import inputs, network

        spec = client.loader(ref, batch_size=1, tensors="numpy").spec
        weights = self.out / "weights.pt"
        bands = list(spec.bands)
        client.models.register(
            MODEL, framework="PyTorch", task="semantic-segmentation", dataset=ref, artifact=weights,
            inputs=[{"name": "series", "bands": bands}],
            classes=[{"value": v, "name": n} for v, n in spec.classes.items()],
        )  # fmt: skip
        model = network(spec.slots, len(bands), len(spec.classes))
        model.load_state_dict(torch.load(weights, weights_only=True))
        mean = np.array([s["mean"] for s in spec.statistics], np.float32)[:, None, None]
        std = np.array([s["std"] for s in spec.statistics], np.float32)[:, None, None]
        windows = 0
        with client.predictions(model=MODEL, dataset=ref, cube=CUBE, names=["cropland"]) as out:
            for w in client.cube(CUBE).windows(size=48, overlap=8, bands=bands):
                image = (np.asarray(w.image, np.float32) - mean) / std
                image *= np.asarray(w.valid, np.float32)[:, None]
                with torch.no_grad():
                    scores = model(inputs(torch.from_numpy(image)[None], torch.from_numpy(np.array(w.valid))[None]))
                out.write(w, scores[0].argmax(0).to(torch.uint8).numpy())
                windows += 1
        item: dict[str, Any] = out.item
        self.say(f"predicted {windows} windows and published them as one item, {item['id']}")
        return item

    # Step 6: find everything again.

    def find(self, urls: dict[str, str], item: dict[str, Any], ref: str) -> dict[str, Any]:
        import pystac_client

        api = pystac_client.Client.open(urls["stac"])
        scenes = list(api.search(collections=[CUBE], datetime="2021-04-01/2021-04-30").items())
        must(len(scenes) == 1, f"{len(scenes)} scenes of April 2021 found")
        dataset = api.get_collection("dataset-" + ref.replace("@", "-"))
        found = list(api.search(ids=[item["id"]]).items())
        must(len(found) == 1, "the prediction was not found")
        sources = [link.href for link in found[0].links if link.rel == "derived_from"]
        must(any(f"/collections/{CUBE}/items/" in href for href in sources), f"no scene in {sources}")
        must(any(f"/collections/{dataset.id}" in href for href in sources), "no dataset version there")
        must(any("/collections/models/items/" in href for href in sources), "no model there")
        for href in sources:
            must("stac_version" in api._stac_io.read_json(href), f"{href} is no STAC document")
        self.say(f"found scene {scenes[0].id}, {dataset.id} and the prediction by pystac-client, and")
        self.say(f"  walked its {len(sources)} links back to scenes, dataset version and model")
        served: dict[str, Any] = found[0].to_dict()
        return served


def child_environment() -> dict[str, str]:
    source = str(HERE.parent / "clients/python/src")
    return os.environ | {"PYTHONPATH": os.pathsep.join([source, str(HERE)])}


def other_folder(demo: Demo, folder: Path) -> None:
    """Steps 1 and 7 on another folder of scenes."""
    scenes = same_kind(folder)
    pattern = find_pattern(scenes)
    names = ",".join(f"b{i + 1}" for i in range(band_count(scenes[0])))
    unnamed = () if band_names(scenes[0]) else ("--bands", names)
    demo.terrapin("cube", "create", "scenes", "--like", scenes[0], *unnamed)
    report = demo.terrapin("ingest", "scenes", *scenes, "--datetime-pattern", pattern, *unnamed)
    demo.say(f"ingested {len(report['accepted'])} scenes of {folder} (times by {pattern})")
    cube = demo.terrapin("cube", "show", "scenes")
    times = {file_time(f, pattern): f for f in scenes}
    count, values = compare_on_disk(cube, {t: f for t, f in times.items() if t})
    demo.say(f"icechunk + zarr + xarray agree with {count} GeoTIFFs in {values:,} values")
    print(f"\nthe cube: {cube['location']}\nnext: bin/terrapin cube show scenes --data {demo.data}")


def band_count(path: Path) -> int:
    import rasterio

    with rasterio.open(path) as src:
        return int(src.count)


def band_names(path: Path) -> bool:
    import rasterio

    with rasterio.open(path) as src:
        return all(src.descriptions)


def whole_job(demo: Demo) -> None:
    import terrapin
    from summary import draw

    cube = demo.ingest_sample()
    demo.import_labels()
    report = demo.commit()
    ref = f"{DATASET}@{report['version']}"
    result, server = demo.train(ref)
    client = terrapin.connect(server.urls["http"])
    item = demo.predict(client, ref)
    item = demo.find(server.urls, item, ref)
    draw(client, CUBE, ref, item, result, demo.out / "summary.png")
    must(server.stop() == 0, "the server did not drain and exit 0")
    scenes = {file_time(f, "%Y%m%d"): f for f in sorted(SAMPLE.glob("s2_*.tif"))}
    count, values = compare_on_disk(cube, {t: f for t, f in scenes.items() if t})
    demo.say(f"with no server, icechunk + zarr + xarray agree with {count} GeoTIFFs: {values:,} values")
    check = demo.terrapin("store", "fsck")
    must(check["ok"], f"store fsck found problems: {check['problems']}")
    dataset = "dataset-" + ref.replace("@", "-")
    print(f"""
picture   {demo.out}/summary.png
cube      {cube["location"]}
next      make demo-serve        then open http://127.0.0.1:8080/
          (predictions at /collections/{item["collection"]}/items, the dataset at /collections/{dataset})""")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="another folder of scenes: steps 1 and 7 only")
    parser.add_argument("--out", type=Path, default=HERE.parent / "demo-out")
    options = parser.parse_args()
    demo = Demo(options.binary, options.out)
    try:
        if options.data:
            other_folder(demo, options.data)
        else:
            whole_job(demo)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of icechunk that outlive the interpreter now and then crash it
