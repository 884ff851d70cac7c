"""The laws of the order, over Flight, against the client's own implementation of its spec."""

import hashlib

import numpy as np
import pytest

import terrapin
from terrapin.order import DrawnOrder, Order, balanced, blocks


def base(tp: terrapin.Client, split: str) -> list[str]:
    table = tp.dataset("crops@v1").manifest()
    pairs = zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True)
    return sorted(i for i, s in pairs if s == split)


def ids(loader: terrapin.Loader) -> list[str]:
    return [i for batch in loader for i in batch["ids"]]


def test_what_began_under_another_order_goes_on_under_it(served: terrapin.Client) -> None:
    asked = {"batch_size": 8, "seed": 3, "weights": "row", "tensors": "numpy"}
    old, new = served.loader("crops@v1", order="terrapin-order-2", **asked), served.loader("crops@v1", **asked)
    assert (old.spec.order, new.spec.order) == ("terrapin-order-2", "terrapin-order-3")
    whole = ids(served.loader("crops@v1", order="terrapin-order-2", **asked))
    assert sorted(old[0]) == sorted(new[0])
    for _ in zip(range(2), old, strict=False):
        pass
    with pytest.raises(terrapin.ConflictError, match="order="):
        new.load_state_dict(old.state_dict())
    resumed = served.loader("crops@v1", order="terrapin-order-2", **asked)
    resumed.load_state_dict(old.state_dict())
    assert ids(resumed) == whole[16:] != ids(new)[16:]
    with pytest.raises(terrapin.TerrapinError, match="terrapin-order-1"):
        served.loader("crops@v1", order="terrapin-order-2", tensors="numpy")


@pytest.mark.parametrize("split", ["train", "validate", "test"])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 1), (1, 0), (2**64 - 1, 2**40)])
def test_the_server_streams_the_order_of_the_spec(served: terrapin.Client, split: str, seed: int, epoch: int) -> None:
    loader = served.loader("crops@v1", split=split, batch_size=7, seed=seed, epoch=epoch, tensors="numpy")
    sorted_ids = base(served, split)
    order = Order(loader.spec.digest, split, len(sorted_ids), seed=seed, epoch=epoch)
    assert ids(loader) == [sorted_ids[p] for p in order]
    assert loader.epoch == epoch + 1


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("weights", [None, "class_balanced", "row"])
@pytest.mark.parametrize("shuffle", ["uniform", False, "window:300KiB", "window:2GiB"])
def test_drawn_orders_are_those_of_the_spec(
    served: terrapin.Client, filtered: bool, weights: str | None, shuffle: str | bool
) -> None:
    """Everything recomputed from the manifest: what a filter keeps, the weights, the groups of storage."""
    plain = served.loader("crops@v1", tensors="numpy").spec
    name = plain.classes[max(plain.classes)]
    text = f"row >= 30 AND class:{name} > 0.25" if filtered else None
    loader = served.loader(
        "crops@v1", batch_size=7, seed=8, epoch=3, filter=text, weights=weights, shuffle=shuffle, tensors="numpy"
    )
    samples = [s for s in served.dataset("crops@v1").manifest().to_pylist() if s["split"] == "train"]
    samples.sort(key=lambda s: s["id"])
    kept = list(range(len(samples)))
    if filtered:
        value = max(plain.classes)
        kept = [
            i
            for i, s in enumerate(samples)
            if s["row"] >= 30
            and sum(c["pixels"] for c in s["label_counts"] if c["value"] == value) / (s["height"] * s["width"]) > 0.25
        ]
    assert kept
    facts, groups, touched = loader.spec.metadata, [], 0
    if isinstance(shuffle, str) and shuffle != "uniform":
        place = [[samples[i][key] for i in kept] for key in ("cell", "row", "col")]
        sizes = {"edge": facts["chunk"], "size": facts["size"], "group_bytes": facts["group_bytes"]}
        laid = blocks(kept, *place, shuffle=shuffle, **sizes)
        kept, groups, touched = laid.kept, laid.groups, laid.touched
        assert sum(groups) == len(kept)
    weight = None
    if weights == "row":
        weight = [float(samples[i]["row"]) for i in kept]
    elif weights:
        weight = balanced([samples[i]["class"] for i in kept])
    if text is None and weights is None and not groups:
        order = Order(plain.digest, "train", len(kept), seed=8, epoch=3, shuffle=bool(shuffle))
    else:
        order = DrawnOrder(
            plain.digest,
            "train",
            kept,
            weight=weight,
            groups=groups,
            touched=touched,
            group_bytes=facts["group_bytes"],
            filter=loader.spec.filter or "",
            weights=weights or "",
            shuffle=shuffle or "base",
            seed=8,
            epoch=3,
        )
    assert ids(loader) == [samples[i]["id"] for i in order]


@pytest.mark.parametrize("world", range(1, 9))
def test_any_number_of_ranks_reads_the_same_sequence(served: terrapin.Client, world: int) -> None:
    whole = ids(served.loader("crops@v1", seed=3, tensors="numpy"))
    for tail in ("drop", "pad"):
        ranks = [
            list(served.loader("crops@v1", batch_size=3, seed=3, rank=r, world_size=world, tail=tail, tensors="numpy"))
            for r in range(world)
        ]
        assert len({len(r) for r in ranks}) == 1
        seen = [i for step in zip(*ranks, strict=True) for batch in step for i in batch["ids"] if i]
        assert seen == (whole if tail == "pad" else whole[: len(whole) // (3 * world) * 3 * world])


@pytest.mark.parametrize(("stop", "batch", "world"), [(1, 5, 1), (4, 1, 2), (9, 32, 1), (2, 7, 3)])
def test_a_state_resumes_to_any_topology(served: terrapin.Client, stop: int, batch: int, world: int) -> None:
    whole = ids(served.loader("crops@v1", batch_size=8, seed=9, epoch=2, tensors="numpy"))
    loader = served.loader("crops@v1", batch_size=8, seed=9, epoch=2, tensors="numpy")
    iterator = iter(loader)
    seen = [i for _ in range(stop) for i in next(iterator)["ids"]]
    state = loader.state_dict()
    ranks = []
    for rank in range(world):
        other = served.loader(
            "crops@v1", batch_size=batch, rank=rank, world_size=world, tail="pad" if world > 1 else None,
            tensors="numpy",
        )  # fmt: skip
        other.load_state_dict(state)
        ranks.append(list(other))
    rest = [i for step in zip(*ranks, strict=True) for b in step for i in b["ids"] if i]
    assert seen + rest == whole


def test_the_same_batch_has_the_same_bytes_however_it_is_asked_for(served: terrapin.Client) -> None:
    def digests(loader: terrapin.Loader) -> dict[str, bytes]:
        return {
            sample: hashlib.sha256(
                b"".join(batch[k][i].tobytes() for k in ("image", "valid", "label", "times"))
            ).digest()
            for batch in loader
            for i, sample in enumerate(batch["ids"])
        }

    one = digests(served.loader("crops@v1", batch_size=1, seed=1, tensors="numpy"))
    assert digests(served.loader("crops@v1", batch_size=50, seed=2, epoch=5, tensors="numpy")) == one
    loader = served.loader("crops@v1", tensors="numpy")
    for place in (0, 5, -1):
        sample = loader[place]
        joined = b"".join(sample[k].tobytes() for k in ("image", "valid", "label", "times"))
        assert hashlib.sha256(joined).digest() == one[sample["ids"]]
        assert sample["ids"] == base(served, "train")[place]


def test_a_batch_cut_into_messages_is_the_same_batch(served: terrapin.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(served.loader("crops@v1", batch_size=30, tensors="numpy"))
    monkeypatch.setattr("terrapin._prefetch._CUT_ABOVE", 0)
    monkeypatch.setattr("terrapin._prefetch._MESSAGE_BYTES", 50_000)
    for a, b in zip(whole, served.loader("crops@v1", batch_size=30, tensors="numpy"), strict=True):
        assert a["ids"] == b["ids"]
        for key in ("image", "valid", "label", "times", "position"):
            np.testing.assert_array_equal(a[key], b[key])


def test_samples_hold_the_pixels_of_the_source(served: terrapin.Client) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: pixels are not compared with GDAL")
    from rasterio.windows import Window

    from .conftest import DEMO

    loader = served.loader("crops@v1", batch_size=40, tensors="numpy")
    spec = loader.spec
    table = served.dataset("crops@v1").manifest()
    places = {i: (r, c) for i, r, c in zip(*(table[k].to_pylist() for k in ("id", "row", "col")), strict=True)}
    scenes = [rasterio.open(path) for path in sorted(DEMO.glob("s2_*.tif"))]
    labels = rasterio.open(DEMO / "labels_cropland.tif")
    indexes = [scenes[0].descriptions.index(b) + 1 for b in spec.bands]
    batch = next(iter(loader))
    for i, sample in enumerate(batch["ids"]):
        row, col = places[sample]
        window = Window(col, row, spec.size, spec.size)
        want = np.stack([s.read(indexes, window=window) for s in scenes])
        np.testing.assert_array_equal(batch["image"][i], want)
        np.testing.assert_array_equal(batch["valid"][i], (want != 65535).all(axis=1))
        np.testing.assert_array_equal(batch["label"][i], labels.read(1, window=window))
    days = [str(np.datetime64(int(t), "us").astype("datetime64[D]")).replace("-", "") for t in batch["times"][0]]
    assert days == [path.stem[3:] for path in sorted(DEMO.glob("s2_*.tif"))]
    for dataset in [*scenes, labels]:
        dataset.close()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda tp: tp.loader("corps"), terrapin.NotFoundError, "crops"),
        (lambda tp: tp.loader("crops@v9"), terrapin.NotFoundError, "v1"),
        (lambda tp: tp.loader("crops", split="dev"), terrapin.NotFoundError, "validate"),
        (lambda tp: tp.cube("s3"), terrapin.NotFoundError, "s2"),
        (lambda tp: tp.dataset("corps"), terrapin.NotFoundError, "crops"),
        (lambda tp: tp.models["unet"], terrapin.NotFoundError, ""),
        (lambda tp: tp.commit("name: x\ncuube: y\n"), terrapin.InvalidError, "line 2"),
        (lambda tp: tp.cube("s2").windows((0, 0, 1, 1)), terrapin.InvalidError, "664000"),
        (lambda tp: tp.cube("s2").windows(bands=["B99"]), terrapin.NotFoundError, "B02"),
        (lambda tp: tp.verb("no.such"), terrapin.NotFoundError, ""),
    ],
)
def test_a_refusal_arrives_as_its_kind_and_names_what_exists(served: terrapin.Client, call, error, text: str) -> None:
    with pytest.raises(error) as caught:
        call(served)
    assert text in str(caught.value)
    assert caught.value.message


def test_large_batches_are_not_copied(served: terrapin.Client) -> None:
    """The server lets the body begin where the numbers are aligned."""
    batch = next(iter(served.loader("crops@v1", batch_size=32, tensors="numpy")))
    assert batch["image"].nbytes > 64 << 10
    for key in ("image", "valid", "times", "label"):
        assert batch[key].flags.aligned
        assert not batch[key].flags.owndata, key
        base = batch[key]
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert base.base is not None, f"{key} was copied"
