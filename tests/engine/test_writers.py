"""Captures that a simulated phone writes, and the command that does it."""

import csv

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from agents.phone.imu import GRAVITY
from engine.importers.phone import CaptureConfig, capture
from engine.importers.writers.registry import CAPTURE_WRITERS

from .bare_rooms import write_houses
from .writer_kit import PHONE, WriterKit, recorded


class TestStrayScanner(WriterKit):
    format = "stray-scanner"
    lossy = 8.0
    not_repeated = ("rgb.mp4",)

    def test_lost_frames_are_gaps_in_time_and_in_nothing_else(self, source):
        rows = _table(source / "odometry.csv")
        assert [int(row["frame"]) for row in rows] == list(range(len(recorded())))
        slots = np.array([float(row["timestamp"]) for row in rows]) * PHONE.fps
        np.testing.assert_allclose(slots, np.rint(slots), atol=1e-6)
        assert len(slots) < slots[-1] + 1 <= PHONE.seconds * PHONE.fps
        for folder in ("depth", "confidence"):
            names = sorted(p.name for p in (source / folder).iterdir())
            assert names == [f"{i:06d}.png" for i in range(len(rows))]

    def test_the_imu_has_the_axes_units_and_signs_of_core_motion(self, source):
        """Gravity is -1 along what is up; integrated, rates of rotation lead from pose to pose.

        The device's axes by what a phone is: the camera looks out of its back, and its image has the top of
        the phone, held upright, at its left."""
        columns = _table(source / "imu.csv")
        read = np.array([[float(v) for v in row.values()] for row in columns])
        times, force, rate = read[:, 0], read[:, 1:4], read[:, 4:]
        recording = recorded()
        device = np.stack(
            [-recording.poses[:, :3, 1], -recording.poses[:, :3, 0], -recording.poses[:, :3, 2]], 2
        )
        assert (np.linalg.det(device) > 0.99).all()
        up = device[0, 1]
        assert np.degrees(np.arccos(-force[0] @ up / np.linalg.norm(force[0]))) < 10
        assert abs(np.linalg.norm(force[0]) - 1) < 0.2
        turn, place = Rotation.from_matrix(device[0]), recording.poses[0, :3, 3]
        # The mean velocity of the first interval less what the acceleration adds to it by then.
        at = np.rint(recording.times_s * 100).astype(int)
        turns = [turn]
        for now in rate[:-1]:
            turns.append(turns[-1] * Rotation.from_rotvec(now / 100))
        world = np.stack([t.apply(f) for t, f in zip(turns, force, strict=True)])
        acceleration = -world * GRAVITY - (0, GRAVITY, 0)
        moved = np.cumsum(np.cumsum(acceleration, 0), 0) / 100**2
        speed = (recording.poses[-1, :3, 3] - place - moved[at[-1]]) / times[at[-1]]
        for i, k in enumerate(at):
            off = (turns[k].inv() * Rotation.from_matrix(device[i])).magnitude()
            assert np.degrees(off) < 0.5
            np.testing.assert_allclose(
                place + speed * times[k] + moved[k], recording.poses[i, :3, 3], atol=0.05
            )


class TestRecord3D(WriterKit):
    format = "record3d"
    lossy = 4.0


class TestArkitScenes(WriterKit):
    format = "arkitscenes"
    name = "41069021"


class TestNerfstudio(WriterKit):
    format = "nerfstudio"
    timed = False


class TestReplicaRenderings(WriterKit):
    format = "replica-renderings"
    timed = False
    lossy = 4.0


class TestScannetpp(WriterKit):
    format = "scannetpp-iphone"
    name = "iphone"
    lossy = 8.0
    not_repeated = ("rgb.mp4",)

    def depth(self, made):
        return cv2.resize(super().depth(made), (256, 192), interpolation=cv2.INTER_NEAREST_EXACT)


class TestTum(WriterKit):
    format = "tum-rgbd"
    modalities = ("rgb", "depth", "pose")


class TestManifest(WriterKit):
    format = "manifest"


def _table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, skipinitialspace=True))


def test_every_writer_has_its_kit():
    assert {kit.format for kit in WriterKit.__subclasses__()} == set(CAPTURE_WRITERS)


def test_the_command_writes_once_and_says_what(tmp_path, capsys):
    house = next(write_houses(tmp_path, 1).iterdir())
    config = CaptureConfig(house=house, out=tmp_path / "walk", seconds=1, height=32, width=48, dropped=0)
    capture(config)
    assert "5 frames of 32 x 48, 0 lost" in capsys.readouterr().out
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    with pytest.raises(ValueError, match="is there already"):
        capture(config)
    with pytest.raises(ValueError, match=r"name it other\.r3d"):
        capture(CaptureConfig(house=house, out=tmp_path / "other", format="record3d"))
    with pytest.raises(ValueError, match="choose from stray-scanner"):
        CaptureConfig(house=house, out=tmp_path / "other", format="kinect")
