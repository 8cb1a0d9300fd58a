"""What every format of captures must do: subclass `CaptureKit`, say how one is written and what it holds."""

from pathlib import Path

import numpy as np
import pytest

from engine.importers.importing import ImportConfig, import_capture
from engine.importers.registry import CAPTURE_FORMATS, find_format
from engine.store.access import Frames, PretrainFrames
from engine.store.schema import Role
from engine.store.store import Store

from .captures import COUNT, CX, CY, FX, FY, HEIGHT, WIDTH, Walk, walk


class CaptureKit:
    """A capture of a walk, written as its makers would, is read as what it was."""

    format: str
    modalities: tuple[str, ...] = ("rgb",)
    role: Role = "pretrain"
    lossy = 0.0
    """Largest mean error of a colour [steps of 255] that the format's own compression makes."""

    def write(self, folder: Path, made: Walk) -> Path:
        """Writes the walk; returns what the user would name."""
        raise NotImplementedError

    def depth(self, made: Walk) -> np.ndarray:
        """The depth that should be read, [n, h, w] of any size."""
        return made.depth

    def poses(self, made: Walk) -> np.ndarray:
        """The poses that should be read, [n, 4, 4]."""
        return made.poses

    def intrinsics(self) -> tuple[float, float, float, float]:
        """Those that should be read."""
        return FX, FY, CX, CY

    def view(self, store: Store) -> Frames:
        """The frames of the walk in a store."""
        return PretrainFrames(store)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        return self.write(tmp_path / "walk", walk())

    def test_it_is_recognised_before_any_other_format(self, source: Path) -> None:
        assert find_format(source) == self.format

    def test_frames_are_those_of_the_walk(self, source: Path) -> None:
        made, capture = walk(), CAPTURE_FORMATS[self.format].open(source)
        assert capture.modalities == self.modalities
        frames = list(capture.frames())
        assert len(frames) == len(capture) == COUNT
        rgb = np.stack([f.rgb for f in frames]).astype(float)
        assert np.abs(rgb - made.rgb).mean() <= self.lossy
        for name in ("depth", "pose", "intrinsics"):
            held = {getattr(f, name) is not None for f in frames}
            assert held == {name in self.modalities}
        if "depth" in self.modalities:
            np.testing.assert_array_equal(np.stack([f.depth for f in frames]), self.depth(made))
        if "pose" in self.modalities:
            np.testing.assert_allclose(np.stack([f.pose for f in frames]), self.poses(made), atol=2e-6)
        if "intrinsics" in self.modalities:
            np.testing.assert_allclose(frames[0].intrinsics, self.intrinsics(), rtol=1e-6)

    def test_a_store_gets_frames_of_its_size_once(self, source: Path, tmp_path: Path, capsys) -> None:
        config = ImportConfig(
            source=source, store=tmp_path / "store", role=self.role, size=24, min_change=0, min_sharpness=0
        )
        import_capture(config)
        store = Store.open(tmp_path / "store")
        assert store.verify() == []
        frames = self.view(store)
        assert len(frames) == COUNT
        assert set(frames.modalities) == set(self.modalities)
        assert [s.simulator for s in frames.spaces] == [self.format]
        read = frames.read(range(COUNT), self.modalities)
        middle = walk().rgb[:, :, (WIDTH - HEIGHT) // 2 : (WIDTH + HEIGHT) // 2].astype(float)
        halved = middle.reshape(COUNT, 24, 2, 24, 2, 3).mean(axis=(2, 4))
        assert np.abs(read["rgb"] - halved).mean() <= self.lossy + 0.5
        if "intrinsics" in self.modalities:
            fx, fy, cx, cy = self.intrinsics()
            expected = (fx / 2, fy / 2, (cx - (WIDTH - HEIGHT) / 2) / 2, cy / 2)
            np.testing.assert_allclose(read["intrinsics"][0], expected, rtol=1e-5)
        import_capture(config)
        assert f"0 frames added, {COUNT} were there" in capsys.readouterr().out
        assert len(Store.open(tmp_path / "store").parts) == 1
