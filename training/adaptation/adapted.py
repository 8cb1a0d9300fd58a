"""Predictions of a tuned model that first adapts to each image, without labels (TTT-MAE, `mae.py`).

The task was learned sequentially: a masked autoencoder was pre-trained, and a head was trained on its
encoder, which stayed as it was (protocol linear): the autoencoder's decoder still belongs to it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from pydantic import Field, model_validator
from torch import Tensor
from tqdm import tqdm

from engine.store.access import Frames
from engine.stream.stream import Batch, TicketReader
from scenes.config import Config
from training.adaptation.batch_adapted import MmrConfig
from training.adaptation.mae import AdaptationConfig, Parameters, adapt, adapt_online
from training.common.checkpoint import CONFIG, WEIGHTS, load_tensors, read_json
from training.common.optimiser import precision
from training.pretrain.config import PretrainConfig
from training.pretrain.mae import MaskedAutoencoder
from training.pretrain.objective import Setting
from training.transfer.model import TaskModel


class AdaptConfig(Config):
    """How a tuned model adapts before it predicts."""

    mae: AdaptationConfig = AdaptationConfig()
    """TTT-MAE: steps on each image."""
    mmr: MmrConfig | None = Field(default=None, exclude_if=lambda mmr: mmr is None)
    """TTT-MMR: steps on each batch of frames, of a jointly trained model (`batch_adapted.py`); the other
    fields then say nothing. None: TTT-MAE."""
    online: bool = False
    """Each image starts from what the last one left; false: all from the trained encoder."""
    at_once: int = Field(default=8, ge=1)
    """Images that are adapted together (not online); changes rounding alone."""

    @model_validator(mode="after")
    def _is_one(self) -> "AdaptConfig":
        if self.mmr is not None and self != AdaptConfig.model_construct(mmr=self.mmr):
            raise ValueError("mmr adapts to batches, mae and online to images: leave mmr or the others out")
        return self


def load_autoencoder(folder: Path) -> MaskedAutoencoder:
    """The model of a finished pre-training. Raises ValueError for another objective than mae."""
    facts = read_json(folder / CONFIG)
    config = PretrainConfig.model_validate(facts["pretrain"])
    if config.objective != "mae":
        raise ValueError(
            f"{folder} was pre-trained by {config.objective}: test-time training on masked pixels needs mae"
        )
    setting = Setting(
        encoder=config.encoder,
        decoder_depth=config.decoder_depth,
        seed=config.seed,
        image=facts["image"],
        specs=(),
        sources=None,
    )
    model = config.own.build(setting)
    assert isinstance(model, MaskedAutoencoder)
    weights = load_tensors(folder / WEIGHTS)[0]
    model.load_state_dict({k.removeprefix("model."): v for k, v in weights.items()})
    return model.eval()


class AdaptedOutputs:
    """`Outputs` of an evaluation, by a model that adapts. `measured`: after the last frame, the mean loss of
    reconstruction before the first step and before the last, and seconds an image, with images adapted
    together and, of the first few, one by one.

    Raises ValueError where the autoencoder is not the one whose encoder the model has."""

    def __init__(self, config: AdaptConfig, pretrained: Path):
        self.config, self.folder = config, pretrained
        self.measured: dict[str, float] = {}

    def __call__(
        self,
        model: TaskModel,
        frames: Frames,
        reads: list[str],
        at_once: int,
        device: torch.device,
        bf16: bool,
        desc: str,
    ) -> Iterator[tuple[Batch, Any]]:
        """The head's output for every frame, see `training.transfer.evaluate.outputs`."""
        autoencoder = load_autoencoder(self.folder).to(device)
        _check_same(autoencoder, model, self.folder)
        losses: list[Float[Tensor, "_ s"]] = []
        start: Parameters | None = None
        seconds = 0.0
        with tqdm(total=len(frames), desc=f"{desc}, adapting", unit="frame", mininterval=1.0) as bar:
            for batch in TicketReader(frames, reads, self.config.at_once).evaluation():
                rgb, ids = torch.from_numpy(batch["rgb"]).to(device), batch["id"].tolist()
                if not losses:
                    self.measured |= self._alone(autoencoder, rgb, ids, bf16)
                began = time.perf_counter()
                with precision(device, bf16):
                    features, shown, start = self._adapted(autoencoder, rgb, ids, start)
                    with torch.no_grad():
                        output = model.decode(features)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                seconds += time.perf_counter() - began
                losses.append(shown.cpu())
                yield batch, output
                bar.update(len(ids))
        every = torch.cat(losses)
        self.measured["adapt_seconds_per_image"] = seconds / len(every)
        if every.shape[1]:
            first, last = every.mean(0)[[0, -1]].tolist()
            self.measured |= {"reconstruction_before": first, "reconstruction_after": last}

    def _adapted(
        self,
        autoencoder: MaskedAutoencoder,
        rgb: UInt8[Tensor, "b h w 3"],
        ids: list[int],
        start: Parameters | None,
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b s"], Parameters | None]:
        """Features and losses of images, and where the next ones start."""
        if not self.config.online:
            adapted = adapt(autoencoder, rgb, ids, self.config.mae)
            return adapted.features, adapted.losses, None
        each = list(adapt_online(autoencoder, rgb, ids, self.config.mae, start))
        features, losses = (torch.cat([getattr(a, name) for a in each]) for name in ("features", "losses"))
        return features, losses, each[-1].parameters

    def _alone(
        self, autoencoder: MaskedAutoencoder, rgb: UInt8[Tensor, "b h w 3"], ids: list[int], bf16: bool
    ) -> dict[str, float]:
        """Seconds an image, of at most two that are adapted one after the other, after one step of one."""
        config = self.config.mae
        with precision(rgb.device, bf16):
            adapt(autoencoder, rgb[:1], ids[:1], config.model_copy(update={"steps": 1}))
            began = time.perf_counter()
            for number in range(min(2, len(ids))):
                adapt(autoencoder, rgb[number : number + 1], ids[number : number + 1], config)
        if rgb.device.type == "cuda":
            torch.cuda.synchronize(rgb.device)
        return {"adapt_seconds_per_image_alone": (time.perf_counter() - began) / min(2, len(ids))}


def _check_same(autoencoder: MaskedAutoencoder, model: TaskModel, folder: Path) -> None:
    mine, theirs = autoencoder.encoder.state_dict(), model.encoder.state_dict()
    if mine.keys() != theirs.keys() or not all(torch.equal(mine[name], theirs[name]) for name in mine):
        raise ValueError(
            f"{folder} has another encoder than the tuned model: adapt a model of the protocol linear, "
            "whose encoder stayed as it was pre-trained"
        )
