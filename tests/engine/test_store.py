"""The store keeps what was written, says what it is, and refuses what does not fit."""

import pickle
import warnings

import numpy as np
import pytest
import zarr

from engine.store.contents import contents
from engine.store.errors import (
    DamagedPartError,
    MissingModalityError,
    MissingPartError,
    NotAStoreError,
    PartExistsError,
    SpaceConflictError,
    StoreExistsError,
)
from engine.store.schema import FrameRange, Space
from engine.store.store import ModalitySpec, Store

from .conftest import LABELS, SPECS, add_part, arrays, build, space


def test_every_modality_comes_back_as_written(store):
    written = arrays("transfer", 39, seed=3)
    read = Store.open(store.path).read("transfer-a", 0, 39, list(written))
    for name, values in written.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)


@pytest.mark.parametrize(("start", "count"), [(0, 1), (15, 2), (5, 30), (38, 1), (7, 0)])
def test_any_stretch_can_be_read(store, start, count):
    written = arrays("transfer", 39, seed=3)
    read = store.read("transfer-a", start, count, ["rgb", "pose"])
    np.testing.assert_array_equal(read["rgb"], written["rgb"][start : start + count])
    np.testing.assert_array_equal(read["pose"], written["pose"][start : start + count])


def test_zarr_python_opens_the_same_arrays(store):
    written = arrays("eval", 19, seed=4)
    root = zarr.open_group(str(store.path), mode="r")
    for name, values in written.items():
        array = root[f"parts/eval-a/{name}"]
        assert isinstance(array, zarr.Array)
        np.testing.assert_array_equal(array[:], values)
        assert array.shards is not None
        assert array.chunks[0] == 16
    facts = root.attrs["testspace"]
    assert [m["name"] for m in facts["modalities"]] == [m.name for m in SPECS]
    assert facts["labels"] == LABELS


def test_codecs_are_those_of_the_design(store):
    part = zarr.open_group(str(store.path / "parts" / "eval-a"), mode="r")
    names = {}
    for name in ("rgb", "depth", "edges", "semantic"):
        inner = part[name].metadata.to_dict()["codecs"][0]["configuration"]["codecs"]
        names[name] = [(c["name"], c.get("configuration", {})) for c in inner if c["name"] != "bytes"]
    for name in ("rgb", "semantic"):
        assert names[name][0][0] == "zstd"
        assert names[name][0][1]["checksum"] is True
    for name, shuffle in (("depth", "shuffle"), ("edges", "bitshuffle")):
        assert [n for n, _ in names[name]] == ["blosc", "crc32c"]
        assert names[name][0][1]["shuffle"] == shuffle


def test_zeros_are_written_like_anything_else(tmp_path):
    """An absent chunk must mean damage, so chunks of zeros have to be there."""
    store = Store.create(tmp_path / "s", SPECS, LABELS)
    values = {n: np.zeros_like(v) for n, v in arrays("eval", 20, seed=0).items()}
    store.write_part("e", values, [FrameRange("house-1", "eval", "e", 0, 20)], [space(1)], "c", [])
    assert not store.read("e", 0, 20, ["rgb"])["rgb"].any()
    assert "rgb/c/0/0/0/0" in store.part("e").files


def test_what_a_store_holds(store):
    opened = Store.open(store.path)
    assert [p.part for p in opened.parts] == ["eval-a", "pretrain-a", "pretrain-b", "transfer-a"]
    assert [s.id for s in opened.spaces] == ["house-1", "house-2", "house-3", "house-4"]
    assert FrameRange("house-2", "pretrain", "pretrain-a", 37, 20) in opened.runs
    info = contents(opened)
    assert info["frames"] == {"pretrain": 87, "transfer": 39, "eval": 19}
    assert info["spaces"] == {"pretrain": 2, "transfer": 2, "eval": 1}
    on_disk = sum(f.stat().st_size for p in opened.parts for f in _files(store, p.part))
    assert info["bytes"] == on_disk


def _files(store, part):
    folder = store.path / "parts" / part
    return [f for f in folder.rglob("*") if f.is_file() and f.name != "MANIFEST.json"]


def test_same_arrays_same_bytes(tmp_path):
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    for part in one.parts:
        assert part == other.part(part.part)


def test_no_warnings_for_readers_of_arrays(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zarr.open_array(str(store.path / "parts" / "eval-a" / "rgb"), mode="r")[:3]


def test_a_store_pickles_as_its_path(store):
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(
        again.read("eval-a", 0, 19, ["depth"])["depth"], store.read("eval-a", 0, 19, ["depth"])["depth"]
    )


def test_pretraining_parts_take_no_labels(store):
    values = arrays("eval", 5, seed=9)
    runs = [FrameRange("house-1", "pretrain", "sly", 0, 5)]
    with pytest.raises(ValueError, match=r"no labels.*semantic"):
        store.write_part("sly", values, runs, [space(1)], "c", [])
    spec = ModalitySpec("more_labels", "uint8", (2,), "1", "label")
    with pytest.raises(ValueError, match="no label"):
        store.add_derived("pretrain-a", "x", {"more_labels": np.zeros((57, 2), np.uint8)}, [spec])


def test_a_part_has_one_role(store):
    runs = [FrameRange("house-1", "transfer", "mixed", 0, 3), FrameRange("house-1", "eval", "mixed", 3, 2)]
    with pytest.raises(ValueError, match="exactly one role"):
        store.write_part("mixed", arrays("eval", 5, seed=9), runs, [space(1)], "c", [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"rgb": a["rgb"][:4]}, "same number"),
        (lambda a: a | {"rgb": a["rgb"].astype(np.int16)}, "uint8"),
        (lambda a: a | {"rgb": a["rgb"][:, :4]}, "a frame, not"),
        (lambda a: a | {"smell": a["rgb"]}, "no modality 'smell'"),
        (lambda a: {}, "do not match|at least one"),
    ],
)
def test_arrays_must_fit_the_table(store, change, message):
    with pytest.raises(ValueError, match=message):
        store.write_part(
            "new",
            change(arrays("eval", 5, seed=9)),
            [FrameRange("house-1", "eval", "new", 0, 5)],
            [space(1)],
            "c",
            [],
        )
    assert not [p for p in (store.path / "parts").iterdir() if p.name.startswith("new")]


@pytest.mark.parametrize("run", [(0, 4), (1, 5), (0, 6)])
def test_runs_must_cover_the_part(store, run):
    with pytest.raises(ValueError, match=r"runs cover|follow"):
        store.write_part(
            "new",
            arrays("eval", 5, seed=9),
            [FrameRange("house-1", "eval", "new", *run)],
            [space(1)],
            "c",
            [],
        )


def test_one_id_is_one_house(store):
    other = Space("house-1", "procthor", "f" * 64, 1, "dense", "raycast", "another house")
    with pytest.raises(SpaceConflictError, match="house-1"):
        store.write_part(
            "n", arrays("eval", 5, seed=9), [FrameRange("house-1", "eval", "n", 0, 5)], [other], "c", []
        )


def test_parts_are_never_overwritten(store):
    before = store.read("eval-a", 0, 19, ["rgb"])["rgb"]
    with pytest.raises(PartExistsError, match="eval-a"):
        add_part(store, "eval-a", "eval", [(1, 19)], seed=77)
    np.testing.assert_array_equal(store.read("eval-a", 0, 19, ["rgb"])["rgb"], before)


def test_errors_name_what_is_wrong(store, tmp_path):
    with pytest.raises(NotAStoreError, match="no store at"):
        Store.open(tmp_path / "nowhere")
    with pytest.raises(StoreExistsError, match="already"):
        Store.create(store.path, SPECS, LABELS)
    with pytest.raises(MissingPartError, match="no part 'x'"):
        store.read("x", 0, 1, ["rgb"])
    with pytest.raises(MissingModalityError, match=r"pretrain-a.*no 'semantic'.*rgb"):
        store.read("pretrain-a", 0, 1, ["semantic"])
    with pytest.raises(ValueError, match="which has 57"):
        store.read("pretrain-a", 50, 10, ["rgb"])


def test_derived_arrays_stand_beside_the_part(store):
    tokens = np.arange(57 * 4, dtype=np.uint16).reshape(57, 2, 2)
    spec = ModalitySpec("tok_rgb", "uint16", (2, 2), "1", "token")
    store.add_derived("pretrain-a", "tokens", {"tok_rgb": tokens}, [spec], config_hash="t")
    opened = Store.open(store.path)
    read = opened.read("pretrain-a", 10, 30, ["rgb", "tok_rgb"])
    np.testing.assert_array_equal(read["tok_rgb"], tokens[10:40])
    assert [p.part for p in opened.parts] == [p.part for p in store.parts]  # not a part of frames
    assert opened.derived("pretrain-a")[0].config_hash == "t"
    assert "tok_rgb" in [m.name for m in opened.modalities]
    assert opened.verify() == []
    with pytest.raises(PartExistsError):
        store.add_derived("pretrain-a", "tokens", {"tok_rgb": tokens}, [spec])
    with pytest.raises(ValueError, match="already"):
        store.add_derived("pretrain-a", "others", {"tok_rgb": tokens}, [spec])
    with pytest.raises(ValueError, match="derive all of it"):
        store.add_derived(
            "pretrain-a",
            "short",
            {"tok_b": tokens[:5]},
            [ModalitySpec("tok_b", "uint16", (2, 2), "1", "token")],
        )


def test_derived_arrays_belong_to_one_version_of_a_part(store):
    spec = ModalitySpec("tok", "uint16", (1,), "1", "token")
    store.add_derived("eval-a", "t", {"tok": np.ones((19, 1), np.uint16)}, [spec])
    # The part alone is replaced by another of the same name; remove_part would take its tokens along.
    other = Store.create(store.path.parent / "other", SPECS, LABELS)
    add_part(other, "eval-a", "eval", [(1, 19)], seed=5)
    (store.path / "parts" / "eval-a").rename(store.path.parent / "old")
    (other.path / "parts" / "eval-a").rename(store.path / "parts" / "eval-a")
    opened = Store.open(store.path)
    with pytest.raises(DamagedPartError, match="another version"):
        opened.read("eval-a", 0, 1, ["tok"])
    assert any("another version" in p.what for p in opened.verify())


def test_removing_takes_what_was_derived_along(store):
    spec = ModalitySpec("tok", "uint16", (1,), "1", "token")
    store.add_derived("eval-a", "t", {"tok": np.ones((19, 1), np.uint16)}, [spec])
    store.remove_part("eval-a")
    assert contents(Store.open(store.path))["frames"]["eval"] == 0
    assert not list((store.path / "parts").glob("eval-a*"))
