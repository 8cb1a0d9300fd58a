"""Sizes of frames as people write them, and collections whose frames are no squares."""

import numpy as np
import pytest
import tyro
from pydantic import ValidationError

from agents.modalities import LABELS, SENSORY
from engine.collect.collect import CollectConfig, collect, estimate
from engine.collect.frame_size import frame_size, height_width, size_words
from engine.store.access import EvalFrames
from engine.store.show import contact_sheet
from engine.store.store import Store
from scenes.generate.generate import generate_house


@pytest.mark.parametrize(
    ("written", "kept"),
    [(224, 224), ("224", 224), ("240x320", (240, 320)), ([240, 320], (240, 320)), ("64 × 64", 64)],
)
def test_a_size_is_a_side_or_height_and_width(written, kept):
    assert frame_size(written) == kept
    assert frame_size(size_words(kept)) == kept
    assert height_width(frame_size((48, 64))) == (48, 64)


@pytest.mark.parametrize("written", ["", "wide", 8, "240x8", [1, 2, 3], 32.5, "224x", None])
def test_other_sizes_are_refused_with_what_is_asked_for(written):
    with pytest.raises(ValueError, match="240x320"):
        frame_size(written)


def config(folder, **more) -> CollectConfig:
    settings = {"houses": ["a.json"], "store": folder / "store", "role": "eval", "frames": 4, "actors": 0}
    return CollectConfig.model_validate(settings | {"device": "cpu"} | more)


def test_the_command_line_takes_both(tmp_path):
    words = ["a.json", "--store", str(tmp_path), "--role", "eval", "--frames", "4", "--size"]
    assert tyro.cli(CollectConfig, args=[*words, "48x64"]).size == (48, 64)
    assert tyro.cli(CollectConfig, args=[*words, "48", "--quality", "fine"]).size == 48
    assert config(tmp_path).size == 224
    with pytest.raises(ValidationError, match="240x320"):
        config(tmp_path, size="4x4")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    path = tmp_path_factory.mktemp("house") / "house.json"
    generate_house(0, "studio").save(path)
    return path


def test_frames_that_are_no_squares(house, tmp_path):
    wide = config(tmp_path, houses=[house], size="32x48", noise={"depth": "kinect"})
    assert estimate(wide).frames == 4
    collect(wide)
    store = Store.open(wide.store)
    assert store.verify() == []
    shapes = {m.name: m.shape for m in store.facts.modalities if m.kind != "camera"}
    assert {shape[:2] for shape in shapes.values()} == {(32, 48)}
    read = EvalFrames(store).read(np.arange(4), [*SENSORY, *LABELS, "intrinsics"])
    assert read["rgb"].shape == (4, 32, 48, 3)
    # 90 degrees wide, square pixels: the focal length is half of the width.
    np.testing.assert_array_equal(read["intrinsics"], np.tile(np.float32([24, 24, 24, 16]), (4, 1)))
    sheet = contact_sheet(store, 2)
    assert sheet.width > contact_sheet_width(2, 112)
    with pytest.raises(ValueError, match="32x48 pixels, not 48x32"):
        collect(wide.model_copy(update={"size": (48, 32)}))
    with pytest.raises(ValueError, match="32x48 pixels, not 32"):
        collect(wide.model_copy(update={"size": 32}))


def contact_sheet_width(columns: int, tile: int) -> int:
    return 76 + columns * (tile + 2)


def test_a_wide_frame_is_a_square_one_with_more_at_its_sides(house, tmp_path):
    """Same poses; the middle of a wide frame of twice the width sees what the square one does."""
    square = config(tmp_path / "a", houses=[house], size=32)
    wide = config(tmp_path / "b", houses=[house], size="32x64", fov_deg=float(np.degrees(2 * np.arctan(2))))
    for one in (square, wide):
        collect(one)
    narrow, broad = (
        EvalFrames(Store.open(c.store)).read(np.arange(4), ["depth", "pose"]) for c in (square, wide)
    )
    np.testing.assert_array_equal(narrow["pose"], broad["pose"])
    np.testing.assert_allclose(broad["depth"][:, :, 16:48].astype(int), narrow["depth"].astype(int), atol=1)


def test_quality_decides_what_frames_are(house, tmp_path):
    fast = config(tmp_path, houses=[house], size=32)
    collect(fast)
    assert collect(fast.model_copy(update={"quality": "fine"})).frames == 4  # other frames: added, not there
    store = Store.open(fast.store)
    assert len({store.part(r.part).config_hash for r in store.runs}) == 2
    first, second = (EvalFrames(store).read(range(k, k + 4), ["rgb", "depth", "pose"]) for k in (0, 4))
    np.testing.assert_array_equal(first["pose"], second["pose"])
    np.testing.assert_array_equal(first["depth"], second["depth"])
    assert (first["rgb"] != second["rgb"]).any(-1).mean() > 0.02
    with pytest.raises(ValueError, match="raycast's alone"):
        collect(fast.model_copy(update={"simulator": "replica", "quality": "fine"}))
