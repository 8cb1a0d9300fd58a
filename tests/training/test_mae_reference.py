"""TST-MAE is MAE: the same weights in transformers' ViTMAEForPreTraining give the same loss and gradients.

Needs the optional group `reference` (pip install -e ".[reference]"); skipped without it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.models.encoder import EncoderConfig
from training.pretrain.mae import MaskedAutoencoder

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
transformers = pytest.importorskip("transformers")

DIM, DECODER_DIM, IMAGE, PATCH = 128, 64, 32, 8


def reference() -> Any:
    config = transformers.ViTMAEConfig(
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=4 * DIM,
        image_size=IMAGE,
        patch_size=PATCH,
        decoder_hidden_size=DECODER_DIM,
        decoder_num_attention_heads=1,
        decoder_num_hidden_layers=2,
        decoder_intermediate_size=4 * DECODER_DIM,
        layer_norm_eps=1e-6,
        norm_pix_loss=True,
        mask_ratio=0.75,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    model = transformers.ViTMAEForPreTraining(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # no bias and no norm stays at 0 or 1
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def our_weights(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of `MaskedAutoencoder`, one register standing for the class token."""
    front = "vit.embeddings."
    ours = {
        "encoder.rgb_embedding": theirs[f"{front}patch_embeddings.projection.bias"],
        "encoder.register_embedding": theirs[f"{front}cls_token"][0],
        "encoder.patches.weight": theirs[f"{front}patch_embeddings.projection.weight"]
        .permute(0, 2, 3, 1)
        .flatten(1),
        "mask_embedding": theirs["decoder.mask_token"][0, 0],
    }
    for part in ("weight", "bias"):
        ours[f"encoder.norm.{part}"] = theirs[f"vit.layernorm.{part}"]
        ours[f"context.{part}"] = theirs[f"decoder.decoder_embed.{part}"]
        ours[f"norm.{part}"] = theirs[f"decoder.decoder_norm.{part}"]
        ours[f"pixels.{part}"] = theirs[f"decoder.decoder_pred.{part}"]
        for mine, yours in (("encoder.blocks", "vit.layers"), ("blocks", "decoder.decoder_layers")):
            for i in range(2):
                a, b = f"{mine}.{i}", f"{yours}.{i}"
                qkv = [theirs[f"{b}.attention.{n}_proj.{part}"] for n in ("q", "k", "v")]
                ours[f"{a}.attention.qkv.{part}"] = torch.cat(qkv)
                ours[f"{a}.attention.out.{part}"] = theirs[f"{b}.attention.o_proj.{part}"]
                ours[f"{a}.mlp.up.{part}"] = theirs[f"{b}.mlp.fc1.{part}"]
                ours[f"{a}.mlp.out.{part}"] = theirs[f"{b}.mlp.fc2.{part}"]
                ours[f"{a}.norm1.{part}"] = theirs[f"{b}.layernorm_before.{part}"]
                ours[f"{a}.norm2.{part}"] = theirs[f"{b}.layernorm_after.{part}"]
    return ours


def test_loss_and_gradients_are_those_of_vitmae():
    theirs = reference()
    config = EncoderConfig(dim=DIM, depth=2, patch=PATCH, mlp="gelu", bias=True, registers=1)
    ours = MaskedAutoencoder(config, IMAGE, 0.75, 2, 0).eval()
    ours.load_state_dict(our_weights(theirs.state_dict()))
    # Positions are fixed in both; theirs name columns before rows.
    ours.encoder.positions.copy_(theirs.vit.embeddings.position_embeddings[0, 1:])
    ours.positions.copy_(theirs.decoder.decoder_pos_embed[0, 1:])
    rgb = np.random.default_rng(0).integers(0, 256, (3, IMAGE, IMAGE, 3)).astype(np.uint8)
    batch = ours.prepare({"rgb": rgb}, np.random.default_rng(1))
    noise = torch.ones(3, ours.slots)
    noise.scatter_(1, batch["inputs"], 0.0)
    pixels = (torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    expected = theirs(pixels, noise=noise).loss
    loss = ours(batch)["total"]
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    expected.backward()
    loss.backward()
    gradients = our_weights({n: _gradient(p) for n, p in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6, msg=name)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
