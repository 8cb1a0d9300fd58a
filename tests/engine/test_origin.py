"""Arrays that a network made of rgb: their origin is in the manifest and in every view, none is a label."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.commands import InfoConfig, info
from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.contents import contents
from engine.store.errors import MissingModalityError
from engine.store.manifest import Manifest
from engine.store.schema import ArrayOrigin
from engine.store.store import ModalitySpec, Store
from engine.stream.mixture import MixedFrames

from .conftest import space

ORIGIN = ArrayOrigin(
    network="clip",
    output="labels",
    external_access="pseudolabels",
    source="hub/clip",
    licence="MIT",
    digest="0" * 64,
    labelled_houses=("1" * 64,),
    classes=("chair", "lamp"),
)
SPEC = ModalitySpec("clip", "uint8", (4, 4), "class", "pseudolabel", ORIGIN)


def _derive(store: Store, spec: ModalitySpec = SPEC, parts: slice = slice(None)) -> Store:
    for number, part in enumerate(store.parts[parts]):
        rng = np.random.default_rng(number)
        store.add_derived(
            part.part,
            spec.name,
            {spec.name: rng.integers(0, 3, (part.frames, *spec.shape), np.uint8)},
            [spec],
        )
    return Store.open(store.path)


def test_a_manifest_without_origins_is_sealed_as_before():
    """Its seal stands in the manifests of what was derived from it, and in digests of views."""
    body = {
        "part": "pretrain-0",
        "role": "pretrain",
        "frames": 2,
        "config_hash": "h",
        "seeds": [],
        "modalities": [{"name": "rgb", "dtype": "uint8", "shape": [8, 8, 3], "unit": "1", "kind": "sensory"}],
        "runs": [{"space": "a", "role": "pretrain", "part": "pretrain-0", "start": 0, "count": 2}],
        "files": {},
    }
    assert Manifest.model_validate(body).seal == "99683c8b"  # of format 1 without origins


def test_an_origin_survives_the_disk_and_verifies(store):
    opened = _derive(store)
    assert opened.verify() == []
    derived = opened.derived(opened.parts[0].part)[0]
    assert derived.modality("clip") == SPEC
    assert Manifest.model_validate(json.loads(json.dumps(derived.model_dump(mode="json")))) == derived


def test_views_say_what_made_an_array(store):
    opened = _derive(store)
    pretrain, transfer = PretrainFrames(opened), TransferFrames(opened, [space(1), space(2)])
    for view in (pretrain, transfer, EvalFrames(opened), MixedFrames([pretrain, transfer], [1, 1])):
        assert "clip" in view.modalities
        assert view.origin_of("clip") == ORIGIN
        assert view.origin_of("rgb") is None
    with pytest.raises(MissingModalityError, match="dino"):
        pretrain.origin_of("dino")


def test_pretraining_reads_it_and_a_limited_view_hides_it(store):
    opened = _derive(store)
    pretrain, transfer = PretrainFrames(opened), TransferFrames(opened, [space(1), space(2)])
    assert pretrain.read([0, 1], ["clip"])["clip"].any()
    mixed = MixedFrames([pretrain, transfer], [1, 1], shows=[None, ["rgb"]])
    read = mixed.read([0, len(pretrain)], ["clip"])["clip"]
    assert read[0].any()
    assert not read[1].any()


def test_another_network_under_the_same_name_is_refused(store):
    opened = _derive(store, parts=slice(1))
    for other, words in (
        (replace(SPEC, origin=replace(ORIGIN, digest="2" * 64)), "222222222222.*choose another name"),
        (replace(SPEC, kind="sensory", origin=None), "means something else"),
    ):
        with pytest.raises(ValueError, match=words):
            _derive(opened, other, slice(1, None))


def test_parts_of_two_networks_are_an_error_of_the_view(store):
    """As they are where parts were copied together from two stores."""
    opened = _derive(store)
    name = f"{PretrainFrames(opened).parts().copy().popitem()[0]}.clip"
    other = replace(SPEC, origin=replace(ORIGIN, external_access="none"))
    opened._manifests[name] = opened._manifests[name].model_copy(update={"modalities": (other,)})
    with pytest.raises(ValueError, match="different networks"):
        PretrainFrames(opened).origin_of("clip")


def test_an_origin_belongs_to_pseudolabels_and_their_tokens():
    assert replace(SPEC, kind="token").origin == ORIGIN
    for wrong in ({"kind": "sensory"}, {"kind": "label"}, {"origin": None}):
        with pytest.raises(ValueError, match="origin"):
            replace(SPEC, **wrong)


def test_info_shows_external_access(store, capsys):
    assert contents(store)["external_access"] == ["none"]
    opened = _derive(store)
    assert contents(opened)["external_access"] == ["none", "pseudolabels"]
    info(InfoConfig(store=opened.path))
    printed = capsys.readouterr().out
    assert "external access: none, pseudolabels" in printed
    assert "by clip: hub/clip; external access pseudolabels; licence MIT" in printed
