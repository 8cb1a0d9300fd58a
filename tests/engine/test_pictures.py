"""What networks made of rgb, drawn: feature maps, maps of classes, edges, boxes."""

from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from engine.collect.derive import DeriveConfig, derive
from engine.networks import registry
from engine.store.pictures import palette, picture, principal_components, tiles
from engine.store.schema import ArrayOrigin, OutputKind
from engine.store.show import contact_sheet
from engine.store.store import ModalitySpec, Store

from .networks.tiny import TinyConfig


def spec(output: OutputKind, shape: tuple[int, ...], dtype: str) -> ModalitySpec:
    origin = ArrayOrigin("n", output, "none", "s", "", "d", classes=("chair", "lamp"))
    return ModalitySpec("x", dtype, shape, "", "pseudolabel", origin)


def test_components_are_those_of_greatest_variance_over_all_frames():
    """Two frames, features along one axis of 16; noise of the others is far smaller."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 4, 4, 16)) * 0.01
    features[:, :, 2:] += np.eye(16)[5]
    features[1] += 0.5 * np.eye(16)[5]
    red = principal_components(features.astype(np.float16))[..., 0].astype(int)
    levels = [red[0, :, :2], red[1, :, :2], red[0, :, 2:], red[1, :, 2:]]  # 0, 0.5, 1, 1.5 along the axis
    assert all(low.max() < high.min() for low, high in pairwise(levels))
    assert levels[0].max() < 15
    assert levels[-1].min() > 240


def test_fewer_channels_than_colours_and_constant_maps_are_drawn():
    assert not principal_components(np.random.default_rng(0).random((1, 4, 4, 2)))[..., 2].any()
    assert not principal_components(np.ones((2, 4, 4, 8), np.float16)).any()


def test_depth_of_a_network_is_drawn_as_that_of_a_sensor():
    value = np.uint16([[0, 500], [2000, 60000]])
    sensed = ModalitySpec("depth", "uint16", (2, 2), "mm", "sensory")
    np.testing.assert_array_equal(picture(spec("depth", (2, 2), "uint16"), value), picture(sensed, value))


def test_maps_of_classes_take_their_colours_from_the_palette_unblurred():
    value = np.repeat(np.uint8([[0, 1], [2, 1]]), 4, axis=0).repeat(4, axis=1)[None]
    (tile,) = tiles(spec("labels", (8, 8), "uint8"), value, (24, 24))
    np.testing.assert_array_equal(np.asarray(tile)[::12, ::12], palette()[[[0, 1], [2, 1]]])
    assert len(np.unique(np.asarray(tile).reshape(-1, 3), axis=0)) == 3


def test_boxes_are_drawn_on_the_frame_with_the_names_of_their_classes():
    boxes = np.zeros((1, 3, 6), np.float32)
    boxes[0, 0] = [0.25, 0.25, 0.75, 0.75, 2, 0.9]
    boxes[0, 1] = [0.0, 0.0, 0.1, 0.1, 1, 0.1]  # unsure
    rgb = np.full((1, 50, 50, 3), 7, np.uint8)
    (tile,) = tiles(spec("boxes", (3, 6), "float32"), boxes, (100, 100), rgb)
    pixels = np.asarray(tile)
    np.testing.assert_array_equal(pixels[60, 25], palette()[2])
    np.testing.assert_array_equal(pixels[74, 60], palette()[2])
    assert (pixels[:25, :25] == 7).all()
    assert (pixels[26:40, 26:50].min(axis=-1) > 180).any()  # the name, in white
    assert (pixels[50, 50] == 7).all()


@pytest.fixture
def derived(store, monkeypatch) -> Path:
    """A store whose parts of pre-training have every kind of output."""
    monkeypatch.setitem(registry.NETWORKS, "tiny", TinyConfig)
    for kind in get_args(OutputKind):
        derive(
            DeriveConfig(
                store=store.path,
                network="tiny",
                modality=f"tiny_{kind}",
                options={"kind": kind},
                roles=("pretrain",),
                actors=0,
            )
        )
    return store.path


def test_a_sheet_has_a_row_for_what_was_derived(derived):
    store = Store.open(derived)
    pretrain, other = (contact_sheet(store, 4, role=role) for role in ("pretrain", "transfer"))
    bare = _sheet_without_derived(store)
    assert pretrain.height == bare.height + 5 * 114 + 20 + 14  # no row of vector and text; one line of legend
    assert other.height < pretrain.height


def _sheet_without_derived(store: Store):
    for part in store.parts:
        for derived in store.derived(part.part):
            store.remove_part(derived.part)
    return contact_sheet(store, 4, role="pretrain")
