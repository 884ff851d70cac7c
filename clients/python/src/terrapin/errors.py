"""Errors of the client: one class per kind of the server's ``fault`` package.

Every error has a ``kind`` (the name on the wire), a ``message`` that says what is wrong and where, and a
``cure`` that says how to mend it (empty where none is known). Each class is also the built-in exception that a
Python programmer would catch: a missing dataset is a ``KeyError``, bad input a ``ValueError``, an absent server
a ``ConnectionError``.
"""

from typing import Any, ClassVar

__all__ = [
    "CanceledError",
    "ConflictError",
    "CorruptError",
    "InternalError",
    "InvalidError",
    "NotFoundError",
    "PreconditionError",
    "TerrapinError",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedError",
]


class TerrapinError(Exception):
    """Base of every error that Terrapin raises; its text is the message and, on a second line, the cure."""

    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}\n  cure: {self.cure}" if self.cure else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.cure)


class InternalError(TerrapinError, RuntimeError):
    """A defect or an unexpected failure of the server's machine; its log has the details."""

    kind = "internal"


class InvalidError(TerrapinError, ValueError):
    """Input that can never succeed as given."""

    kind = "invalid"


class NotFoundError(TerrapinError, KeyError):
    """A name, version or key that does not exist."""

    kind = "not_found"


class ConflictError(TerrapinError):
    """Input that contradicts what already exists, or a lost race."""

    kind = "conflict"


class PreconditionError(TerrapinError, RuntimeError):
    """A state of the system that has to be changed first."""

    kind = "precondition"


class CorruptError(TerrapinError):
    """Stored or foreign data that does not decode or whose checksum is wrong."""

    kind = "corrupt"


class UnavailableError(TerrapinError, ConnectionError):
    """A failure that may pass, such as a server that went away; the same call may be tried again."""

    kind = "unavailable"


class CanceledError(TerrapinError):
    """Work given up because its caller went away or its deadline passed."""

    kind = "canceled"


class TooLargeError(TerrapinError, ValueError):
    """A request over a stated limit."""

    kind = "too_large"


class UnsupportedError(TerrapinError, NotImplementedError):
    """Valid input that this release does not build yet; the message names it."""

    kind = "unsupported"


KINDS: dict[str, type[TerrapinError]] = {
    c.kind: c
    for c in (
        InternalError,
        InvalidError,
        NotFoundError,
        ConflictError,
        PreconditionError,
        CorruptError,
        UnavailableError,
        CanceledError,
        TooLargeError,
        UnsupportedError,
    )
}
"""Kind on the wire → class, in the order of the server's list."""


def of_kind(kind: str, message: str, cure: str = "") -> TerrapinError:
    """Make the error of a kind; an unknown kind is internal, as on the server."""
    return KINDS.get(kind, InternalError)(message, cure)


def of_text(kind: str, text: str) -> TerrapinError:
    """Make the error of a kind from the server's text form, ``message`` + newline + ``  cure: ...``."""
    message, _, cure = text.partition("\n  cure: ")
    return of_kind(kind, message.strip(), cure.strip())
