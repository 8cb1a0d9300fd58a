"""4M's tokenizers on a store: the kit that ours pass too, and what they are fed, by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.tokenizer_kit import TokenizerKit
from training.commands import ImportCommand, import_tokenizer
from training.common.checkpoint import save_tensors
from training.fourm.images import FourMConfig, FourMImages, import_4m
from training.tokenizers.registry import load_tokenizer, token_array

GOLDEN = Path(__file__).parents[1] / "golden" / "fourm" / "tokenizers"
RGB = load_file(GOLDEN / "rgb_vit.weights.safetensors")
HEADS = FourMConfig(heads=4)


def as_if_diffusing(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a tokenizer with a UNet where its decoder was, as 4M's for rgb and depth have."""
    kept = {k: v for k, v in tensors.items() if not k.startswith(("decoder.", "post_quant_proj."))}
    return kept | {"decoder.input_blocks.0.0.weight": torch.zeros(2, 2)}


def one_channel() -> dict[str, torch.Tensor]:
    first = RGB["encoder.proj.weight"]
    return as_if_diffusing(RGB) | {"encoder.proj.weight": first.mean(1, keepdim=True)}


class FourMKit(TokenizerKit):
    size = 64
    modality: str
    tensors: dict[str, torch.Tensor]

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        save_tensors(tmp_path / "file.safetensors", self.tensors)
        import_4m(str(tmp_path / "file.safetensors"), self.modality, HEADS, tmp_path / "imported")
        return tmp_path / "imported"


class TestRgb(FourMKit):
    modality, tensors = "rgb", RGB


class TestRgbThatDiffuses(FourMKit):
    modality, tensors = "rgb", as_if_diffusing(RGB)


class TestNormals(FourMKit):
    modality, tensors = "normals", RGB


class TestEdges(FourMKit):
    modality, tensors = "edges", RGB


class TestDepth(FourMKit):
    modality, tensors = "depth", one_channel()


def fed(modality: str, images: np.ndarray, **fields) -> torch.Tensor:
    tensors = one_channel() if modality == "depth" else RGB
    model = FourMImages(modality, HEADS.model_copy(update=fields), tensors)
    return model.input(torch.from_numpy(images))


def test_rgb_and_edges_are_scaled_to_minus_one_to_one():
    x = fed("rgb", np.array([[[[0, 255, 51]]]], dtype=np.uint8))
    torch.testing.assert_close(x.flatten(), torch.tensor([-1.0, 1.0, -0.6]))
    x = fed("edges", np.array([[[0, 255]]], dtype=np.uint8))
    assert x.shape == (1, 3, 1, 2)
    torch.testing.assert_close(x[0], torch.tensor([[[-1.0, 1.0]]]).expand(3, 1, 2))


def test_normals_are_turned_and_none_is_no_direction():
    to_viewer_up_none = np.array([[[[128, 128, 255], [128, 255, 128], [0, 0, 0]]]], dtype=np.uint8)
    x = fed("normals", to_viewer_up_none)[0, :, 0].T
    expected = torch.tensor([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(x, expected, atol=0.005, rtol=0)
    model = FourMImages("normals", HEADS, RGB)
    with_patches = np.broadcast_to(to_viewer_up_none[:, :, :1], (1, 16, 16, 3)).copy()
    assert model.decode(model.encode(with_patches)).dtype == np.uint8


def test_depth_is_standardised_without_its_ends_by_frame():
    """Ten pixels, a tenth at either end left out: mean and (unbiased) variance of the middle eight."""
    depth = np.array([[[9000, 1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 1]]], dtype=np.uint16)
    x = fed("depth", depth).flatten()
    middle = np.arange(1000, 1701, 100) / 65535
    expected = (depth.flatten() / 65535 - middle.mean()) / np.sqrt(middle.var(ddof=1) + 1e-6)
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-4)
    hole = depth.copy()
    hole[0, 0, 3] = 0  # nothing hit: as far as the farthest
    x = fed("depth", hole).flatten()
    assert x[3] == x[0]


def test_an_imported_one_is_named_by_its_weights_and_by_what_it_is_fed(tmp_path, capsys):
    save_tensors(tmp_path / "model.safetensors", as_if_diffusing(RGB))
    import_tokenizer(
        ImportCommand(source=str(tmp_path), modality="rgb", out=tmp_path / "a", fourm=FourMConfig(heads=4))
    )
    assert "64 codes, patches of 16 px, encodes only" in capsys.readouterr().out
    assert not any(k.startswith("decoder.") for k in load_file(tmp_path / "a" / "model.safetensors"))
    import_4m(str(tmp_path), "rgb", FourMConfig(heads=4, mean=0.4), tmp_path / "b")
    assert token_array(tmp_path / "a") != token_array(tmp_path / "b")
    assert token_array(tmp_path / "a").startswith("tok_rgb_")


def test_what_does_not_fit_is_refused(tmp_path):
    rgb = str(GOLDEN / "rgb_vit.weights.safetensors")
    with pytest.raises(ValueError, match="3 channels, which depth is not"):
        import_4m(rgb, "depth", HEADS, tmp_path)
    with pytest.raises(ValueError, match="no way is known to feed 'semantic'"):
        import_4m(rgb, "semantic", HEADS, tmp_path)
    with pytest.raises(ValueError, match="for label maps"):
        import_4m(str(GOLDEN / "semseg_vit.weights.safetensors"), "rgb", HEADS, tmp_path)
    with pytest.raises(ValueError, match="patches of 16 px"):
        FourMImages("rgb", HEADS, RGB).encode(np.zeros((1, 24, 32, 3), dtype=np.uint8))
    save_tensors(tmp_path / "model.safetensors", RGB)
    (tmp_path / "config.json").write_text(json.dumps({"image_size": 224}))  # as on the hub
    with pytest.raises(ValueError, match="tst tokenizer import"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda t: t.pop("encoder.pos_emb"), r"lacks encoder\.pos_emb: .*download it again"),
        (lambda t: t.pop("encoder.norm_mlp.bias"), r"lacks encoder\.1\.post\.norm\.bias \(as"),
        (lambda t: t.update(other=torch.zeros(2)), "has other, which has no place"),
        (
            lambda t: t.update({"encoder.proj.bias": torch.zeros(2)}),
            r"has encoder\.proj\.bias of shape \[2\] for \[\d+\]",
        ),
    ],
)
def test_a_file_with_keys_amiss_is_named_with_them(tmp_path, spoil, named):
    tensors = dict(RGB)
    spoil(tensors)
    file = tmp_path / "rgb.safetensors"
    save_tensors(file, tensors)
    with pytest.raises(ValueError, match=rf"rgb\.safetensors {named}"):
        import_4m(str(file), "rgb", HEADS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0, 5, 1000, -100])
def test_a_truncated_file_is_named(tmp_path, kept):
    whole = (GOLDEN / "rgb_vit.weights.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged .*download it again"):
        import_4m(str(tmp_path), "rgb", HEADS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
