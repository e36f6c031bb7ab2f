"""From Hypothesis's bytes to inputs that come far: texts out of telling fragments, and damaged samples of real files.

Everything is decided by the bytes alone, so a failing input can be made smaller.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_TELLING: Final = (
    *(b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\xff" * 8, b"\x00" * 8, b"\x7f\xff\xff\xff"),
    *(b"[" * 40, b"{" * 40, b"9" * 40, b"1e999", b"-1", b"null", b"NaN", b"\r\n", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
)


class Draws:
    """Takes bytes from the front, zeros at the end."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._place = 0

    @property
    def has_more(self) -> bool:
        return self._place < len(self._raw)

    def byte(self) -> int:
        self._place += 1
        return self._raw[self._place - 1] if self._place <= len(self._raw) else 0

    def number(self, below: int) -> int:
        """Three bytes' worth, from 0 on."""
        return ((self.byte() << 16) | (self.byte() << 8) | self.byte()) % below

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number(len(options)) if len(options) > 256 else self.byte() % len(options)]

    def text(self, fragments: Sequence[str], max_characters: int) -> str:
        """Letters, fragments, repetitions of these, and any character there is, half ones included."""
        parts: list[str] = []
        length = 0
        while self.has_more and length < max_characters:
            kind = self.byte()
            if kind < 96:
                part = chr(kind + 32)
            elif kind < 208:
                part = self.pick(fragments)
            elif kind < 232:
                part = chr(self.number(0x110000))
            else:
                part = (self.pick(parts) if parts else "a") * (1 + self.byte() % 40)
            parts.append(part)
            length += len(part)
        return "".join(parts)[:max_characters]

    def damaged(self, samples: Sequence[bytes]) -> bytes:
        """One of the samples, changed in up to eight places."""
        data = bytearray(self.pick(samples))
        for _ in range(1 + self.byte() % 8):
            if not self.has_more:
                break
            kind, place = self.byte() % 6, self.number(len(data) + 1)
            span = self.byte() % 16
            match kind:
                case 0:
                    data[place : place + 1] = bytes([self.byte()])
                case 1:
                    data[place:place] = self.pick(_TELLING)
                case 2:
                    del data[place : place + span]
                case 3:
                    data[place:place] = data[place : place + span] * (1 + self.byte() % 32)
                case 4:
                    data[place : place + span] = self.pick(samples)[: self.number(200)]
                case _:
                    del data[place:]
        return bytes(data)


def encode(text: str) -> bytes:
    """Half characters too, so that a corpus can hold them."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """What `encode` made; other bytes as replacement characters."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
