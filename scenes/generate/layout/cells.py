"""Sets of grid cells as integer bit masks, for growing and scoring floor plans quickly.

The bit of cell (x, z) is (x + 1) · stride + z + 1, with a stride of the grid's height + 2, so that the
neighbours of every cell have bits too, and a set is shifted as a whole.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool


def to_bits(cells: Bool[np.ndarray, "w h"]) -> tuple[int, int]:
    """The set of the cells that are True, and its stride."""
    stride = cells.shape[1] + 2
    return sum(1 << ((int(x) + 1) * stride + int(z) + 1) for x, z in np.argwhere(cells)), stride


def to_cells(bits: int, stride: int) -> Iterator[tuple[int, int]]:
    """The cells (x, z) of a set, by rising bit."""
    while bits:
        low = bits & -bits
        bits ^= low
        x, z = divmod(low.bit_length() - 1, stride)
        yield x - 1, z - 1


def around(bits: int, stride: int) -> int:
    """The cells that share a side with one of the set's, some of which may be in the set."""
    return bits << 1 | bits >> 1 | bits << stride | bits >> stride


def connected(bits: int, stride: int) -> bool:
    """Whether the set is one piece, joined by sides; an empty one is not."""
    reached = bits & -bits
    while (grown := (reached | around(reached, stride)) & bits) != reached:
        reached = grown
    return bits != 0 and reached == bits


def corners(bits: int, stride: int) -> int:
    """Corners of the set's outline if it is one simple ring; 0 for pieces, holes, or touching at a point."""
    a, b, c, d = bits, bits << 1, bits << stride, bits << (stride + 1)  # the four cells that meet in a vertex
    odd = a ^ b ^ c ^ d
    pinched = (a & d & ~(b | c)) | (b & c & ~(a | d))
    reflex = odd & ((a & b) | (c & d))  # three of the four; else one
    turns = odd.bit_count() - 2 * reflex.bit_count()
    # one ring without holes turns by 360° in all
    return 0 if pinched or turns != 4 or not connected(bits, stride) else odd.bit_count()


def narrow(bits: int, stride: int) -> int:
    """How many of the set's cells are in no 2 × 2 block of it."""
    blocks = bits & bits >> 1 & bits >> stride & bits >> (stride + 1)
    wide = blocks | blocks << 1 | blocks << stride | blocks << (stride + 1)
    return (bits & ~wide).bit_count()
