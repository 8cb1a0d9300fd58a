"""Cross-modal retrieval (the paper's Tab. 2): which depth map belongs to an image, and which image to a depth
map, by a pre-trained multimodal model as it is.

    tst retrieve retrieve.yaml

Queries and candidates are the same held-out frames; that they are of one frame is all that is known of them,
and no label is read. Three ways to score a pair:

- tokens: the log-probability that the model, seeing the query, gives to the candidate's tokens
- through_NAME: cosine of what the model predicts of a third modality, seeing the query and seeing the
  candidate, each pooled over all places. Of a feature modality the features of its codes are pooled, of any
  other the probabilities of its codes. The paper's way, with CLIP
- encoder: cosine of the encoder's features of the query and of the candidate, each pooled over all places

Of log-probabilities the candidate's mean over all queries is taken off, and of pooled vectors the mean over
all frames, of each modality its own (`centred`): else the most ordinary candidate is every query's first.

Predictions are made in one step, and where `steps` has more, in several (`tokens_in_8_steps`)."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, Shaped, UInt8
from pydantic import Field, model_validator
from torch import Tensor
from tqdm import tqdm

from engine.store.access import EvalFrames
from engine.store.pictures import tiles
from training.common.checkpoint import METRICS, save_arrays, write_json
from training.common.config import StageConfig
from training.common.external_access import as_facts, combined, sources_of_folder, sources_of_frames
from training.common.optimiser import pick_device, precision, use_threads
from training.models.encoder import patchify
from training.retrieval.generate import Generated, Seen, generate, pack_seen, spec_of
from training.retrieval.pretrained import Pretrained, load_pretrained
from training.retrieval.ranks import Ranks, chance, ranks_of, scores_of
from training.transfer.evaluate import check_networks_unseen

PICTURES = "retrieved.npz"
FOUND = 3
"""Candidates that are kept of a query for the report."""
TILE = 96
"""Side of their pictures [pixels]."""
Arrays = dict[str, Shaped[np.ndarray, "b h w ..."]]


class RetrieveConfig(StageConfig):
    """What is retrieved, and how."""

    modalities: tuple[str, str] = ("rgb", "depth")
    """The two modalities; each is the query once, and the candidates once."""
    through: str | None = None
    """The third modality; none: a feature modality where the model has one, else its last one."""
    steps: tuple[int, ...] = Field(default=(1, 8), min_length=1)
    """Numbers of steps in which predictions are made."""
    centred: bool = True
    """Take means over the frames off scores, see above; this knows of all queries together. false: as they
    are."""
    frames: int = Field(default=0, ge=0)
    """Frames, spread evenly over the view, that are queries and candidates; 0: all."""
    batch: int = Field(default=32, ge=1)
    """Queries at a time."""
    bf16: bool = False
    """Matrix products in bfloat16."""
    pictures: int = Field(default=4, ge=0)
    """Queries of each direction, spread evenly, whose first candidates are kept for the report."""

    @model_validator(mode="after")
    def _apart(self) -> "RetrieveConfig":
        if self.modalities[0] == self.modalities[1] or self.through in self.modalities:
            raise ValueError(
                f"modalities {list(self.modalities)}, through {self.through}: give three that differ"
            )
        if min(self.steps) < 1 or len(set(self.steps)) < len(self.steps):
            raise ValueError(f"steps {list(self.steps)}: give each number once, from 1")
        return self


def retrieve(
    config: RetrieveConfig, frames: EvalFrames, model_dir: Path, tokenizers: Mapping[str, Path], out: Path
) -> dict[str, Any]:
    """Retrieve among `frames` with the finished pre-training in `model_dir`; writes into `out`, and returns,
    the metrics: `DIRECTION/WAY/r1`, `r5`, `r10` (0..1) and `median_rank`, and the same of chance.

    Raises ValueError for a model or tokenizers that do not fit (`load_pretrained`), and for modalities that
    the model has not, or frames of another size than it was trained on; LeakError for a model made with a
    network that learned from labels of these houses."""
    assert isinstance(frames, EvalFrames), "retrieval is judged on evaluation frames only"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    loaded = load_pretrained(model_dir, tokenizers, device)
    if (side := frames.frame_shape("rgb")[0]) != loaded.image:
        raise ValueError(f"{model_dir} was trained on {loaded.image} px, the frames have {side} px")
    through = _third(config, loaded)
    sources = combined(
        sources_of_folder(model_dir),
        *(sources_of_folder(tokenizers[name]) for name in loaded.tokenizers),
        sources_of_frames(frames, config.modalities),
    )
    check_networks_unseen(frames, sources, model_dir)
    count = min(config.frames, len(frames)) or len(frames)
    ids = np.linspace(0, len(frames) - 1, count).astype(np.int64)
    scores = _scores(config, frames, ids, loaded, through, device)
    ranks = {way: ranks_of(of) for way, of in scores.items()}
    seconds = time.monotonic() - started
    metrics: dict[str, Any] = {
        f"{way}/{name}": value for way, of in ranks.items() for name, value in scores_of(of)
    }
    metrics |= {f"chance/{name}": value for name, value in chance(count)}
    metrics |= {
        "through": through,
        "frames": count,
        "wall_seconds": seconds,
        "samples_per_second": count / seconds,
        "frames_digest": frames.digest(),
        **as_facts(sources),
    }
    _save_pictures(config, frames, ids, scores, ranks, out)
    write_json(out / METRICS, metrics)
    return metrics


def _third(config: RetrieveConfig, loaded: Pretrained) -> str | None:
    """The third modality; None where the model has but the two."""
    for name in (*config.modalities, *([config.through] if config.through else [])):
        spec_of(loaded.model, name)
    if config.through is not None:
        return config.through
    others = [s.name for s in loaded.model.specs if s.name not in config.modalities and s.predicted]
    features = [name for name in others if loaded.code_vectors(name) is not None]
    return next(iter([*features, *reversed(others)]), None)


def _scores(
    config: RetrieveConfig,
    frames: EvalFrames,
    ids: Int64[np.ndarray, " n"],
    loaded: Pretrained,
    through: str | None,
    device: torch.device,
) -> dict[str, Float[np.ndarray, "n n"]]:
    """By direction and way, a row a query and a column a candidate."""
    batches = np.split(ids, range(config.batch, len(ids), config.batch))
    tokens = {
        name: torch.cat([_tokens(loaded, name, frames.read(b, [name])) for b in batches])
        for name in config.modalities
    }
    rows: dict[str, list[Tensor]] = {}
    pooled: dict[tuple[str, str], list[Tensor]] = {}  # by way and modality that is seen
    for batch in tqdm(batches, desc="retrieve", unit="batch", mininterval=1.0):
        arrays = frames.read(batch, config.modalities)
        for query, other in (config.modalities, config.modalities[::-1]):
            seen = seen_of(loaded, query, arrays, device)
            with precision(device, config.bf16):
                features = encode(loaded, seen)
            pooled.setdefault(("encoder", query), []).append(features.mean(1))
            for steps in config.steps:
                after = "" if steps == 1 else f"_in_{steps}_steps"
                with precision(device, config.bf16):
                    made = _generate(loaded, seen, other, steps)
                way = f"{query}_to_{other}/tokens{after}"
                rows.setdefault(way, []).append(log_likelihood(made.log_p, tokens[other]))
                if through is not None:
                    with precision(device, config.bf16):
                        made = _generate(loaded, seen, through, steps)
                    bag = _pool(made.log_p, loaded.code_vectors(through))
                    pooled.setdefault((f"through_{through}{after}", query), []).append(bag)
    scores = {way: centred(torch.cat(parts), config.centred) for way, parts in rows.items()}
    for query, other in (config.modalities, config.modalities[::-1]):
        for way in dict.fromkeys(way for way, _ in pooled):
            a, b = (centred(torch.cat(pooled[way, name]), config.centred) for name in (query, other))
            scores[f"{query}_to_{other}/{way}"] = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    return {way: of.float().cpu().numpy() for way, of in sorted(scores.items())}


def centred(rows: Float[Tensor, "n d"], wanted: bool) -> Float[Tensor, "n d"]:
    """Rows less their mean, where that is wanted."""
    return rows - rows.mean(0) if wanted else rows


def _generate(loaded: Pretrained, seen: Seen, target: str, steps: int) -> Generated:
    return generate(loaded.model, seen, target, steps, loaded.as_seen(target) if steps > 1 else None)


def log_likelihood(
    log_p: Float[Tensor, "b places codes"], tokens: Int64[Tensor, "n places"]
) -> Float[Tensor, "b n"]:
    """Mean log-probability [nat a token] of the tokens of n candidates under b predictions."""
    total = log_p.new_zeros(len(log_p), len(tokens))
    for place in range(tokens.shape[1]):
        total += log_p[:, place, tokens[:, place]]
    return total / tokens.shape[1]


def _pool(
    log_p: Float[Tensor, "b places codes"], vectors: Float[Tensor, "codes d"] | None
) -> Float[Tensor, "b d"]:
    """Mean over places of the expected features, or of the probabilities where codes stand for none."""
    shares = log_p.exp().mean(1)
    return shares if vectors is None else shares @ vectors


@torch.no_grad()
def encode(loaded: Pretrained, seen: Seen) -> Float[Tensor, "b n d"]:
    """The encoder's features of what is seen."""
    batch = pack_seen(loaded.model, seen)
    model = loaded.model
    return model.encoder.run(model.input_content(batch) + model.input_places(batch)).float()


def seen_of(loaded: Pretrained, modality: str, arrays: Arrays, device: torch.device) -> Seen:
    """A modality of some frames as the model sees it."""
    if modality == "rgb":
        patch = loaded.model.encoder.config.patch
        return {modality: patchify(torch.from_numpy(arrays[modality]), patch).to(device)}
    return {modality: _tokens(loaded, modality, arrays)}


def _tokens(loaded: Pretrained, modality: str, arrays: Arrays) -> Int64[Tensor, "b n"]:
    device = loaded.model.mask_embedding.device
    return loaded.tokenizers[modality].encode(arrays[modality]).flatten(1).long().to(device)


def _save_pictures(
    config: RetrieveConfig,
    frames: EvalFrames,
    ids: Int64[np.ndarray, " n"],
    scores: Mapping[str, Float[np.ndarray, "n n"]],
    ranks: Mapping[str, Ranks],
    out: Path,
) -> None:
    """PICTURES: by direction, of some queries by the first number of steps' tokens: `DIRECTION/query` and
    `/right`, uint8 [n, TILE, TILE, 3], `/found` [n, FOUND, TILE, TILE, 3], the best candidates,
    `/found_right`, bool [n, FOUND], which of them is the right one, and `/rank` [n]."""
    count = min(config.pictures, len(ids))
    if not count:
        return
    shown = np.linspace(0, len(ids) - 1, count).astype(np.int64)
    after = "" if config.steps[0] == 1 else f"_in_{config.steps[0]}_steps"
    directions = {f"{a}_to_{b}": (a, b) for a, b in (config.modalities, config.modalities[::-1])}
    best = {
        name: np.argsort(-scores[f"{name}/tokens{after}"][shown], axis=1, kind="stable")[:, :FOUND]
        for name in directions
    }
    # All of a modality at once, so that colours mean the same in all pictures.
    used = np.unique(np.concatenate([shown, *(of.ravel() for of in best.values())]))
    drawn = {name: _pictures(frames, name, ids[used]) for name in config.modalities}
    arrays: dict[str, Shaped[np.ndarray, "n ..."]] = {}
    for name, (query, other) in directions.items():
        arrays[f"{name}/query"] = drawn[query][np.searchsorted(used, shown)]
        arrays[f"{name}/right"] = drawn[other][np.searchsorted(used, shown)]
        arrays[f"{name}/found"] = drawn[other][np.searchsorted(used, best[name])]
        arrays[f"{name}/found_right"] = best[name] == shown[:, None]
        arrays[f"{name}/rank"] = ranks[f"{name}/tokens{after}"].rank[shown]
    save_arrays(out / PICTURES, arrays)


def _pictures(
    frames: EvalFrames, modality: str, ids: Int64[np.ndarray, " n"]
) -> UInt8[np.ndarray, "n side side 3"]:
    values = frames.read(ids, [modality])[modality]
    spec = next(spec for spec in frames.store_modalities if spec.name == modality)
    return np.stack([np.asarray(tile) for tile in tiles(spec, values, (TILE, TILE))])
