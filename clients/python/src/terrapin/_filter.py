"""Which samples a filter keeps: the server's canonical CQL2 text, parsed and answered here.

Known are AND, OR, NOT, the comparisons, BETWEEN, IN, LIKE and IS NULL of texts, numbers and times; all with the meaning
that docs/spec/ticket.md gives them, in three values. Everything else is refused by name.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NoReturn

from ._properties import columns_of, number
from .errors import UnsupportedError

Sample = Mapping[str, Any]
_Kind = Literal["text", "number", "moment", "condition"]

_TEXTS = ("id", "collection", "split", "cell", "block", "class")
_MOMENTS = ("datetime", "start_datetime", "end_datetime")
_OTHERS = ("times", "slots", "geometry")
_NO, _UNKNOWN, _YES = -1, 0, 1
_DAY = 86_400_000_000
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|''|\\.)*')|(?P<name>"(?:[^"]|"")*")|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)"""
    r"""|(?P<word>(?:[A-Za-z_:]|[^\x00-\x7f])(?:[\w:.]|[^\x00-\x7f])*)|(?P<sign><>|<=|>=|[-+()*/%^=<>,])|(?P<end>\Z))""",
    re.DOTALL,
)
_ESCAPES = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "'": "'", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of a filter: its type, and its value for a sample, None where there is none.

    That of a condition is _NO, _UNKNOWN or _YES; that of a moment its first and last microsecond.
    """

    kind: _Kind
    of: Callable[[Sample], Any]

    def holds(self, sample: Sample) -> int:
        """What it says of a sample as a condition; other values say nothing."""
        return int(self.of(sample)) if self.kind == "condition" else _UNKNOWN


class Filter:
    """A filter of samples, by its canonical text."""

    def __init__(self, text: str) -> None:
        """Parse it. Raises UnsupportedError for what this client cannot answer."""
        self._text = text
        self._classes: Mapping[int, str] = {}
        self._tokens = _tokens(text, self._refuse)
        self._next = 0
        self.columns: set[str] = set()
        """The columns of the manifest that it asks for."""
        self._root = self._or()
        if self._tokens[self._next][0] != "end":
            self._refuse(repr(self._tokens[self._next][1]))

    def kept(self, samples: Sequence[Sample], classes: Mapping[int, str]) -> list[int]:
        """The samples it is true of, by index; `classes` are the names of the version's classes by value."""
        self._classes = classes
        return [i for i, sample in enumerate(samples) if self._root.holds(sample) == _YES]

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedError(
            f"this client cannot compute what the filter {self._text[:200]} keeps: it has {what}",
            "comparisons, BETWEEN, IN, LIKE, IS NULL, AND, OR and NOT of texts, numbers and times can be computed; "
            "client.seen(session) lists what was read with others",
        )

    def _take(self, *words: str) -> str | None:
        """Pass over one of some keywords or signs, if it is next."""
        kind, text = self._tokens[self._next]
        if kind in ("word", "sign") and text.upper() in words:
            self._next += 1
            return text.upper()
        return None

    def _expect(self, word: str) -> None:
        if self._take(word) is None:
            self._refuse(f"{self._tokens[self._next][1]!r} where {word} is expected")

    def _or(self) -> _Node:
        args = [self._and()]
        while self._take("OR"):
            args.append(self._and())
        return args[0] if len(args) == 1 else _Node("condition", lambda s: max(a.holds(s) for a in args))

    def _and(self) -> _Node:
        args = [self._not()]
        while self._take("AND"):
            args.append(self._not())
        return args[0] if len(args) == 1 else _Node("condition", lambda s: min(a.holds(s) for a in args))

    def _not(self) -> _Node:
        return _opposite(self._not()) if self._take("NOT") else self._predicate()

    def _predicate(self) -> _Node:
        left = self._operand()
        if op := self._take(*_COMPARE):
            return self._compare(op, left, self._operand())
        if self._take("IS"):
            negated = self._take("NOT")
            self._expect("NULL")
            nothing = _UNKNOWN if left.kind == "condition" else None
            found = _Node("condition", lambda s: _truth(left.of(s) == nothing))
            return _opposite(found) if negated else found
        negated = self._take("NOT")
        if self._take("BETWEEN"):
            least = self._compare(">=", left, self._operand())
            self._expect("AND")
            most = self._compare("<=", left, self._operand())
            found = _Node("condition", lambda s: min(least.holds(s), most.holds(s)))
        elif self._take("IN"):
            found = self._in(left)
        elif self._take("LIKE"):
            found = self._like(left)
        elif negated:
            self._refuse(repr(self._tokens[self._next][1]))
        else:
            return left
        return _opposite(found) if negated else found

    def _in(self, left: _Node) -> _Node:
        self._expect("(")
        items: list[_Node] = []
        while not self._take(")"):
            if items:
                self._expect(",")
            items.append(self._compare("=", left, self._operand()))
        return _Node("condition", lambda s: max((i.holds(s) for i in items), default=_NO))

    def _like(self, left: _Node) -> _Node:
        kind, text = self._tokens[self._next]
        if kind != "string" or left.kind == "moment":
            self._refuse("LIKE of something else than a text and a literal pattern")
        self._next += 1
        parts = re.findall(r"\\.|.", text, re.DOTALL)
        anything = {"%": ".*", "_": "."}
        pattern = re.compile("".join(anything.get(p) or re.escape(p[-1]) for p in parts), re.DOTALL)

        def matches(sample: Sample) -> int:
            value = left.of(sample) if left.kind == "text" else None
            return _UNKNOWN if value is None else _truth(pattern.fullmatch(value) is not None)

        return _Node("condition", matches)

    def _compare(self, op: str, left: _Node, right: _Node) -> _Node:
        if {left.kind, right.kind} == {"text", "moment"}:
            self._refuse("a time that is compared with a text; write TIMESTAMP('…') or DATE('…')")
        if left.kind != right.kind:
            return _Node("condition", lambda _: _UNKNOWN)
        decide, nothing = _COMPARE[op], _UNKNOWN if left.kind == "condition" else None

        def compare(sample: Sample) -> int:
            a, b = left.of(sample), right.of(sample)
            if a == nothing or b == nothing:
                return _UNKNOWN
            if left.kind == "moment":
                order = -1 if a[1] < b[0] else int(a[0] > b[1])
            elif left.kind == "text":
                a, b = a.encode(), b.encode()
                order = (a > b) - (a < b)
            else:
                order = (a > b) - (a < b)
            return _truth(decide(order, 0))

        return _Node("condition", compare)

    def _operand(self) -> _Node:
        minus = self._take("-")
        kind, text = self._tokens[self._next]
        self._next += 1
        if minus and kind != "number":
            self._refuse("arithmetic")
        found: _Node
        if kind == "number":
            value = -float(text) if minus else float(text)
            found = _Node("number", lambda _: value)
        elif kind == "string":
            found = _Node("text", lambda _: text)
        elif (kind, text) == ("sign", "("):
            found = self._or()
            self._expect(")")
        elif kind == "word" and text.upper() in ("TRUE", "FALSE"):
            truth = _truth(text.upper() == "TRUE")
            found = _Node("condition", lambda _: truth)
        elif kind == "word" and self._tokens[self._next] == ("sign", "("):
            found = self._literal(text)
        elif kind in ("word", "name"):
            found = self._property(text)
        else:
            self._refuse(repr(text))
        if self._take("+", "-", "*", "/", "%", "^", "DIV"):
            self._refuse("arithmetic")
        return found

    def _literal(self, name: str) -> _Node:
        """A time or a day; no other function is known."""
        self._expect("(")
        kind, text = self._tokens[self._next]
        if name.upper() not in ("TIMESTAMP", "DATE") or kind != "string":
            self._refuse(f"{name}(…)")
        self._next += 1
        self._expect(")")
        try:
            moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
        except ValueError:
            self._refuse(f"{name}('{text}')")
        first = _micros(moment)
        span = (first, first + _DAY - 1 if name.upper() == "DATE" else first)
        return _Node("moment", lambda _: span)

    def _property(self, name: str) -> _Node:
        if name in _OTHERS:
            self._refuse(f"the property {name!r}")
        if name in _TEXTS:
            self.columns.add(name)
            return _Node("text", lambda s: s[name] or (None if name == "class" else s[name]))
        if name in _MOMENTS:
            self.columns.add(name)
            return _Node("moment", lambda s: None if s[name] is None else (_micros(s[name]),) * 2)
        self.columns.update(columns_of(name))
        return _Node("number", lambda s: number(s, name, self._classes))


def _opposite(node: _Node) -> _Node:
    return _Node("condition", lambda s: -node.holds(s))


def _truth(value: bool) -> int:
    return _YES if value else _NO


def _micros(moment: datetime) -> int:
    """Microseconds since 1970; what has no zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _tokens(text: str, refuse: Callable[[str], NoReturn]) -> list[tuple[str, str]]:
    """Kind and text of each token, strings and names without quotes and escapes; the last is the end."""
    out: list[tuple[str, str]] = []
    at = 0
    while not out or out[-1][0] != "end":
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            refuse(repr(text[at : at + 20]))
        kind, found, at = match.lastgroup, match[match.lastgroup], match.end()
        if kind == "string":
            found = re.sub(r"''|\\(.)", _unescaped, found[1:-1], flags=re.DOTALL)
        elif kind == "name":
            found = found[1:-1].replace('""', '"')
        out.append((kind, found))
    return out


def _unescaped(match: re.Match[str]) -> str:
    return "'" if match[1] is None else _ESCAPES.get(match[1], match[0])
