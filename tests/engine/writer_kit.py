"""What every writer of captures must do: subclass `WriterKit`, say what the format holds."""

import functools
from pathlib import Path

import numpy as np
import pytest

from agents.noise.noise import NoiseConfig
from agents.phone.recording import PhoneConfig, PhoneFrame, Recording
from agents.raycast.simulator import RaycastSimulator
from engine.importers.importing import ImportConfig, import_capture
from engine.importers.registry import CAPTURE_FORMATS, find_format
from engine.importers.writers.registry import CAPTURE_WRITERS
from engine.store.access import PretrainFrames
from tests.agents.rooms_by_hand import CEILING, WALL, cube, placed, room

PHONE = PhoneConfig(
    seconds=4,
    fps=5,
    height=48,
    width=64,
    dropped=0.3,
    noise=NoiseConfig(depth="lidar", exposure_stops=0.3, grain=0.02, blur=0.002),
    seed=5,
)


class Blind(RaycastSimulator):
    """A ray caster that refuses to draw what no phone has."""

    def render(self, cameras, modalities):
        assert set(modalities) <= {"rgb", "depth"}, f"a phone has no {modalities}"
        return super().render(cameras, modalities)


def furnished_room():
    """A room of 4 m by 6 m with two boxes in it."""
    boxes = (
        placed("box", 1, (2.8, 0, 1.0), (0.8, 0.9, 0.8), WALL, 7),
        placed("low", 1, (0.2, 0, 4.5), (0.9, 0.5, 0.7), CEILING, 8),
    )
    return room(extra_meshes=(cube("box"),), extra=boxes)


class Kept(Recording):
    """A recording that is rendered once."""

    @functools.cached_property
    def made(self) -> list[PhoneFrame]:
        return list(super().frames())

    def frames(self):
        return iter(self.made)


def record() -> Kept:
    """A short recording in a small room."""
    simulator = Blind()
    simulator.load(furnished_room())
    return Kept(simulator, PHONE)


recorded = functools.cache(record)
"""The same, made once."""


class WriterKit:
    """What is written is read by the importer as what was recorded."""

    format: str
    name = "walk"
    modalities: tuple[str, ...] = ("rgb", "depth", "pose", "intrinsics")
    timed = True
    """Whether frames have times."""
    lossy = 0.0
    """Largest mean error of a colour [steps of 255] that the format's own compression makes."""
    not_repeated: tuple[str, ...] = ()
    """Files whose bytes an encoder may choose."""

    def depth(self, made: PhoneFrame) -> np.ndarray:
        """The depth that should be read, [h, w]."""
        return np.where(made.confidence > 0, made.depth, 0).astype(np.uint16)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return self.write(recorded(), tmp_path)

    def write(self, recording: Recording, folder: Path) -> Path:
        writer = CAPTURE_WRITERS[self.format]
        out = folder / f"{self.name}{writer.ending}"
        writer.write(recording, out)
        return out

    def test_the_importer_reads_what_was_recorded(self, source: Path) -> None:
        recording, frames = recorded(), recorded().made
        assert find_format(source) == self.format
        capture = CAPTURE_FORMATS[self.format].open(source)
        read = list(capture.frames())
        assert capture.modalities == self.modalities
        assert len(read) == len(frames) == len(recording)
        assert {got.time_s is not None for got in read} == {self.timed}
        for got, made in zip(read, frames, strict=True):
            if got.time_s is not None:
                assert got.time_s == pytest.approx(made.time_s, abs=1e-3)
            assert np.abs(got.rgb.astype(float) - made.rgb).mean() <= self.lossy
            assert got.depth is not None
            assert got.pose is not None
            np.testing.assert_array_equal(got.depth, self.depth(made))
            np.testing.assert_allclose(got.pose, made.pose, atol=1e-6)
            if "intrinsics" in self.modalities:
                assert got.intrinsics is not None
                np.testing.assert_allclose(got.intrinsics, recording.lens, rtol=1e-6)

    def test_frames_are_told_apart(self, source: Path) -> None:
        """Colours are nearest to those of their own frame: none is shifted where frames were lost."""
        images = np.stack([f.rgb for f in recorded().made]).astype(float)
        for i, got in enumerate(CAPTURE_FORMATS[self.format].open(source).frames()):
            assert np.abs(images - got.rgb).mean((1, 2, 3)).argmin() == i

    def test_the_same_phone_writes_the_same_again(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "again").mkdir()
        first, second = (_files(path) for path in (source, self.write(record(), tmp_path / "again")))
        assert first.keys() == second.keys()
        assert {n for n in first if first[n] != second[n]} <= set(self.not_repeated)

    def test_a_store_takes_it(self, source: Path, tmp_path: Path) -> None:
        import_capture(
            ImportConfig(source=source, store=tmp_path / "store", size=24, min_sharpness=0, min_change=0)
        )
        frames = PretrainFrames(tmp_path / "store")
        assert len(frames) == len(recorded())
        assert set(frames.modalities) == set(self.modalities)


def _files(path: Path) -> dict[str, bytes]:
    """Every file's bytes by its path within the capture."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}
