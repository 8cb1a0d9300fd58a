"""Captions that others wrote, in files beside stores: learned from, evaluated with, and refused by name."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from engine.store.access import EvalFrames, Frames, TransferFrames
from engine.store.schema import ExternalAccess
from tests.training.conftest import TINY_TRANSFER, World
from tests.training.task_kit import CPU
from training.transfer.config import TransferConfig
from training.transfer.evaluate import evaluate
from training.transfer.tasks.captioning.caption_files import CaptionFile, read_caption_file
from training.transfer.transfer import transfer

pytest.importorskip("tokenizers")
WORDS = ("a blue sofa by the wall", "somebody's living room", "where is the cat?")


def write(path: Path, frames: Frames, **changed: Any) -> Path:
    """A file with two captions of every frame of a view."""
    captions = {str(i): [WORDS[i % 3], f"view number {i % 4}"] for i in range(len(frames))}
    content = {"frames_digest": frames.digest(), "source": "a person", "external_access": "internet"}
    path.write_text(json.dumps({**content, "captions": captions} | changed))
    return path


def config(*files: Path, **fields: Any) -> TransferConfig:
    own = {"files": files, "captions": 2, "decoder": {"depth": 1}, "vocabulary": 300}
    fields = {"task": "captioning", "flip": False, "samples": 32, "captioning": own} | fields
    return TransferConfig.model_validate(TINY_TRANSFER.model_dump() | fields)


def test_captions_of_files_are_learned_from_and_their_access_is_recorded(world: World, tmp_path):
    files = [write(tmp_path / f"{f.role}.json", f) for f in (world.transfer, world.eval)]
    metrics = transfer(config(*files), world.transfer, None, tmp_path / "tuned")
    (learned, evaluated) = metrics["caption_files"]
    assert learned == {
        "frames_digest": world.transfer.digest(),
        "source": "a person",
        "external_access": "internet",
    }
    assert evaluated["frames_digest"] == world.eval.digest()
    assert metrics["external_access"] == "internet"
    scores = evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "scores")
    assert scores["external_access"] == "internet"
    assert [k["source"] for k in scores["knowledge"]] == ["a person"]
    assert "tuple_f1" not in scores
    assert scores["cider_of_a_reference"] > 1
    said = json.loads((tmp_path / "scores" / "captions.json").read_text())
    assert [of["references"] for of in said[:2]] == [[WORDS[0], "view number 0"], [WORDS[1], "view number 1"]]


def test_no_map_of_the_store_is_read_where_captions_are_of_files(world: World, tmp_path, monkeypatch):
    files = [write(tmp_path / f"{f.role}.json", f) for f in (world.transfer, world.eval)]
    read: set[tuple[type[Frames], str]] = set()
    original = Frames.read

    def noted(self: Frames, ids: Any, modalities: Any) -> Any:
        read.update((type(self), name) for name in modalities)
        return original(self, ids, modalities)

    monkeypatch.setattr(Frames, "read", noted)
    transfer(config(*files), world.transfer, None, tmp_path / "tuned")
    evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "scores")
    assert read == {(TransferFrames, "rgb"), (EvalFrames, "rgb")}


def test_mirrors_and_windows_are_refused(tmp_path):
    for fields in ({"flip": True}, {"crop": 0.5}):
        with pytest.raises(ValidationError, match="set flip to false and crop to 1"):
            config(tmp_path / "captions.json", **fields)


def test_a_view_without_a_file_is_named_with_its_digest(world: World, tmp_path):
    file = write(tmp_path / "eval.json", world.eval)
    with pytest.raises(ValueError, match=world.transfer.digest()):
        transfer(config(file), world.transfer, None, tmp_path / "tuned")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"external_access": "some"}, "external_access"),
        ({"captions": {"0": ["one"]}}, "frame 0 has 1 captions, and 2"),
        ({"captions": {"0": ["one", " "]}}, "frame 0 has 2 captions, and 2 that are not empty"),
        ({"captions": {"first": ["one", "two"]}}, "captions.first"),
        ({"captions": {"0": ["one", "two"]}}, "frame 1 of the view has no captions"),
        ({"by": "me"}, "by: Extra inputs"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(world: World, tmp_path, changed: Any, words: str):
    file = write(tmp_path / "captions.json", world.transfer, **changed)
    with pytest.raises(ValueError, match=words):
        transfer(config(file), world.transfer, None, tmp_path / "tuned")
    with pytest.raises(ValueError, match="is not there"):
        read_caption_file(tmp_path / "nowhere.json", 1)


def test_the_words_for_external_access_are_those_of_a_store():
    assert get_args(CaptionFile.model_fields["external_access"].annotation) == get_args(ExternalAccess)
