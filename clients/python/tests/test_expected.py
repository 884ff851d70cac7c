"""What an epoch should hold, from a manifest in memory."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from terrapin._expected import expected_of
from terrapin.order import ALGORITHM, Order


class Source:
    """A client of one version, whose manifest is not sorted; notes the columns that are asked for."""

    def __init__(self, chunks: int) -> None:
        self.asked: list[str] = []
        ids = [f"{i * 7919 % 1000:032x}" for i in range(1000)]
        table = pa.table({"id": ids, "split": ["test" if int(i, 16) % 5 == 0 else "train" for i in ids]})
        self.table = pa.concat_tables([table.slice(k * 1000 // chunks, 1000 // chunks) for k in range(chunks)])

    def dataset(self, name: str) -> "Source":
        return self

    def manifest(self, columns: Sequence[str]) -> pa.Table:
        self.asked += columns
        return self.table.select(list(columns))

    def _transports(self) -> Any:
        raise AssertionError("the uniform order asks nothing more")


@pytest.mark.parametrize("chunks", [1, 4])
@pytest.mark.parametrize("split", ["train", "test", "validate"])
def test_the_ids_of_a_uniform_epoch(split: str, chunks: int) -> None:
    source = Source(chunks)
    ticket = {"dataset": "a@v1", "digest": "td1:0", "split": split, "seed": 3, "epoch": 1, "shuffle": True}
    expected = expected_of(source, ticket | {"order": ALGORITHM})
    ids = sorted(i["id"] for i in source.table.to_pylist() if i["split"] == split)
    assert source.asked == ["id", "split"]
    assert list(expected.split) == ids
    assert len(expected) == len(ids)
    assert expected.split[2:5] == ids[2:5]
    assert expected.split[::-3] == ids[::-3]
    assert expected.ids(0, len(ids)) == [ids[i] for i in Order("td1:0", split, len(ids), seed=3, epoch=1)]
    with pytest.raises(IndexError):
        expected.split[len(ids)]
