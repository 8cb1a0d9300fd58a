"""Structure of the encoder-decoder: counts that sum, who attends to whom, invariances."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from training.blocks import attention, sincos_2d, swiglu_hidden
from training.masking import MaskingConfig
from training.model import EncoderConfig, TokenSpec, build_encoder
from training.objectives import MaskedAutoencoder, MultimodalObjective

CONFIG = EncoderConfig(dim=64, depth=2, patch=8)
SPECS = (
    TokenSpec("rgb", "tok_rgb", 4, 32, pixels=True),
    TokenSpec("depth", "tok_depth", 4, 24),
    TokenSpec("edges", "tok_edges", 4, 16),
)


def objective(seed: int = 0) -> MultimodalObjective:
    return MultimodalObjective(CONFIG, 32, SPECS, MaskingConfig(inputs=10, targets=14), 2, seed)


def frames(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tokens = {s.array: rng.integers(0, s.codes, (count, 4, 4)).astype(np.uint16) for s in SPECS}
    return {"rgb": rng.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8), **tokens}


def test_parameters_sum_and_match_the_formula():
    model = objective().model
    counts = model.parameter_counts()
    d, h = 64, swiglu_hidden(64)
    attention_, mlp = 4 * d * d, 3 * d * h
    assert counts["encoder"] == 2 * (attention_ + mlp + 2 * d) + 3 * 8 * 8 * d + d + d
    assert counts["blocks"] == 2 * (2 * attention_ + mlp + 4 * d)
    assert counts["heads"] == (32 + 24 + 16) * d
    assert counts["tables"] == (24 + 16) * d


def test_flops_are_what_torch_counts():
    model = objective().eval()
    batch = model.prepare(frames(3), np.random.default_rng(0))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch)
    ours = model.flops()
    # The heads see as many targets as the masks gave them; everything else is the same for every sample.
    heads = sum(2 * 64 * s.codes * len(batch["rows"][s.name]) for s in SPECS)
    assert counter.get_total_flops() == 3 * (sum(ours.values()) - ours["heads"]) + heads


def test_flops_of_the_autoencoder_are_what_torch_counts():
    model = MaskedAutoencoder(CONFIG, 32, 0.75, 2, 0).eval()
    batch = model.prepare(frames(3), np.random.default_rng(0))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch)
    assert counter.get_total_flops() == 3 * sum(model.flops().values())


def test_targets_attend_within_their_modality_only():
    model = objective().eval()
    batch = model.prepare(frames(1), np.random.default_rng(1))
    context = torch.randn(1, 10, 64, generator=torch.Generator().manual_seed(0))
    # Slots 16.. are depth's, 32.. are edges'. What changes among edges must not reach depth.
    targets = torch.tensor([[16, 18, 21, 33, 35]])
    moved = torch.tensor([[16, 18, 21, 40, 47]])
    a, b = model.model.decode(context, targets), model.model.decode(context, moved)
    torch.testing.assert_close(a[:, :3], b[:, :3], rtol=0, atol=1e-6)
    assert (a[:, 3:] - b[:, 3:]).abs().max() > 1e-3
    # And within depth it must.
    c = model.model.decode(context, torch.tensor([[16, 18, 30, 33, 35]]))
    assert (a[:, :2] - c[:, :2]).abs().max() > 1e-5
    assert batch["targets"].shape == (1, 14)


def test_samples_do_not_see_each_other():
    model = objective().eval()
    data, rng = frames(4), np.random.default_rng(2)
    batch = model.prepare(data, rng)
    context = model.model.context_of(
        torch.randn(4, 16, 192, generator=torch.Generator().manual_seed(0)), batch["tokens"], batch["inputs"]
    )
    whole = model.model.decode(context, batch["targets"])
    order = torch.tensor([2, 0, 3, 1])
    permuted = model.model.decode(context[order], batch["targets"][order])
    torch.testing.assert_close(permuted, whole[order], rtol=1e-5, atol=1e-5)


def test_order_of_visible_tokens_does_not_matter():
    model = objective().eval()
    batch = model.prepare(frames(4), np.random.default_rng(3))
    shuffled = torch.argsort(torch.rand(4, 10, generator=torch.Generator().manual_seed(4)), dim=1)
    with torch.no_grad():
        a = model(batch)
        b = model({**batch, "inputs": batch["inputs"].gather(1, shuffled)})
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_hidden_content_does_not_reach_the_prediction():
    """Neither the pixels of unseen patches nor the tokens of unseen slots."""
    model = objective().eval()
    data = frames(2)
    batch = model.prepare(data, np.random.default_rng(5))
    other = model.prepare(frames(2, seed=9), np.random.default_rng(5))
    from training.model import patchify

    def features(b, keep):
        patches = patchify(b["rgb"], 8).clone()
        tokens = {k: v.clone() for k, v in b["tokens"].items()}
        for row in range(2):
            for start, spec in zip((0, 16, 32), SPECS, strict=True):
                hidden = torch.ones(16, dtype=torch.bool)
                hidden[[s - start for s in keep["inputs"][row].tolist() if start <= s < start + 16]] = False
                if spec.pixels:
                    patches[row, hidden] = patchify(other["rgb"], 8)[row, hidden]
                else:
                    tokens[spec.name][row, hidden] = other["tokens"][spec.name][row, hidden]
        return model.model.decode(model.model.context_of(patches, tokens, b["inputs"]), b["targets"])

    untouched = model.model.decode(
        model.model.context_of(patchify(batch["rgb"], 8), batch["tokens"], batch["inputs"]), batch["targets"]
    )
    torch.testing.assert_close(features(batch, batch), untouched)


def test_all_methods_start_from_the_same_encoder():
    alone = build_encoder(CONFIG, 32, seed=3).state_dict()
    for model in (objective(seed=3), MaskedAutoencoder(CONFIG, 32, 0.75, 1, 3)):
        state = model.encoder.state_dict()
        assert state.keys() == alone.keys()
        assert all(torch.equal(state[k], alone[k]) for k in alone)
    assert not torch.equal(build_encoder(CONFIG, 32, seed=4).patches.weight, alone["patches.weight"])


def test_two_attentions_agree():
    g = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 16, generator=g) for n in (5, 7, 7))
    allowed = torch.rand(2, 1, 5, 7, generator=g) > 0.4
    allowed[..., 0] = True
    for mask in (None, allowed):
        expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        torch.testing.assert_close(attention(q, k, v, mask), expected)


def test_positions_follow_the_formula():
    table = sincos_2d(3, 5, 8)
    assert table.shape == (15, 8)
    row, column = 2, 4
    angle = np.array([1.0, 10000 ** (-0.5)])
    expected = np.concatenate(
        [np.sin(row * angle), np.cos(row * angle), np.sin(column * angle), np.cos(column * angle)]
    )
    np.testing.assert_allclose(table[row * 5 + column], expected, atol=1e-6)


def test_pixels_and_tokens_on_different_grids_are_refused():
    with pytest.raises(ValueError, match="same value"):
        MultimodalObjective(CONFIG, 64, SPECS, MaskingConfig(), 1, 0)
    with pytest.raises(ValueError, match="do not divide"):
        build_encoder(CONFIG, 36, 0)
