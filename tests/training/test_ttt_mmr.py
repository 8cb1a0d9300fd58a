"""TTT-MMR: five recorded steps come out the same, and what the recording does not show."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tests.training.tiny_world import draw_frames
from training.adaptation.mmr import adapt
from training.models.blocks import initialise
from training.models.encoder import EncoderConfig, build_encoder
from training.reconstruction.decoder import (
    ReconstructionDecoder,
    Target,
    TargetSpec,
    reconstruction_loss,
)
from training.reconstruction.targets import SENSORS, learn_statistics, sensor_specs, sensor_targets

RECORDING = Path(__file__).parents[1] / "golden/modality_generalization/ttt_mmr.npz"
SPECS = (
    TargetSpec("depth", 1),
    TargetSpec("normal", 3),
    TargetSpec("semantic", 5, categorical=True),
    TargetSpec("camera", 2, of_image=True),
)


class Convolutions(nn.Module):
    """The recording's encoder, its features of patches row by row."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.GELU(), nn.Conv2d(8, 8, 1))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n d"]:
        return self.layers(x).flatten(2).transpose(1, 2)


@pytest.fixture
def recording() -> dict[str, Tensor]:
    with np.load(RECORDING) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def built(recording: dict[str, Tensor]) -> tuple[Convolutions, ReconstructionDecoder, dict[str, Target]]:
    encoder, decoder = Convolutions().double(), ReconstructionDecoder(8, 4, 16, SPECS).double()
    encoder.load_state_dict({f"layers.{n[4:]}": v for n, v in recording.items() if n.startswith("enc/")})
    decoder.load_state_dict(
        {"linear.weight": recording["head/weight"][..., 0, 0], "linear.bias": recording["head/bias"]}
    )
    return (
        encoder,
        decoder,
        {
            "depth": Target(recording["depth"], recording["depth_valid"][:, 0]),
            "normal": Target(recording["normal"]),
            "semantic": Target(recording["sem"], recording["sem_valid"]),
            "camera": Target(recording["cam"]),
        },
    )


def head(recording: dict[str, Tensor], features: Float[Tensor, "b n d"]) -> Float[Tensor, "b c"]:
    pooled = F.layer_norm(features.mean(1), (8,), recording["task/2.weight"], recording["task/2.bias"], 1e-6)
    return F.linear(pooled, recording["task/3.weight"], recording["task/3.bias"])


def test_five_recorded_steps_come_out_the_same(recording):
    encoder, decoder, targets = built(recording)
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    for number, state in zip(range(6), adapt(encoder, decoder, recording["x"], targets), strict=False):
        for name in targets:
            torch.testing.assert_close(
                state.losses[name], recording[f"it{number}/loss_{name}"], equal_nan=True
            )
            if number:
                recorded = recording[f"it{number - 1}/gradnorm_{name}"]
                assert state.norms[name] == pytest.approx(recorded.item(), abs=1e-12)
        if number:
            for name, p in state.parameters.items():
                recorded = recording[f"it{number}/enc/{name.removeprefix('layers.')}"]
                torch.testing.assert_close(p, recorded, rtol=0, atol=1e-12)
        logits = head(recording, state.features)
        torch.testing.assert_close(logits, recording[f"it{number}/task_logits"], rtol=0, atol=1e-12)
        risk = F.cross_entropy(logits, recording["y"])
        torch.testing.assert_close(risk, recording[f"it{number}/task_ce"], rtol=0, atol=1e-12)
    assert all(torch.equal(before[name], p) for name, p in encoder.named_parameters())


def test_classes_and_values_of_pixels_without_one_do_not_matter(recording):
    encoder, decoder, targets = built(recording)
    other = dict(targets)
    values, valid = targets["depth"]
    other["depth"] = Target(values.masked_fill(~valid[:, None], torch.nan), valid)
    values, valid = targets["semantic"]
    other["semantic"] = Target(values.masked_fill(~valid, 255), valid)
    (_, one), (_, two) = (
        itertools.islice(adapt(encoder, decoder, recording["x"], given), 2) for given in (targets, other)
    )
    assert all(torch.equal(one.parameters[name], two.parameters[name]) for name in one.parameters)


def test_a_target_that_no_image_has_counts_for_nothing(recording):
    encoder, decoder, targets = built(recording)
    nothing = {"depth": Target(recording["depth"], torch.zeros_like(recording["depth_valid"][:, 0]))}
    normals = {"normal": targets["normal"]}
    _, still = itertools.islice(adapt(encoder, decoder, recording["x"], nothing), 2)
    assert all(torch.equal(still.parameters[name], p) for name, p in encoder.named_parameters())
    assert still.norms == {}
    (_, one), (_, two) = (
        itertools.islice(adapt(encoder, decoder, recording["x"], given), 2)
        for given in (normals, nothing | normals)
    )
    assert one.norms.keys() == two.norms.keys() == {"normal"}
    assert all(torch.equal(one.parameters[name], two.parameters[name]) for name in one.parameters)
    with pytest.raises(ValueError, match="no target is among rgb: the decoder reconstructs depth, normal"):
        decoder.losses(encoder(recording["x"]), {"rgb": targets["normal"]})


def test_the_joint_loss_is_the_mean_over_what_there_is(recording):
    encoder, decoder, targets = built(recording)
    losses = decoder.losses(encoder(recording["x"]), targets)
    whole = torch.cat(list(losses.values()))
    assert whole.isnan().sum() == 1  # the image without depth
    torch.testing.assert_close(reconstruction_loss(losses), whole[~whole.isnan()].mean())
    reconstruction_loss(losses).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in decoder.parameters())


def test_steps_lower_the_reconstruction_on_the_projects_encoder_and_sensors():
    rng = np.random.default_rng(0)
    specs = sensor_specs(("rgb", "depth", "normals", "edges"))
    images = {name: torch.from_numpy(v) for name, v in draw_frames(8, 32, rng).items() if name in SENSORS}
    statistics = learn_statistics(specs, [images])
    assert json.loads(json.dumps(statistics)) == statistics
    targets = sensor_targets(specs, images, statistics)
    for name, (values, valid) in targets.items():
        if name == "edges":
            assert set(values.unique().tolist()) <= {0, 1}
            continue
        there = values.transpose(0, 1).flatten(1)
        there = there if valid is None else there[:, valid.flatten()]
        torch.testing.assert_close(there.mean(1), torch.zeros(len(there)), rtol=0, atol=1e-4)
    encoder = build_encoder(EncoderConfig(dim=32, depth=1, patch=8), 32, 0)
    decoder = ReconstructionDecoder(32, 4, 32, specs)
    initialise(decoder, torch.Generator().manual_seed(1))
    states = list(itertools.islice(adapt(encoder, decoder, images["rgb"], targets, rate=0.1), 6))
    means = [float(reconstruction_loss(state.losses)) for state in states]
    assert means == sorted(means, reverse=True)
    assert sensor_targets(specs, {"rgb": images["rgb"]}, statistics).keys() == {"rgb"}
    with pytest.raises(ValueError, match="'semantic' cannot be reconstructed; choose from rgb, depth"):
        sensor_specs(("rgb", "semantic"))
