"""Train a small network on a dataset version, as a training job of one's own would.

Run by demo/run.py as a process of its own, so that it can end in the middle of an epoch and a new one
can take over:

    train.py hash   --url URL --dataset crops@v1 --epoch 3 --out FILE     SHA-256 of every batch
    train.py train  --url URL --dataset crops@v1 --epochs 12 --checkpoint FILE [--stop-at EPOCH:STEP]

With --stop-at it saves model, optimiser and loader state at that step, prints one line and waits for a
line on standard input; the server is killed meanwhile. Started again, it goes on from the checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import terrapin

SEED = 7
BATCH = 8
IGNORE = 255


def network(slots: int, bands: int, classes: int) -> nn.Module:
    """A pixel's time series in, class scores out: [N, T*C + T, H, W] to [N, K, H, W]."""
    return nn.Sequential(
        nn.Conv2d(slots * bands + slots, 48, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(48, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, classes, kernel_size=1),
    )


def inputs(image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Normalised image [N,T,C,H,W] and its validity [N,T,H,W] as channels; invalid pixels are 0."""
    return torch.cat([image.float().flatten(1, 2), valid.float()], dim=1)


def digest(batch: dict[str, Any]) -> str:
    """SHA-256 of everything a batch holds."""
    sum_ = hashlib.sha256()
    for name in ("image", "valid", "times", "label", "position"):
        sum_.update(np.ascontiguousarray(np.asarray(batch[name])).tobytes())
    sum_.update("\n".join(batch["ids"]).encode())
    return sum_.hexdigest()


def hash_epoch(options: argparse.Namespace) -> None:
    """Write the SHA-256 of every batch of an uninterrupted epoch."""
    client = terrapin.connect(options.url)
    loader = client.loader(options.dataset, split="train", batch_size=BATCH, seed=SEED)
    loader.set_epoch(options.epoch)
    Path(options.out).write_text(json.dumps([digest(batch) for batch in loader]))


def accuracy(model: nn.Module, client: terrapin.Client, dataset: str) -> tuple[float, float]:
    """Share of right pixels on the held-out blocks, and that of always saying the majority class."""
    right = total = 0
    votes = torch.zeros(256, dtype=torch.long)
    with torch.no_grad():
        for split in ("validate", "test"):
            for batch in client.loader(dataset, split=split, batch_size=BATCH, shuffle=False):
                label = batch["label"].long()
                known = label != IGNORE
                guess = model(inputs(batch["image"], batch["valid"])).argmax(1)
                right += int((guess[known] == label[known]).sum())
                total += int(known.sum())
                votes += torch.bincount(label[known], minlength=256)
    return right / total, int(votes.max()) / total


def train(options: argparse.Namespace) -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    client = terrapin.connect(options.url)
    loader = client.loader(options.dataset, split="train", batch_size=BATCH, seed=SEED)
    spec = loader.spec
    model = network(spec.slots, len(spec.bands), len(spec.classes))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    report: dict[str, Any] = {"losses": [], "hashes": []}
    checkpoint = Path(options.checkpoint)
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        loader.load_state_dict(saved["loader"])
        report["losses"], first = saved["losses"], saved["loader"]["epoch"]
    stop = tuple(int(n) for n in options.stop_at.split(":")) if options.stop_at else (-1, -1)

    for epoch in range(first, options.epochs):
        losses = []
        for step, batch in enumerate(loader):
            if epoch == first:
                report["hashes"].append(digest(batch))
            label = batch["label"].long()
            loss = nn.functional.cross_entropy(
                model(inputs(batch["image"], batch["valid"])), label, ignore_index=IGNORE
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
            if (epoch, step + 1) == stop:
                torch.save(
                    {
                        "model": model.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "loader": loader.state_dict(),
                        "losses": report["losses"],
                    },
                    checkpoint,
                )
                print(json.dumps({"saved": True, "state": loader.state_dict()}), flush=True)
                sys.stdin.readline()
        report["losses"].append(sum(losses) / len(losses))

    report["accuracy"], report["majority"] = accuracy(model, client, options.dataset)
    torch.save(model.state_dict(), options.weights)
    Path(options.out).write_text(json.dumps(report))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("hash", "train"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--out", required=True, help="file for the JSON report")
    parser.add_argument("--epoch", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--checkpoint", default="checkpoint.pt")
    parser.add_argument("--weights", default="weights.pt")
    parser.add_argument("--stop-at", default="", metavar="EPOCH:STEP")
    options = parser.parse_args()
    try:
        hash_epoch(options) if options.task == "hash" else train(options)
    except terrapin.UnavailableError as error:
        print(f"train: the server went away: {error}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
