"""4M's tokenizers: tokens equal, tensors to the fifth digit, one step of the codebook, other resolutions."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from training.common.checkpoint import save_tensors
from training.fourm.codebooks import EmaCodebook
from training.fourm.tokenizer import FourMTokenizer, load_4m_tokenizer

GOLDEN = Path(__file__).parents[1] / "golden" / "fourm" / "tokenizers"
VITS = ("rgb_vit", "semseg_vit", "clipfeat_vit", "mask_vit_outconv")
ALL = (*VITS, "global_mlp_memcodes")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@cache
def case(name: str) -> tuple[FourMTokenizer, dict[str, Tensor]]:
    heads = json.loads((GOLDEN / f"{name}.config.json").read_text())["heads"] if name in VITS else 0
    model = load_4m_tokenizer(GOLDEN / f"{name}.weights.safetensors", heads)
    return model, load_file(GOLDEN / f"{name}.expected.safetensors")


@pytest.mark.parametrize("name", ALL)
def test_every_tensor(name: str):
    model, expected = case(name)
    with torch.no_grad():
        features, latents = model.features(expected["input"]), model.latents(expected["input"])
        tokens = model.encode(expected["input"])
    torch.testing.assert_close(features, expected["encoder_out"], **CLOSE)
    torch.testing.assert_close(latents, expected["quant_in"], **CLOSE)
    assert torch.equal(tokens, expected["tokens"])
    for key in ("quant", "embedding_of_tokens"):
        torch.testing.assert_close(model.quantise.rows(tokens), expected[key], **CLOSE)
    torch.testing.assert_close(model.decode(tokens), expected["decoded"], **CLOSE)


@pytest.mark.parametrize("name", ["rgb_vit", "clipfeat_vit", "mask_vit_outconv"])
def test_another_resolution(name: str):
    model, expected = case(name)
    with torch.no_grad():
        torch.testing.assert_close(
            model.features(expected["input_96x32"]), expected["encoder_out_96x32"], **CLOSE
        )
    assert torch.equal(model.encode(expected["input_96x32"]), expected["tokens_96x32"])


@pytest.mark.parametrize("name", VITS)
def test_one_step_of_training(name: str):
    model, expected = case(name)
    assert isinstance(model.quantise, EmaCodebook)
    book = EmaCodebook(*model.quantise.embed.shape)
    book.load_state_dict(model.quantise.state_dict())
    latents = expected["quant_in"].clone().requires_grad_()
    rows, tokens, commitment = book.train()(latents)
    torch.testing.assert_close(commitment.reshape(1), expected["train_commit_loss"], **CLOSE)
    assert torch.equal(tokens, expected["tokens"])
    torch.testing.assert_close(book.embed, expected["codebook_after_one_ema_step"], **CLOSE)
    torch.testing.assert_close(book.cluster_size, expected["cluster_size_after"], **CLOSE)
    (gradient,) = torch.autograd.grad(rows.sum(), latents)
    assert (gradient == 1).all()  # straight through


def test_files_that_are_something_else_are_refused(tmp_path):
    tensors = load_file(GOLDEN / "rgb_vit.weights.safetensors")
    save_tensors(tmp_path / "model.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(ValueError, match="no tokenizer"):
        load_4m_tokenizer(tmp_path)
    del tensors["encoder.norm_mlp.bias"]
    save_tensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(ValueError, match=r"encoder\.1\.post\.norm\.bias"):
        load_4m_tokenizer(tmp_path, 4)
