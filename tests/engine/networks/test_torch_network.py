"""How frames become the input of a module, and what a network's digest is of."""

import numpy as np
import pytest
import torch
from PIL import Image

from engine.networks.efficientnet_lite import EfficientNetLite0Config
from engine.networks.registry import NETWORKS
from engine.networks.torch_network import Preparation, output_of, seeded


@pytest.mark.parametrize("resize", ["bilinear", "bicubic"])
@pytest.mark.parametrize("image", [24, 80])
def test_resizing_is_that_of_pillow(resize, image: int):
    """Which models are published with. It rounds after each axis, and clips there too: levels stay inside."""
    rgb = np.random.default_rng(0).integers(90, 160, (8, 8, 3), np.uint8).repeat(6, 0).repeat(6, 1)
    prepare = Preparation(image, mean=(0, 0, 0), std=(1, 1, 1), resize=resize)
    ours = prepare(torch.from_numpy(rgb)[None])[0].permute(1, 2, 0).numpy() * 255
    way = Image.Resampling.BILINEAR if resize == "bilinear" else Image.Resampling.BICUBIC
    theirs = np.asarray(Image.fromarray(rgb).resize((image, image), way)).astype(float)
    assert np.abs(ours - theirs).max() < 1.5


def test_mean_and_deviation_are_of_rgb_whatever_the_order():
    rgb = torch.tensor([255, 0, 51], dtype=torch.uint8).expand(1, 4, 4, 3)
    prepare = Preparation(4, mean=(0.5, 0.0, 0.1), std=(0.5, 1.0, 0.2))
    torch.testing.assert_close(prepare(rgb)[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.5]))
    bgr = Preparation(4, mean=(0.5, 0.0, 0.1), std=(0.5, 1.0, 0.2), bgr=True)
    torch.testing.assert_close(bgr(rgb)[0, :, 0, 0], torch.tensor([0.5, 0.0, 1.0]))


def test_a_digest_is_of_all_that_an_output_depends_on():
    base = EfficientNetLite0Config(weights="untrained", image=64)
    others = [{"seed": 1}, {"image": 96}, {"stride": 8}]
    digests = {base.model_copy(update=update).load(64).origin.digest for update in [{}, *others]}
    assert len(digests) == 4
    assert base.model_copy(update={"device": "cpu"}).load(64).origin.digest in digests


def test_random_weights_leave_the_generator_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with seeded(0):
        torch.rand(5)
    assert torch.rand(1) == expected


def test_a_gpu_that_is_not_there_is_said():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match="finds no CUDA device"):
        EfficientNetLite0Config(weights="untrained", device="cuda").load(64)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_an_output_is_known_without_weights(name: str):
    tiny = {"shape": "tiny"} if "shape" in NETWORKS[name].model_fields else {}
    config = NETWORKS[name].model_validate({"weights": "untrained", **tiny})
    assert output_of(config, 64) == config.load(64).output
    if not tiny:
        lacking = config.model_copy(update={"weights": "no/such/folder"})
        assert output_of(lacking, 64) == config.load(64).output
