"""TTT-MAE: many images adapted at once are each adapted as alone, by an optimiser of torch's."""

import copy

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from tests.training.tiny_world import draw_frames
from training.adaptation.mae import AdaptationConfig, adapt, adapt_online, masks, moves
from training.models.encoder import EncoderConfig
from training.pretrain.mae import MaskedAutoencoder

CONFIG = AdaptationConfig(steps=4, masks=6, lr=0.02)
ENCODERS = {
    "as it is": EncoderConfig(dim=32, depth=2, patch=8),
    "a class token, biases": EncoderConfig(dim=32, depth=1, patch=8, registers=1, bias=True, mlp="gelu"),
}


def model(encoder: EncoderConfig = ENCODERS["as it is"]) -> MaskedAutoencoder:
    return MaskedAutoencoder(encoder, 32, 0.75, 1, seed=3)


@pytest.fixture
def images() -> UInt8[Tensor, "b h w 3"]:
    return torch.from_numpy(draw_frames(5, 32, np.random.default_rng(0))["rgb"])


def one_by_one(
    trained: MaskedAutoencoder, image: UInt8[Tensor, "h w 3"], number: int
) -> tuple[Float[Tensor, "n d"], list[float], MaskedAutoencoder]:
    """Features, losses and model after steps on one image, by autograd and torch's gradient descent."""
    own = copy.deepcopy(trained)
    parameters = [p for name, p in own.named_parameters() if moves(name)]
    optimiser = torch.optim.SGD(parameters, lr=CONFIG.lr, momentum=CONFIG.momentum)
    losses = []
    for order in masks(own.slots, number, CONFIG):
        seen, hidden = torch.from_numpy(order).split([own.visible, own.slots - own.visible], dim=1)
        batch = {"rgb": image.repeat(len(order), 1, 1, 1), "inputs": seen, "targets": hidden}
        loss = own(batch)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        return own.encoder(image[None])[0], losses, own


@pytest.mark.parametrize("encoder", ENCODERS)
def test_many_at_once_are_each_as_alone(images, encoder):
    trained = model(ENCODERS[encoder])
    before = {name: p.clone() for name, p in trained.state_dict().items()}
    ids = [7, 3, 11, 0, 4]
    adapted = adapt(trained, images, ids, CONFIG)
    for place, number in enumerate(ids):
        features, losses, own = one_by_one(trained, images[place], number)
        torch.testing.assert_close(adapted.features[place], features, rtol=0, atol=1e-6)
        torch.testing.assert_close(adapted.losses[place], torch.tensor(losses), rtol=0, atol=1e-6)
        for name, p in own.named_parameters():
            if moves(name):
                torch.testing.assert_close(adapted.parameters[name][place], p.detach(), rtol=0, atol=1e-6)
            else:
                assert name not in adapted.parameters
                assert torch.equal(p, before[name])
    assert all(torch.equal(before[name], p) for name, p in trained.state_dict().items())


def test_masks_depend_on_image_and_seed_not_on_the_batch(images):
    whole = adapt(model(), images, range(5), CONFIG)
    part = adapt(model(), images[2:4], [2, 3], CONFIG)
    torch.testing.assert_close(part.features, whole.features[2:4], rtol=0, atol=1e-6)
    other = adapt(model(), images[2:4], [2, 3], CONFIG.model_copy(update={"seed": 1}))
    assert not torch.allclose(other.losses, part.losses)


def test_steps_lower_the_loss_and_leave_the_decoder_alone(images):
    adapted = adapt(model(), images, range(5), CONFIG.model_copy(update={"steps": 20}))
    assert (adapted.losses[:, -3:].mean(1) < adapted.losses[:, :3].mean(1)).all()
    names = set(adapted.parameters)
    assert "mask_embedding" in names
    assert not {name for name in names if name.startswith(("blocks", "context", "pixels", "norm"))}


def test_no_steps_are_the_trained_encoder(images):
    trained = model()
    adapted = adapt(trained, images, range(5), CONFIG.model_copy(update={"steps": 0}))
    assert adapted.losses.shape == (5, 0)
    with torch.no_grad():
        torch.testing.assert_close(adapted.features, trained.encoder(images), rtol=0, atol=1e-6)


def test_online_each_image_begins_where_the_last_one_ended(images):
    trained = model()
    states = list(adapt_online(trained, images[:3], [0, 1, 2], CONFIG))
    apart = adapt(trained, images[:3], [0, 1, 2], CONFIG)
    torch.testing.assert_close(states[0].features[0], apart.features[0], rtol=0, atol=1e-6)
    carried = trained
    for number, state in enumerate(states):
        features, losses, carried = one_by_one(carried, images[number], number)
        torch.testing.assert_close(state.features[0], features, rtol=0, atol=2e-6)
        torch.testing.assert_close(state.losses[0], torch.tensor(losses), rtol=0, atol=2e-6)
    assert not torch.allclose(states[2].features[0], apart.features[2], atol=1e-4)
    (again,) = adapt_online(trained, images[2:3], [2], CONFIG, start=states[1].parameters)
    torch.testing.assert_close(again.features, states[2].features)
