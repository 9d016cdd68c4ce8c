"""Makes hostile inputs out of good ones: a small mutator, the same for the same seed.

Bytes are flipped, dropped, doubled, moved and replaced; two seeds are put together; numbers, brackets, whole members
and lines are exchanged for what parsers stumble over. No coverage guides it, so the seeds have to be good ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

__all__ = ["Mutator"]

# What parsers have stumbled over: numbers at the edges, NaN, escapes, surrogates, byte-order marks, other white space,
# other spellings of base64, deep nesting, dates that are none, terminal commands, names of members of other objects.
TOKENS: Sequence[bytes] = (
    b"",
    b"0",
    b"-0",
    b"-1",
    b"1.0",
    b"1e400",
    b"1e-7",
    b"1E5",
    b"0x10",
    b"00",
    b"+1",
    b"NaN",
    b"Infinity",
    b"9007199254740991",
    b"9007199254740992",
    b"18446744073709551616",
    b"1" * 400,
    b"null",
    b"true",
    b"{}",
    b"[]",
    b'""',
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\\u00e9"',
    "é".encode(),
    "é".encode(),
    "\u2028".encode(),
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x00",
    b"\x1b[2J",
    b"\r\n",
    b"\n",
    b"\n\n",
    b"\t",
    b" ",
    "\u00a0".encode(),
    "— ".encode(),
    b"=",
    b"==",
    b"-_",
    b"+/",
    b"\\",
    b'"',
    b",",
    b":",
    b"[" * 40,
    b"{" * 4000,
    b'{"a":' * 40,
    b"../../etc/passwd",
    b"2026-02-30T00:00:00Z",
    b"2026-11-20T09:00:00+00:00",
    b"__proto__",
    b"A" * 5000,
    b"%s%n",
)
_PIECE = re.compile(rb'"[^"]*"|-?\d+(?:\.\d+)?|[A-Za-z0-9+/=]{8,}|[\[\]{},:]|\n|\S')
_MAX = 200_000  # growth that feeds on itself only costs time


class Mutator:
    """Makes inputs out of seeds.

    Args:
        seeds: Good inputs, at least one.
        seed: Number that all chance comes from.
    """

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self._seeds = list(seeds)
        self._random = random.Random(seed)
        self._ways: Sequence[Callable[[bytearray], None]] = (
            self._flip,
            self._set,
            self._drop,
            self._double,
            self._insert,
            self._cut,
            self._move,
            self._splice,
            self._exchange_piece,
            self._exchange_piece,
            self._swap_pieces,
            self._drop_piece,
            self._double_piece,
        )

    def next(self) -> bytes:
        """Return the next input."""
        choose = self._random
        data = bytearray(choose.choice(self._seeds))
        for _ in range(choose.choice((1, 1, 1, 2, 2, 3, 5, 8))):
            choose.choice(self._ways)(data)
            if len(data) > _MAX:
                del data[_MAX:]
        return bytes(data)

    def _at(self, data: bytearray) -> int:
        return self._random.randrange(len(data) + 1)

    def _span(self, data: bytearray) -> slice:
        start = self._at(data)
        return slice(start, start + self._random.choice((1, 1, 2, 4, 16, 64, 500)))

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _set(self, data: bytearray) -> None:
        if data:
            data[self._random.randrange(len(data))] = self._random.randrange(256)

    def _drop(self, data: bytearray) -> None:
        del data[self._span(data)]

    def _double(self, data: bytearray) -> None:
        span = self._span(data)
        data[span.start : span.start] = data[span] * self._random.choice((1, 1, 1, 2, 30))

    def _insert(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self._random.choice(TOKENS)

    def _cut(self, data: bytearray) -> None:
        if self._random.random() < 0.5:
            del data[self._at(data) :]
        else:
            del data[: self._at(data)]

    def _move(self, data: bytearray) -> None:
        span = self._span(data)
        piece = data[span]
        del data[span]
        at = self._at(data)
        data[at:at] = piece

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._seeds)
        start = self._random.randrange(len(other) + 1)
        data[self._at(data) :] = other[start:]

    def _pieces(self, data: bytearray) -> list[tuple[int, int]]:
        # Around one place only: the whole of a large document would be taken apart for each change.
        start = max(0, self._at(data) - 300)
        return [match.span() for match in _PIECE.finditer(bytes(data), start, start + 600)]

    def _exchange_piece(self, data: bytearray) -> None:
        if pieces := self._pieces(data):
            start, stop = self._random.choice(pieces)
            data[start:stop] = self._random.choice(TOKENS)

    def _swap_pieces(self, data: bytearray) -> None:
        pieces = self._pieces(data)
        if len(pieces) > 1:
            (a, b), (c, d) = sorted(self._random.sample(pieces, 2))
            data[a:d] = data[c:d] + data[b:c] + data[a:b]

    def _drop_piece(self, data: bytearray) -> None:
        if pieces := self._pieces(data):
            start, stop = self._random.choice(pieces)
            del data[start:stop]

    def _double_piece(self, data: bytearray) -> None:
        if pieces := self._pieces(data):
            start, stop = self._random.choice(pieces)
            data[stop:stop] = data[start:stop]
