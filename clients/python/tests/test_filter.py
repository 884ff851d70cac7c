"""What a filter keeps, by the rules of three values; that the server keeps the same is tested in integration/."""

from datetime import UTC, datetime

import pytest

import terrapin
from terrapin._filter import Filter

SAMPLE = {
    "id": "a1",
    "class": "",
    "block": "it's",
    "row": 30,
    "height": 2,
    "width": 4,
    "slots": ["s0", "s1", "s2"],
    "label_counts": [{"value": 1, "pixels": 2}, {"value": 7, "pixels": 4}],
    "datetime": datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC),
}
CLASSES = {1: "winter wheat"}


def keeps(text: str) -> bool:
    return Filter(text).kept([SAMPLE], CLASSES) == [0]


@pytest.mark.parametrize(
    "text",
    [
        "row = 30",
        "row > -5 AND row < 3.1e1",
        "row <> 31 OR class = 'x'",
        "NOT row < 30",
        "(row = 1 OR row = 30) AND id = 'a1'",
        "row = 30 OR row = 1 AND row = 2",
        "row BETWEEN 30 AND 30 AND id LIKE 'a_'",
        "NOT (row BETWEEN 31 AND 40)",
        "row IN (1, 30)",
        "NOT row IN (1, 2)",
        "NOT row IN ()",
        "class IS NULL",
        "NOT block IS NULL",
        "block = 'it''s'",
        "block LIKE '%''_'",
        r"NOT block LIKE '\\%'",
        "scenes = 3",
        "labelled = 0.75",
        '"class:winter wheat" = 0.25',
        "class:7 > 0.4",
        "datetime > TIMESTAMP('2021-03-04T05:06:06.5Z')",
        "datetime = DATE('2021-03-04')",
        "NOT datetime < DATE('2021-03-04')",
        "datetime BETWEEN DATE('2021-03-01') AND TIMESTAMP('2021-03-04T05:06:07Z')",
        "'b' > id",
        "TRUE",
        "id = 'a1' AND NOT FALSE",
        "(class = 'x') IS NULL",
        "row = height OR width > height",
    ],
)
def test_what_is_true_is_kept(text: str) -> None:
    assert keeps(text)
    assert not keeps(f"NOT ({text})")


@pytest.mark.parametrize(
    "text",
    ["class = 'x'", "class LIKE '%'", "class IN ('x', 'y')", "class BETWEEN 'a' AND 'z'", "row = 'x'", "row", "class"],
)
def test_what_is_unknown_is_kept_neither_way(text: str) -> None:
    assert not keeps(text)
    assert not keeps(f"NOT ({text})")
    assert keeps(f"({text}) OR row = 30")
    assert not keeps(f"({text}) AND row = 30")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("CASEI(id) = CASEI('A1')", "CASEI"),
        ("row + 1 = 31", "arithmetic"),
        ("row = -height", "arithmetic"),
        ("S_INTERSECTS(geometry, POINT(1 2))", "S_INTERSECTS"),
        ("A_CONTAINS(slots, ('s0'))", "A_CONTAINS"),
        ("T_AFTER(datetime, DATE('2021-01-01'))", "T_AFTER"),
        ("slots IS NULL", "'slots'"),
        ("datetime > '2021'", "TIMESTAMP"),
        ("cloud > 3", "'cloud'"),
        ("row = 30 row", "'row'"),
        ("row NOT 3", "'3'"),
        ("row = ", "''"),
        ("row = 'x", "'x"),
    ],
)
def test_what_is_not_known_is_refused_by_name(text: str, what: str) -> None:
    with pytest.raises(terrapin.UnsupportedError) as caught:
        Filter(text)
    assert what in caught.value.message
    assert caught.value.cure
