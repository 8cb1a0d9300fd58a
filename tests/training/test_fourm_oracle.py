"""The model computes what 4M computes: every intermediate tensor, losses and gradients, of recorded cases."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from tests.training.fourm_in_numpy import forward
from training.fourm.checkpoints import entries, take
from training.fourm.load import model_of, settings_of
from training.models.encoder import patchify
from training.models.multimodal import DecoderAttention, Multimodal
from training.pretrain.multimodal.multimodal import weigh
from training.pretrain.multimodal.packing import pack_samples

GOLDEN = Path(__file__).parents[1] / "golden" / "fourm"
CASES = {"swiglu_nobias": 1e-5, "gelu_bias_tied": 2e-5, "swiglu_qknorm_reg": 1e-5}


@cache
def case(name: str) -> tuple[Multimodal, dict[str, Any], dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """(model with the case's weights, its facts, expected tensors, samples by modality)."""
    config = json.loads((GOLDEN / name / "config.json").read_text())
    tensors = load_file(GOLDEN / name / "weights.safetensors")
    settings = settings_of(config["model"])
    model = model_of(
        tensors, settings.heads, decoder_attention=settings.decoder_attention, order=[*config["modalities"]]
    ).eval()
    report = take(model, tensors)
    assert (report.missing, report.reshaped, report.remade, report.extra) == ([], {}, [], [])
    assert [s.name for s in model.specs] == config["encoder_modality_order"]
    assert [s.name for s in model.targets] == config["decoder_modality_order"]
    samples: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(GOLDEN / name / "batch.safetensors").items():
        modality, field = key.split("/")
        samples.setdefault(modality, {})[field] = value
    return model, config, load_file(GOLDEN / name / "expected.safetensors"), samples


def batch_of(name: str, targets: int = 40) -> dict[str, Any]:
    model, config, _, samples = case(name)
    return pack_samples(
        samples, model.specs, model.encoder.config.patch, config["num_encoder_tokens"], targets
    )


@pytest.mark.parametrize("name", CASES)
def test_every_tensor(name: str):
    model, config, expected, _ = case(name)
    batch = batch_of(name)
    number = torch.tensor([config["modalities"][s.name]["id"] for s in model.specs])
    registers = model.encoder.config.registers
    with torch.no_grad():
        content, places = model.input_content(batch), model.input_places(batch)
        valid = batch["input_valid"]
        attn_mask = model.attn_mask(batch)
        assert attn_mask is not None
        features = model.encoder.run(content + places, valid[:, None, None], return_registers=True)
        context = model.context_of(batch)
        y = model.decode(context, batch)
        ours = {
            "encoder_tokens": torch.cat([_registers(model, len(content)), content], dim=1),
            "encoder_emb": F.pad(places, (0, 0, registers, 0)),
            "encoder_mask": F.pad(~valid, (registers, 0))[:, None],
            "encoder_mod_mask": F.pad(
                torch.where(valid, number[model.modality_ids[batch["inputs"]]], -1), (registers, 0), value=-1
            ),
            "encoder_out": features,
            "context": context,
            "decoder_tokens": model.target_content(batch),
            "decoder_emb": model.target_places(batch),
            "decoder_mask": ~batch["target_valid"][:, None],
            "decoder_mod_mask": torch.where(
                batch["target_valid"], number[model.modality_ids[batch["targets"]]], -1
            ),
            "decoder_attention_mask": ~attn_mask,
            "decoder_out": y,
            "target_ids": _scatter(batch, y.shape[:2]),
        }
        logits, losses = model.logits(batch), model(batch)
        for m, head in model.heads.items():
            ours[f"logits_all/{m}"], ours[f"logits_sel/{m}"] = head(y), logits[m]
            ours[f"targets_sel/{m}"], ours[f"mod_loss/{m}"] = batch["truth"][m], losses[m].reshape(1)
        ours["loss_mod"] = weigh(losses, batch, "modality", model.codes).reshape(1)
        ours["loss_token"] = weigh(losses, batch, "token", model.codes).reshape(1)
    rest = expected.keys() - ours.keys()
    assert all(k.startswith(("enc_embed/", "dec_embed/")) for k in rest)  # the test below
    for key, value in ours.items():
        if expected[key].is_floating_point():
            torch.testing.assert_close(value, expected[key], rtol=CASES[name], atol=CASES[name], msg=key)
        else:
            assert torch.equal(value.long(), expected[key].long()), key


@pytest.mark.parametrize("name", CASES)
def test_every_embedding(name: str):
    """Tokens and places of every modality before any is chosen, where they are defined: at what is seen or
    predicted in a sequence, everywhere on a grid."""
    model, _, expected, samples = case(name)
    close = {"rtol": CASES[name], "atol": CASES[name]}
    start = 0
    for spec in model.specs:
        fields = samples[spec.name]
        seen, wanted = ~fields["input_mask"].bool(), ~fields["target_mask"].bool()
        with torch.no_grad():
            if spec.pixels:
                patches = patchify(fields["tensor"].permute(0, 2, 3, 1), model.encoder.config.patch)
                content = model.encoder.content(patches)
            else:
                content = model.tables[spec.name](fields["tensor"])
            torch.testing.assert_close(content, expected[f"enc_embed/{spec.name}/x"], **close)
            for side, taken in (("enc", seen), ("dec", wanted)):
                key = f"{side}_embed/{spec.name}/emb"
                if key not in expected:
                    continue
                running = (taken.cumsum(1) - 1).clamp_min(0)
                at = torch.arange(taken.shape[1]).expand_as(taken) if spec.kind == "grid" else running
                places = model.input_places if side == "enc" else model.target_places
                value = places({"inputs": start + at, "targets": start + at})
                if spec.kind == "grid":
                    taken = torch.ones_like(taken)
                torch.testing.assert_close(value[taken], expected[key][taken], **close, msg=key)
        start += spec.slots


@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradient_norms(name: str):
    model, config, _, _ = case(name)
    batch = batch_of(name)
    model.zero_grad()
    loss = weigh(model(batch), batch, "modality", model.codes)
    loss.backward()
    assert loss.item() == pytest.approx(config["loss_mod"], rel=CASES[name])
    gradients = {n: p.grad for n, p in model.named_parameters()}
    ours_of = {e.theirs: e for e in entries(model)}
    for theirs, recorded in config["grad_norms"].items():
        entry = ours_of[theirs]
        if recorded is None:
            assert entry.kind == "unused", theirs
            continue
        gradient = gradients[entry.ours]
        assert gradient is not None
        assert gradient.norm().item() == pytest.approx(recorded, rel=1e-4, abs=1e-6), theirs
    named = {ours_of[k].ours for k in config["grad_norms"]}
    assert named >= {n for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_cut_where_there_is_room(name: str):
    model, config, _, _ = case(name)
    batch = batch_of(name, targets=200)
    with torch.no_grad():
        loss = weigh(model(batch), batch, "modality", model.codes)
    assert [loss.item()] * 2 == pytest.approx(config["loss_mod_decoder200_shuffled"], rel=CASES[name])


def test_who_looks_at_whom_follows_from_the_slots():
    """Where nothing is padded no mask is packed; the model's own is then the one of 4M."""
    model, _, expected, _ = case("swiglu_nobias")
    batch = batch_of("swiglu_nobias")
    valid = batch["target_valid"]
    both = valid[:, :, None] & valid[:, None, :]
    attn_mask = model.attn_mask({"targets": batch["targets"]})
    assert attn_mask is not None
    assert torch.equal(attn_mask[both], ~expected["decoder_attention_mask"].bool()[both])


def test_the_encoder_alone_is_a_vit():
    expected = load_file(GOLDEN / "swiglu_nobias" / "vit_rgb_only.expected.safetensors")
    encoder = case("swiglu_nobias")[0].encoder
    with torch.no_grad():
        patches = patchify(expected["input"].permute(0, 2, 3, 1), 16)
        features = encoder.run(encoder.embed(patches))
    torch.testing.assert_close(features, expected["features"], rtol=1e-5, atol=1e-5)


def restated(name: str, budget: int, separate: bool = True, causal: bool = False) -> dict[str, np.ndarray]:
    """tests/training/fourm_in_numpy.py on a recorded case."""
    _, config, _, samples = case(name)
    tensors = {k: v.double().numpy() for k, v in load_file(GOLDEN / name / "weights.safetensors").items()}
    arrays = {m: {k: v.numpy() for k, v in fields.items()} for m, fields in samples.items()}
    return forward(tensors, config, arrays, budget, separate, causal)


@pytest.mark.parametrize("name", CASES)
def test_the_restatement_in_numpy_is_what_was_recorded(name: str):
    _, _, expected, _ = case(name)
    for key, value in restated(name, 40).items():
        if value.dtype == bool:
            np.testing.assert_array_equal(value, expected[key].bool().numpy(), err_msg=key)
        else:
            np.testing.assert_allclose(value, expected[key].numpy(), rtol=2e-5, atol=2e-5, err_msg=key)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("budget", [40, 200])
@pytest.mark.parametrize("name", ["swiglu_nobias", "swiglu_qknorm_reg"])
def test_causal_and_unseparated_decoders_are_what_the_description_says(
    name: str, budget: int, causal: bool, separate: bool
):
    """Padded and cut batches, every target's features, logits and losses."""
    recorded = case(name)[0]
    weights = load_file(GOLDEN / name / "weights.safetensors")
    attention = DecoderAttention(separate, causal)
    model = model_of(weights, recorded.encoder.config.heads, {}, attention, [s.name for s in recorded.specs])
    take(model.eval(), weights)
    batch = batch_of(name, budget)
    expected = restated(name, budget, separate, causal)
    with torch.no_grad():
        attn_mask = model.attn_mask(batch)
        assert attn_mask is not None
        ours = {
            "decoder_attention_mask": ~attn_mask,
            "decoder_out": model.decode(model.context_of(batch), batch),
        }
        losses = model(batch)
        for m, logits in model.logits(batch).items():
            ours |= {f"logits_sel/{m}": logits, f"mod_loss/{m}": losses[m].reshape(1)}
        ours["loss_mod"] = weigh(losses, batch, "modality", model.codes).reshape(1)
        # The same from the slots alone, as batches of a store have it.
        by_slots = model.attn_mask({k: batch[k] for k in ("targets", "target_valid")})
    assert ours.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(ours[key].numpy(), value, rtol=1e-5, atol=1e-5, err_msg=key)
    assert by_slots is not None
    valid = batch["target_valid"]
    both = valid[:, :, None] & valid[:, None, :]
    assert torch.equal(by_slots[both], attn_mask[both])
    assert not by_slots[valid[:, :, None] & ~valid[:, None, :]].any()


def _registers(model: Multimodal, samples: int) -> Tensor:
    found = model.encoder.register_embedding
    dim = model.encoder.config.dim
    return torch.zeros(samples, 0, dim) if found is None else found.expand(samples, -1, -1)


def _scatter(batch: dict[str, Any], shape: tuple[int, ...]) -> Tensor:
    line = torch.zeros(shape, dtype=torch.int64).flatten()
    for name, rows in batch["target_rows"].items():
        line[rows] = batch["truth"][name]
    return line.view(shape)
