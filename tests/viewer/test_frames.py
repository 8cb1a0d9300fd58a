"""Frames of a store, as the page asks for them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import viewer.frames
from engine.store.pictures import tiles
from engine.store.store import FrameRange, ModalitySpec, Space, Store
from tests.engine.conftest import SIDE
from tests.viewer.conftest import Serve, Served
from viewer.coverage import unproject


def _json(served: Served, path: str, **fields):
    status, _, body = served.get(path, **fields)
    assert status == 200, body
    return json.loads(body)


def _picture(served: Served, path: str, **fields) -> np.ndarray:
    status, _, body = served.get(path, **fields)
    assert status == 200, body
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def test_runs_say_which_frames_there_are(serve: Serve, small: Path):
    served = serve(small)
    (store,) = served.server.opened.found.stores
    facts = _json(served, "api/store", store=store)
    opened = Store.open(small)
    told = [
        (facts["spaces"][s], facts["roles"][r], facts["parts"][p], start, count)
        for s, r, p, start, count in facts["runs"]
    ]
    assert told == [(r.space, r.role, r.part, r.start, r.count) for r in opened.runs]
    assert [m["name"] for m in facts["modalities"]] == ["rgb", "depth", "edges", "semantic"]


def test_thumbnails_and_frames_are_drawn_as_on_contact_sheets(serve: Serve, small: Path):
    served = serve(small)
    (store,) = served.server.opened.found.stores
    opened = Store.open(small)
    spec = next(m for m in opened.modalities if m.name == "semantic")
    values = opened.read("transfer-a", 0, 39, ["semantic"])["semantic"]
    drawn = np.stack([np.asarray(t) for t in tiles(spec, values, (24, 24))])
    asked = {"store": store, "part": "transfer-a", "modality": "semantic", "size": 24}
    strip = _picture(served, "api/thumbnails", chunk=2, **asked)
    assert np.array_equal(strip, np.concatenate(drawn[32:], axis=1)), "the last chunk is shorter"
    assert np.array_equal(_picture(served, "api/picture", frame=17, **asked), drawn[17])
    for field, value in (("chunk", 3), ("chunk", -1), ("chunk", "x"), ("size", 10**6)):
        assert served.get("api/thumbnails", **asked | {"chunk": 0} | {field: value})[0] == 400


def test_frames_of_pretraining_have_no_labels_to_show(serve: Serve, small: Path):
    served = serve(small)
    (store,) = served.server.opened.found.stores
    here = {"store": store, "part": "pretrain-a", "frame": 3}
    facts = _json(served, "api/frame", **here)
    assert facts["modalities"] == ["rgb", "depth", "edges"]
    assert "classes" not in facts
    assert served.get("api/picture", **here, modality="semantic", size=32)[0] == 404
    shown = _json(served, "api/frame", **here | {"part": "eval-a"})
    assert sum(share for _, share in shown["classes"]) == pytest.approx(1, abs=0.01)


def test_a_thumbnail_reads_its_own_chunk_alone(serve: Serve, tmp_path: Path):
    """The bytes of the first chunk are damaged: another is drawn, and the damaged one is an error."""
    side, count = 64, 128  # more than a megabyte, below which files are summed whole
    values = np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)
    store = Store.create(tmp_path / "s", [ModalitySpec("rgb", "uint8", (side, side, 3), "1", "sensory")], [])
    space = Space("h", "f", "0" * 64, 0, "dense", "raycast", "a test")
    runs = [FrameRange("h", "eval", "p", 0, count)]
    store.write_part("p", {"rgb": values}, runs, [space], "c", [{"seed": 0}])
    (shard,) = (p for p in (tmp_path / "s/parts/p/rgb").rglob("*") if p.is_file() and p.name != "zarr.json")
    with shard.open("r+b") as file:
        file.seek(2000)
        file.write(b"damaged" * 10)
    served = serve(tmp_path / "s")
    (id,) = served.server.opened.found.stores
    asked = {"store": id, "part": "p", "modality": "rgb", "size": side}
    strip = _picture(served, "api/thumbnails", chunk=5, **asked)
    assert np.abs(strip[:, :side].astype(int) - values[80]).mean() < 60  # JPEG of noise
    status, _, body = served.get("api/thumbnails", chunk=0, **asked)
    assert status == 500
    assert b"part 'p'" in body


def test_a_search_finds_all_frames_of_a_class_and_no_other(serve: Serve, small: Path, monkeypatch):
    monkeypatch.setattr(viewer.frames, "_SEARCH_SECONDS", 0.0)  # every answer is of one chunk
    served = serve(small)
    (store,) = served.server.opened.found.stores
    opened = Store.open(small)
    wanted = int(opened.read("transfer-a", 25, 1, ["semantic"])["semantic"][0, 0, 0])
    for space, role in (("", "transfer"), ("house-4", "transfer"), ("", "")):
        runs = [r for r in opened.runs if space in ("", r.space) and role in ("", r.role)]
        truth, before = [], 0
        for run in runs:
            if run.role != "pretrain":
                values = opened.read(run.part, run.start, run.count, ["semantic"])["semantic"]
                truth += (before + np.flatnonzero((values == wanted).any(axis=(1, 2)))).tolist()
            before += run.count
        found, after = [], 0
        while after is not None:
            asked = {"store": store, "space": space, "role": role, "class": wanted, "after": after}
            answer = _json(served, "api/find", **asked)
            found += answer["found"]
            after = answer["next"]
        assert found == truth
        assert answer["total"] == before
        assert 0 < len(truth) < before


def test_cameras_of_a_space_are_those_of_the_store_evenly(serve: Serve, small: Path, monkeypatch):
    monkeypatch.setattr(viewer.frames, "_MOST_POSES", 20)
    served = serve(small)
    (store,) = served.server.opened.found.stores
    _, _, body = served.get("api/poses", store=store, space="house-2", role="pretrain")
    got = np.frombuffer(body, "<f4")
    opened = Store.open(small)
    poses = [opened.read("pretrain-a", 37, 20, ["pose"]), opened.read("pretrain-b", 0, 30, ["pose"])]
    every = np.concatenate([p["pose"] for p in poses])[::3]
    lens = opened.read("pretrain-a", 37, 1, ["intrinsics"])["intrinsics"][0]
    assert got[:8].tolist() == [3, *lens.tolist(), SIDE, SIDE, len(every)]
    assert np.allclose(got[8:].reshape(-1, 3, 4), every[:, :3])
    assert served.get("api/poses", store=store, space="no-such", role="")[0] == 404


def test_coverage_counts_frames_where_they_measured(serve: Serve, small: Path):
    """A camera at (1, 2, 3) that looks along z sees a plane at z = 5."""
    pose = np.eye(4)
    pose[:3, 3] = 1, 2, 3
    depth = np.full((4, 4), 2000)
    depth[0, 0] = 0
    points = unproject(depth, pose, np.array([2.0, 2.0, 2.0, 2.0]))
    assert len(points) == 15
    assert np.allclose(points[:, 2], 5)
    assert np.allclose(points[:, 0].min(), 1 - 1.5)
    served = serve(small)
    (store,) = served.server.opened.found.stores
    got = np.frombuffer(
        served.get("api/coverage", store=store, space="house-2", cube=500, frames=10)[2], "<f4"
    )
    assert got[:3].tolist() == [0.5, 10, 50]
    counts = got[3:].reshape(-1, 4)[:, 3]
    assert counts.max() <= 10
    assert counts.min() >= 1
