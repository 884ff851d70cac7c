"""Windows out, predictions back."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

import terrapin
from double import BANDS, GRID, SLOTS, Double
from terrapin.cubes import _moment


def test_the_cores_partition_the_area(client: terrapin.Client) -> None:
    windows = client.cube("s2").windows(size=4, overlap=2, batch_size=3)
    cover = np.zeros((GRID["height"], GRID["width"]), int)
    seen = list(windows)
    assert len(windows) == len(seen) == 20
    for w in seen:
        assert w.image.shape == (SLOTS, len(BANDS), 4, 4)
        assert w.valid.shape == (SLOTS, 4, 4)
        assert (w.row, w.col) == (w.core.row - 1, w.core.col - 1)
        assert w.image[0, 0][w.core_slices].shape == (w.core.height, w.core.width)
        cover[w.core.row : w.core.row + w.core.height, w.core.col : w.core.col + w.core.width] += 1
    assert (cover == 1).all()
    assert seen[0].transform[2] == 500000.0 - 10
    assert seen[0].transform[5] == 5600000.0 + 10
    assert seen[0].slices == ("s0", "s1")


def test_two_iterations_are_independent_and_survive_a_lost_connection(client: terrapin.Client, double: Double) -> None:
    windows = client.cube("s2").windows(size=4, batch_size=2)
    double.fail_after_rows = 3
    pairs = list(zip(windows, windows, strict=True))
    assert [(a.row, a.col) for a, _ in pairs] == [(b.row, b.col) for _, b in pairs]
    assert len({(a.row, a.col) for a, _ in pairs}) == len(windows) == 6


def test_the_ticket_is_pinned_and_times_are_written_out(client: terrapin.Client, double: Double) -> None:
    list(client.cube("s2").windows((0, 0, 1, 1), ("2021-01-01", None), size=4, bands=["B03"]))
    ticket = double.tickets[-1]
    assert ticket["version"] == "S1"
    assert ticket["time"] == ["2021-01-01", ".."]
    assert ticket["bounds"] == [0.0, 0.0, 1.0, 1.0]
    assert _moment(np.datetime64("2021-03-01T12:00")) == "2021-03-01T12:00:00.000000Z"


def test_a_prediction_is_published_at_a_clean_end(client: terrapin.Client, double: Double) -> None:
    with client.predictions(model="unet", dataset="crops@v1") as out:
        for w in client.cube("s2").windows(size=4, overlap=2):
            out.write(w, np.full((4, 4), 1, np.uint8))
        assert out.item is None
    assert out.item == {"id": "p1", "type": "Feature"}
    assert (out.run, out.created) == ("r1", True)
    (put,) = double.puts
    assert put["committed"]
    assert len(put["rows"]) == 20
    assert put["command"] == {
        "model": "unet", "dataset": "crops@v1", "cube": "s2", "version": "S1", "cell": "r0c0/10m",
        "slices": ["s0", "s1"], "bounds": [500000.0, 5599930.0, 500100.0, 5600000.0], "dtype": "uint8",
        "names": ["prediction"], "classes": [{"value": 0, "name": "no"}, {"value": 1, "name": "yes"}],
    }  # fmt: skip
    row = put["rows"][0]
    assert [row.column(n)[0].as_py() for n in ("row", "col", "core_row", "core_height")] == [-1, -1, 0, 2]
    assert row.schema.field("data").type == pa.fixed_shape_tensor(pa.uint8(), [1, 4, 4])
    assert row.column("valid").to_numpy_ndarray().tolist() == np.ones((1, 4, 4)).tolist()


def test_probabilities_are_named_by_the_model_and_masked_as_told(client: terrapin.Client, double: Double) -> None:
    with client.predictions(model="unet") as out:
        for w in client.cube("s2").windows(size=8):
            out.write(w, np.zeros((2, 8, 8), np.float32), valid=np.eye(8) > 0)
    (put,) = double.puts
    assert put["command"]["names"] == ["no", "yes"]
    assert "classes" not in put["command"]
    assert put["rows"][0].column("valid").to_numpy_ndarray()[0].tolist() == np.eye(8).tolist()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_fails_publishes_nothing(client: terrapin.Client, double: Double, error) -> None:
    window = next(iter(client.cube("s2").windows(size=4)))
    out = client.predictions(model="unet")
    with pytest.raises(error), out:
        out.write(window, np.zeros((4, 4), np.float32))
        raise error
    assert out.item is None
    assert [p["committed"] for p in double.puts] == [False]
    with pytest.raises(terrapin.InvalidError, match="outside"):
        out.write(window, np.zeros((4, 4), np.float32))
    with pytest.raises(terrapin.InvalidError, match="once"):
        out.__enter__()


def test_what_does_not_fit_is_refused_on_this_side(client: terrapin.Client, double: Double) -> None:
    window = next(iter(client.cube("s2").windows(size=4)))
    other = dataclasses.replace(window, snapshot="S2")
    for array, valid, message in [
        (np.zeros((3, 4), np.float32), None, "the window 4 × 4"),
        (np.zeros((4, 4), np.float16), None, "float16"),
        (np.zeros((4, 4), np.float32), np.ones((3, 3)), "valid is"),
    ]:
        with pytest.raises(terrapin.InvalidError, match=message), client.predictions(model="unet") as out:
            out.write(window, array, valid)
    with pytest.raises(terrapin.InvalidError, match="different cubes"), client.predictions(model="unet") as out:
        out.write(window, np.zeros((4, 4), np.float32))
        out.write(other, np.zeros((4, 4), np.float32))
    with pytest.raises(terrapin.InvalidError, match="after float32"), client.predictions(model="unet") as out:
        out.write(window, np.zeros((4, 4), np.float32))
        out.write(window, np.zeros((4, 4), np.uint8))
    with pytest.raises(terrapin.InvalidError, match="no window"), client.predictions(model="unet"):
        pass
    assert not any(p["committed"] for p in double.puts)


def test_a_refusal_of_the_server_keeps_its_reason(client: terrapin.Client, double: Double) -> None:
    window = next(iter(client.cube("s2").windows(size=4)))
    with pytest.raises(terrapin.NotFoundError, match="forbidden") as e, client.predictions(model="forbidden") as out:
        for _ in range(1000):
            out.write(window, np.zeros((4, 4), np.float32))
    assert e.value.cure.startswith("register it first")
    assert out.item is None


def test_windows_take_numpy_numbers_and_refuse_what_is_none(client: terrapin.Client) -> None:
    cube = client.cube("s2")
    assert len(cube.windows(size=np.int64(4))) == len(cube.windows(size=4))
    with pytest.raises(terrapin.InvalidError):
        cube.windows(bounds=[float("nan")] * 4)
    with pytest.raises(terrapin.InvalidError):
        cube.windows(size=4.5j)
