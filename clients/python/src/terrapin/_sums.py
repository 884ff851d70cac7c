"""Power sums that tell which few of many values differ (docs/spec/receipts.md of the server)."""

from collections.abc import Iterable, Sequence

P = (1 << 61) - 1
_K = 0x9E3779B97F4A7C15 % P
COUNT = 8
_MOST = COUNT // 2


def fold(value: int, following: int) -> int:
    """Go on from a value with one more."""
    return (value * _K + following + 1) % P


def value_of(sample: str) -> int:
    """The value of an id."""
    raw = sample.encode()
    value = len(raw)
    for at in range(0, len(raw), 8):
        value = fold(value, int.from_bytes(raw[at : at + 8], "little") % P)
    return value


def sums(values: Iterable[int]) -> list[int]:
    """S_j = sum of v * x^j over values numbered from 1, for j = 0 ... 7."""
    out = [0] * COUNT
    for x, value in enumerate(values, 1):
        v = value
        for j in range(COUNT):
            out[j] += v
            v = v * x % P
    return [s % P for s in out]


def parsed(text: str) -> list[int]:
    """Sums as the ledger writes them."""
    return [int(text[16 * j : 16 * j + 16], 16) for j in range(COUNT)]


def differing(found: Sequence[int], expected: Sequence[int], count: int) -> dict[int, int] | None:
    """The numbers x, from 1 to `count`, of the values that differ, with the difference found - expected.

    None where more than four differ. The differences of the sums are the syndromes of a Reed-Solomon code: its error
    locator comes from the Berlekamp-Massey algorithm, its roots from trying every number.
    """
    syndromes = [(a - b) % P for a, b in zip(found, expected, strict=True)]
    if not any(syndromes):
        return {}
    locator = _shortest(syndromes)
    size = len(locator) - 1
    if size > _MOST:
        return None
    places = [x for x in range(1, count + 1) if _root(locator, x)]
    if len(places) != size:
        return None
    by_how_much = _solved(places, syndromes)
    again = [sum(d * pow(x, j, P) for x, d in zip(places, by_how_much, strict=True)) % P for j in range(COUNT)]
    return dict(zip(places, by_how_much, strict=True)) if again == syndromes else None


def _root(locator: Sequence[int], x: int) -> bool:
    """Whether 1 - x z divides the locator: its reciprocal is 0 at x."""
    total = 0
    for c in locator:
        total = (total * x + c) % P
    return total == 0


def _shortest(syndromes: Sequence[int]) -> list[int]:
    """The connection polynomial of the shortest recurrence that the syndromes obey (Berlekamp-Massey)."""
    current, previous = [1], [1]
    length, gap, last = 0, 1, 1
    for n, s in enumerate(syndromes):
        off = (s + sum(current[i] * syndromes[n - i] for i in range(1, min(length, len(current) - 1) + 1))) % P
        if off == 0:
            gap += 1
            continue
        scale = off * pow(last, -1, P) % P
        longer = current + [0] * max(0, len(previous) + gap - len(current))
        for i, c in enumerate(previous):
            longer[i + gap] = (longer[i + gap] - scale * c) % P
        if 2 * length <= n:
            length, previous, last, gap = n + 1 - length, current, off, 1
        else:
            gap += 1
        current = longer
    return (current + [0] * (length + 1))[: length + 1]


def _solved(places: Sequence[int], syndromes: Sequence[int]) -> list[int]:
    """The values d with sum of d_i * places_i^j = syndromes_j, by elimination."""
    n = len(places)
    rows = [[pow(x, j, P) for x in places] + [syndromes[j]] for j in range(n)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i])  # places differ, so there is one
        rows[i], rows[pivot] = rows[pivot], rows[i]
        inverse = pow(rows[i][i], -1, P)
        rows[i] = [v * inverse % P for v in rows[i]]
        for k in range(n):
            if k != i and rows[k][i]:
                factor = rows[k][i]
                rows[k] = [(a - factor * b) % P for a, b in zip(rows[k], rows[i], strict=True)]
    return [row[n] for row in rows]
