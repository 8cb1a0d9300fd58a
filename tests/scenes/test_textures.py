"""Textures repeat without a seam, are pure functions of their seed, and mean what a material's name says."""

import numpy as np
import pytest

from scenes.meshes.looks import finish, house_finish, read_name
from scenes.meshes.pictures import painting
from scenes.meshes.textures import TEXTURES


@pytest.mark.parametrize("name", TEXTURES)
def test_no_seam_where_a_texture_repeats(name: str):
    image = TEXTURES[name](np.random.default_rng(3), (0.6, 0.5, 0.4)).astype(float)
    assert image.dtype == float
    assert image.shape[0] == image.shape[1]
    for axis in (0, 1):
        steps = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
        seam = np.abs(np.take(image, 0, axis) - np.take(image, -1, axis)).mean()
        # Joints of tiles and planks are steps too, so the seam is measured against the largest.
        assert seam <= steps.max() * 1.05 + 1.0


@pytest.mark.parametrize("name", TEXTURES)
def test_same_seed_same_pixels_other_seed_others(name: str):
    first, again, other = (TEXTURES[name](np.random.default_rng(s), (0.6, 0.5, 0.4)) for s in (1, 1, 2))
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DarkWoodSmooth2", "planks"),
        ("TexturesCom_WoodFine0031_1_seamless_S", "planks"),
        ("RedBrick", "bricks"),
        ("Porcelain_Turquoise_Mat", "tiles"),
        ("KitchenTilesCheckerboard", "checker"),
        ("WhiteMarble2", "marble"),
        ("Walldrywall4Tiled", "plaster"),
        ("ConcreteFloorSmooth", "concrete"),
        ("PureWhite", "plaster"),
        ("a name of no known kind", "plaster"),
    ],
)
def test_a_material_looks_like_its_name(name: str, kind: str):
    assert read_name(name)[0] == kind


def test_words_of_colour_are_heard():
    assert sum(read_name("DarkWoodSmooth")[2]) < sum(read_name("WhiteWood")[2])
    red, green, blue = read_name("Porcelain_Turquoise_Mat")[2]
    assert red < min(green, blue)


def test_a_tint_is_the_colour_of_the_paint():
    look = house_finish("PureWhite", (0.2, 0.4, 0.6))
    assert look.material.color == (0.2, 0.4, 0.6)
    assert look.material.texture is not None
    assert look.material.texture.mean() > 230  # the pattern itself stays near white
    assert house_finish("PureWhite", (0.2, 0.4, 0.6)) is look


def test_patterns_are_shared_and_tinted():
    one, two = finish("wood", (0.5, 0.3, 0.2)), finish("wood", (0.7, 0.5, 0.3))
    assert one.material.texture is two.material.texture
    assert one.material.color != two.material.color


def test_pictures_differ_by_seed_and_show_something():
    one, two = painting(1, 1.3).material.texture, painting(2, 1.3).material.texture
    assert one is not None
    assert two is not None
    assert (one != two).any()
    assert one.std() > 10
