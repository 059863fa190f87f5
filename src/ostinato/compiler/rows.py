"""The number of rows as a symbol.

A step is recorded on tensors without memory, so the batch may have any size. It has a size that
no other axis is a multiple of: what is a multiple of it stands for so many times the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ostinato.core.errors import OstinatoError

# A prime number: small enough that the square of the batch can still be counted in bytes.
ROWS = 536_870_923
# No axis of features is as long; sizes above it come from the rows.
_LONGEST = 2**24
APART = (
    "the step takes rows of the batch apart; a step must treat all rows alike, so only the axes "
    "after the first can be sliced, split or joined"
)


class TraceError(OstinatoError, RuntimeError):
    """A step cannot be recorded; the message names the line of the step."""


class Rows(int):
    """So many times the number of rows, an integer that may be used as a size only.

    Whatever could come out differently for another number of rows is refused; as everywhere in
    torch's symbolic sizes, there are taken to be two rows or more.
    """

    @property
    def factor(self) -> int:
        """How many times the number of rows."""
        return int.__floordiv__(self, ROWS)

    def _refused(self, *_: Any) -> Any:
        raise TraceError(
            "the step depends on how many rows there are; x.shape[0] may serve as a size, "
            "multiplied with other sizes, and for nothing else"
        )

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Rows) or not isinstance(other, int) or other < 0:
            return self._refused()
        return Rows(int.__mul__(self, other)) if other else 0

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Rows):
            return Rows(int.__add__(self, other))
        return self if isinstance(other, int) and other == 0 else self._refused()

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Rows) and self.factor >= other.factor:
            return Rows(int.__sub__(self, other)) if self.factor > other.factor else 0
        return self if isinstance(other, int) and int(other) == 0 else self._refused()

    def __floordiv__(self, other: Any) -> Any:
        if isinstance(other, int) and other > 0 and int.__mod__(self, other) == 0:
            ratio = int.__floordiv__(self, other)
            return ratio if isinstance(other, Rows) else Rows(ratio)
        return self._refused()

    def __mod__(self, other: Any) -> Any:
        divides = isinstance(other, int) and other > 0 and int.__mod__(self, other) == 0
        return 0 if divides else self._refused()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int) and not isinstance(other, Rows):
            possible = other >= 2 * self.factor and other % self.factor == 0
            return bool(self._refused()) if possible else False
        return int.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: Any) -> bool:
        return self._always(int.__lt__, other)

    def __le__(self, other: Any) -> bool:
        return self._always(int.__le__, other)

    def __gt__(self, other: Any) -> bool:
        return self._always(int.__gt__, other)

    def __ge__(self, other: Any) -> bool:
        return self._always(int.__ge__, other)

    def _always(self, compare: Callable[[int, Any], bool], other: Any) -> bool:
        """A comparison, if it comes out the same for two rows and for very many."""
        if isinstance(other, Rows):
            return compare(self, other)
        if not isinstance(other, int) or compare(2 * self.factor, other) != compare(self, other):
            return bool(self._refused())
        return compare(self, other)

    __hash__ = int.__hash__
    __rsub__ = __truediv__ = __rtruediv__ = __rfloordiv__ = __rmod__ = _refused
    __pow__ = __rpow__ = __neg__ = __float__ = _refused
    __divmod__ = __rdivmod__ = __and__ = __or__ = __xor__ = __lshift__ = __rshift__ = _refused


def symbolic(size: int) -> int:
    """A size, as `Rows` if it is a multiple of them.

    Raises:
        TraceError: if rows were cut off, or others joined.
    """
    if size % ROWS == 0 and size > 0:
        return size if isinstance(size, Rows) else Rows(size)
    if size > _LONGEST:
        raise TraceError(APART)
    return size


def shape(value: Any) -> tuple[int, ...]:
    """The shape of a traced tensor, with `Rows` in it."""
    return tuple(map(symbolic, value.shape))


def count(size: int, rows: int) -> int:
    """A traced size for a given number of rows."""
    size = int(size)
    return size // ROWS * rows if size >= ROWS else size
