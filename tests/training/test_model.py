"""Structure of the encoder-decoder: counts that sum, who attends to whom, invariances."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from training.models.blocks import attention, parameter_counts, swiglu_hidden
from training.models.encoder import SIZES, EncoderConfig, build_encoder
from training.models.modality import TokenSpec
from training.models.multimodal import Multimodal
from training.models.positions import sincos_1d, sincos_2d
from training.pretrain.mae import MaskedAutoencoder
from training.pretrain.multimodal.masking import Mask, MaskingConfig
from training.pretrain.multimodal.multimodal import MultimodalObjective
from training.pretrain.multimodal.packing import pack_frames

CONFIG = EncoderConfig(dim=64, depth=2, patch=8)
SPECS = (
    TokenSpec("rgb", "tok_rgb", 4, 32, pixels=True),
    TokenSpec("depth", "tok_depth", 4, 24),
    TokenSpec("edges", "tok_edges", 4, 16),
)


def objective(seed: int = 0, config: EncoderConfig = CONFIG, **masking: Any) -> MultimodalObjective:
    budgets: dict[str, Any] = {"inputs": 10, "targets": 14, **masking}
    return MultimodalObjective(config, 32, SPECS, MaskingConfig(**budgets), 2, seed)


def frames(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tokens = {s.array: rng.integers(0, s.codes, (count, 4, 4)).astype(np.uint16) for s in SPECS}
    return {"rgb": rng.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8), **tokens}


def test_parameters_sum_and_match_the_formula():
    model = objective().model
    counts = parameter_counts(model)
    d, h = 64, swiglu_hidden(64)
    attention_, mlp = 4 * d * d, 3 * d * h
    assert counts["encoder"] == 2 * (attention_ + mlp + 2 * d) + 3 * 8 * 8 * d + d + d
    assert counts["blocks"] == 2 * (2 * attention_ + mlp + 4 * d)
    assert counts["heads"] == (32 + 24 + 16) * d
    assert counts["tables"] == (24 + 16) * d
    assert counts["context"] == d * d + d
    assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
    autoencoder = MaskedAutoencoder(CONFIG, 32, 0.75, 1, 0)
    counts = parameter_counts(autoencoder)
    assert counts["blocks"] == attention_ + mlp + 2 * d  # half the width would be less than a head
    assert counts["mask_embedding"] == d
    assert sum(counts.values()) == sum(p.numel() for p in autoencoder.parameters())


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_those_of_4m(size: str):
    config, depth = SIZES[size]
    with torch.device("meta"):
        model = Multimodal(config, 224, (TokenSpec("rgb", "tok_rgb", 14, 1024, pixels=True),), depth)
    d, h = config.dim, swiglu_hidden(config.dim)
    block = 4 * d * d + 3 * d * h + 2 * d
    counts = parameter_counts(model)
    assert counts["encoder"] == config.depth * block + 3 * 16 * 16 * d + 2 * d
    assert counts["blocks"] == depth * (block + 4 * d * d + 2 * d)
    assert config.style.heads * 64 == d
    assert (config.depth, depth) == {"Ti": (6, 6), "S": (8, 8), "B": (12, 12), "L": (24, 24)}[size]


@pytest.mark.parametrize("style", [{}, {"mlp": "gelu", "bias": True}, {"heads": 4, "registers": 3}])
def test_flops_are_what_torch_counts(style: dict[str, Any]):
    model = objective(config=CONFIG.model_copy(update=style)).eval()
    batch = model.prepare(frames(3), np.random.default_rng(0))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch)
    seen = {m: len(v) / 3 for m, v in batch["content"].items()}
    wanted = {m: len(v) / 3 for m, v in batch["truth"].items()}
    assert counter.get_total_flops() == pytest.approx(
        3 * sum(model.model.flops(seen, wanted).values()), abs=1
    )
    # What is said of the objective is the mean over masks.
    means = model.masker.mean_counts()
    assert sum(means[0].values()) == pytest.approx(10)
    assert sum(means[1].values()) == pytest.approx(14)
    assert sum(model.flops().values()) == pytest.approx(counter.get_total_flops() / 3, rel=0.02)


@pytest.mark.parametrize("registers", [0, 2])
def test_flops_of_the_autoencoder_are_what_torch_counts(registers: int):
    config = CONFIG.model_copy(update={"registers": registers})
    model = MaskedAutoencoder(config, 32, 0.75, 2, 0).eval()
    batch = model.prepare(frames(3), np.random.default_rng(0))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(batch)
    assert counter.get_total_flops() == 3 * sum(model.flops().values())


def test_targets_attend_within_their_modality_only():
    model = objective().model.eval()
    context = torch.randn(1, 10, 64, generator=torch.Generator().manual_seed(0))

    def decode(*slots: int) -> torch.Tensor:
        return model.decode(context, {"targets": torch.tensor([slots])})

    # Slots 16.. are depth's, 32.. are edges'. What changes among edges must not reach depth.
    a, b = decode(16, 18, 21, 33, 35), decode(16, 18, 21, 40, 47)
    torch.testing.assert_close(a[:, :3], b[:, :3], rtol=0, atol=1e-6)
    assert (a[:, 3:] - b[:, 3:]).abs().max() > 1e-3
    # And within depth it must.
    c = decode(16, 18, 30, 33, 35)
    assert (a[:, :2] - c[:, :2]).abs().max() > 1e-5


def test_samples_do_not_see_each_other():
    model = objective().eval()
    data, order = frames(4), [2, 0, 3, 1]
    mask = model.masker.draw(4, np.random.default_rng(2))
    shuffled = Mask(*(getattr(mask, f)[order] for f in ("inputs", "targets", "input_valid", "target_valid")))
    whole = features(model, data, mask)
    permuted = features(model, {k: v[order] for k, v in data.items()}, shuffled)
    torch.testing.assert_close(permuted, whole[order], rtol=1e-5, atol=1e-5)


def test_order_of_visible_tokens_does_not_matter():
    model = objective().eval()
    data = frames(2)
    mask = model.masker.draw(2, np.random.default_rng(3))
    shuffled = replace(mask, inputs=np.ascontiguousarray(mask.inputs[:, ::-1]))
    torch.testing.assert_close(
        features(model, data, shuffled), features(model, data, mask), rtol=1e-5, atol=1e-5
    )


def test_hidden_content_does_not_reach_the_prediction():
    """Neither the pixels of unseen patches nor the tokens of unseen slots."""
    model = objective().eval()
    data, other = frames(2), frames(2, seed=9)
    mask = model.masker.draw(2, np.random.default_rng(5))
    mixed = {k: v.copy() for k, v in data.items()}
    for row in range(2):
        seen = set(mask.inputs[row].tolist())
        for slot in set(range(48)) - seen:
            y, x = divmod(slot % 16, 4)
            if slot < 16:
                square = np.s_[row, y * 8 : y * 8 + 8, x * 8 : x * 8 + 8]
                mixed["rgb"][square] = other["rgb"][square]
            array = SPECS[slot // 16].array
            mixed[array][row, y, x] = other[array][row, y, x]
    assert (mixed["rgb"] != data["rgb"]).any()
    torch.testing.assert_close(features(model, mixed, mask), features(model, data, mask), rtol=0, atol=0)


@pytest.mark.parametrize("registers", [0, 2])
def test_padding_changes_nothing(registers: int):
    """A sample with fewer tokens than the batch has places computes what it does alone."""
    config = CONFIG.model_copy(update={"registers": registers})
    model = objective(config=config, overflow="lose", inputs=20).eval()
    data = frames(32)
    mask = model.masker.draw(32, np.random.default_rng(6))
    assert not mask.input_valid.all()
    whole = features(model, data, mask)
    row = int(mask.input_valid.sum(1).argmin())
    i, t = mask.input_valid[row], mask.target_valid[row]
    alone = Mask(mask.inputs[row : row + 1, i], mask.targets[row : row + 1, t], i[None, i], t[None, t])
    one = features(model, {k: v[row : row + 1] for k, v in data.items()}, alone)
    torch.testing.assert_close(one[0], whole[row, torch.from_numpy(t)], rtol=1e-5, atol=1e-5)
    batch = model.prepare(data, np.random.default_rng(6))
    assert all(torch.isfinite(v) for v in model(batch).values())


def features(model: MultimodalObjective, data: dict[str, np.ndarray], mask: Mask) -> torch.Tensor:
    batch = pack_frames(data, mask, SPECS, 8)
    with torch.no_grad():
        return model.model.decode(model.model.context_of(batch), batch)


def test_a_frame_can_be_several_samples():
    model = objective(repeats=3)
    batch = model.prepare(frames(2), np.random.default_rng(0))
    assert batch["inputs"].shape == (6, 10)
    assert len({tuple(row) for row in batch["inputs"].tolist()}) > 3
    data = frames(2)
    mask = model.masker.draw(6, np.random.default_rng(0))
    tripled = pack_frames({k: np.repeat(v, 3, axis=0) for k, v in data.items()}, mask, SPECS, 8)
    for modality, content in tripled["content"].items():
        assert torch.equal(content, batch["content"][modality])
    for modality, truth in tripled["truth"].items():
        assert torch.equal(truth, batch["truth"][modality])


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
    attn_mask = torch.rand(2, 1, 5, 7, generator=g) > 0.4
    attn_mask[..., 0] = True
    for mask in (None, attn_mask):
        expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        torch.testing.assert_close(attention(q, k, v, mask), expected)


def test_positions_follow_the_formula():
    table = sincos_2d(5, 5, 8)
    assert table.shape == (25, 8)
    row, column = 2, 4
    angle = np.array([1.0, 10000 ** (-0.5)])
    expected = np.concatenate(
        [np.sin(row * angle), np.cos(row * angle), np.sin(column * angle), np.cos(column * angle)]
    )
    np.testing.assert_allclose(table[row * 5 + column], expected, atol=1e-6)
    np.testing.assert_allclose(sincos_1d(5, 4)[4], [*np.sin(4 * angle), *np.cos(4 * angle)], atol=1e-6)


def test_pixels_and_tokens_on_different_grids_are_refused():
    with pytest.raises(ValueError, match="same value"):
        MultimodalObjective(CONFIG, 64, SPECS, MaskingConfig(), 1, 0)
    with pytest.raises(ValueError, match="do not divide"):
        build_encoder(CONFIG, 36, 0)
