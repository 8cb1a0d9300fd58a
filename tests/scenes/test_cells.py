"""Sets of cells as integers against the same questions asked of arrays."""

import numpy as np
import pytest
from scipy import ndimage

from scenes.generate.layout.cells import around, connected, corners, narrow, to_bits, to_cells


def outline_corners(cells: np.ndarray) -> int:
    """By the definition: vertices whose four cells are not a straight edge; 0 unless one simple ring."""
    padded = np.pad(cells, 1)
    turns = 0
    for x in range(padded.shape[0] - 1):
        for z in range(padded.shape[1] - 1):
            block = padded[x : x + 2, z : z + 2]
            if block.sum() in (1, 3):
                turns += 1
            elif block.sum() == 2 and block[0, 0] == block[1, 1]:
                return 0  # touches itself at a point
    background, pieces = ndimage.label(~padded)[1], ndimage.label(padded)[1]
    return turns if background == pieces == 1 else 0


def in_no_block(cells: np.ndarray) -> int:
    opened = ndimage.binary_opening(cells, np.ones((2, 2), bool))
    return int((cells & ~opened).sum())


@pytest.mark.parametrize("seed", range(60))
def test_agrees_with_arrays(seed):
    rng = np.random.default_rng(seed)
    cells = rng.random(rng.integers(2, 7, 2)) < rng.uniform(0.4, 0.95)
    cells[0, 0] = True
    bits, stride = to_bits(cells)
    assert sorted(to_cells(bits, stride)) == [(int(x), int(z)) for x, z in np.argwhere(cells)]
    assert connected(bits, stride) == (ndimage.label(cells)[1] == 1)
    assert corners(bits, stride) == outline_corners(cells)
    assert narrow(bits, stride) == in_no_block(cells)
    grown = ndimage.binary_dilation(np.pad(cells, 1)) & ~np.pad(cells, 1)
    beside = {(int(x) - 1, int(z) - 1) for x, z in np.argwhere(grown)}
    assert set(to_cells(around(bits, stride) & ~bits, stride)) == beside


def test_shapes_by_hand():
    def set_of(picture: str) -> tuple[int, int]:
        return to_bits(np.array([[mark == "#" for mark in line] for line in picture.split()]))

    assert corners(*set_of("## ##")) == 4
    assert corners(*set_of("#. ##")) == 6
    assert corners(*set_of("### #.# ###")) == 0  # a hole
    assert corners(*set_of("#. .#")) == 0  # touches at a point
    assert corners(*set_of("#.# #.#")) == 0  # two pieces
    assert narrow(*set_of("##.. ####")) == 2
    assert not connected(0, 5)
