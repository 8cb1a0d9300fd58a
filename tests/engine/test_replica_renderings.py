"""Renderings of Replica along a trajectory: read as what they are, labelled by the scene's own folder."""

import json

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.phone.recording import Recording
from agents.raycast.simulator import RaycastSimulator
from engine.importers.importing import ImportConfig, import_capture
from engine.importers.registry import CAPTURE_FORMATS
from engine.importers.writers.replica_renderings import ReplicaRenderingsWriter
from engine.store.access import EvalFrames
from engine.store.errors import SpaceConflictError
from scenes.formats.replica_export import export_replica

from . import captures
from .capture_kit import CaptureKit
from .captures import CX, CY, FX, FY, walk
from .writer_kit import PHONE, furnished_room


class TestRenderings(CaptureKit):
    format = "replica-renderings"
    modalities = ("rgb", "depth", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_replica_renderings(folder, made)


def test_without_a_camera_it_is_the_published_one(tmp_path):
    source = captures.write_replica_renderings(tmp_path / "office0", walk())
    (tmp_path / "cam_params.json").unlink()
    frame = next(iter(CAPTURE_FORMATS["replica-renderings"].open(source).frames()))
    x, y = captures.WIDTH / 1200, captures.HEIGHT / 680
    np.testing.assert_allclose(frame.intrinsics, (600 * x, 600 * y, 600 * x, 340 * y), rtol=1e-6)


def test_a_trajectory_through_a_scene_is_labelled_by_the_scenes_folder(tmp_path):
    """A room in Replica's layout and a walk through it: the labels are the room's own, to the pixel."""
    room, simulator = furnished_room(), RaycastSimulator()
    simulator.load(room)
    export_replica(room, tmp_path / "office_0", edge=10)
    quiet = PHONE.model_copy(update={"noise": type(PHONE.noise)()})
    ReplicaRenderingsWriter().write(Recording(simulator, quiet), tmp_path / "office0")
    config = {"source": tmp_path / "office0", "store": tmp_path / "store", "labels": tmp_path / "office_0"}
    import_capture(ImportConfig(**config, role="eval", size=(48, 64), min_sharpness=0, min_change=0))
    frames = EvalFrames(tmp_path / "store")
    read = frames.read(range(len(frames)), frames.modalities)
    truth = simulator.render(Cameras(read["pose"], read["intrinsics"], 48, 64), ["semantic", "instance"])
    labelled = read["semantic"] > 0
    assert labelled.mean() > 0.9
    for name in ("semantic", "instance"):
        assert (read[name] == truth[name])[labelled].mean() > 0.999


def _edit(path, change):
    path.write_text(change(path.read_text()))


BROKEN = {
    "one line short": (
        lambda p: _edit(p / "traj.txt", lambda t: t[: t.rstrip().rindex("\n") + 1]),
        r"traj\.txt has 5 poses, .*results 6 images",
    ),
    "a line that was cut off": (
        lambda p: _edit(p / "traj.txt", lambda t: t[: t.rstrip().rindex(" ")]),
        r"traj\.txt, line 6: .* is not 16 numbers",
    ),
    "a pose of no number": (
        lambda p: _edit(p / "traj.txt", lambda t: t.replace(t.split()[3], "nan", 1)),
        r"traj\.txt, line 1: a pose is 4 x 4 finite numbers",
    ),
    "a pose in millimetres": (
        lambda p: _edit(p / "traj.txt", lambda t: t.replace(t.split()[0], "1000.0", 1)),
        r"traj\.txt, line 1: the pose is no rotation",
    ),
    "no line": (lambda p: (p / "traj.txt").write_text("\n"), r"traj\.txt has no line"),
    "a lost image of depth": (
        lambda p: (p / "results" / "depth000002.png").unlink(),
        r"depth000002\.png is missing, and others are there",
    ),
    "depth in eight bits": (
        lambda p: captures._save(p / "results" / "depth000002.png", np.ones((48, 64), np.uint8)),
        r"depth000002\.png is uint8 \[48, 64\]; depth is an image of one 16-bit channel",
    ),
    "a camera of no number": (
        lambda p: _edit(p.parent / "cam_params.json", lambda t: t.replace("6553.5", '"metres"')),
        r"cam_params\.json is no JSON whose `camera` has",
    ),
    "a camera that was cut off": (
        lambda p: _edit(p.parent / "cam_params.json", lambda t: t[:20]),
        r"cam_params\.json is no JSON whose `camera` has",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_trajectory_is_refused_by_a_line_that_names_file_and_fix(name, tmp_path):
    spoil, message = BROKEN[name]
    source = captures.write_replica_renderings(tmp_path / "office0", walk())
    spoil(source)
    with pytest.raises(ValueError, match=message):
        import_capture(ImportConfig(source=source, store=tmp_path / "store", size=24))


def test_the_camera_beside_the_folder_decides_what_is_there(tmp_path):
    source = captures.write_replica_renderings(tmp_path / "office0", walk())
    config = ImportConfig(source=source, store=tmp_path / "s", size=24, min_sharpness=0, min_change=0)
    import_capture(config)
    camera = {"w": 64, "h": 48, "fx": FX * 2, "fy": FY * 2, "cx": CX, "cy": CY, "scale": 6553.5}
    (tmp_path / "cam_params.json").write_text(json.dumps({"camera": camera}))
    with pytest.raises(SpaceConflictError, match="another id or store"):  # another capture of the same name
        import_capture(config)
