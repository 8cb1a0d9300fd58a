"""`tst bench tokenizers`: quantisers side by side on one store: error, usage, perplexity, seconds.

    tst bench tokenizers --store STORE --out OUT

Each tokenizer gets a folder in OUT; existing ones are not trained again. The printed table, also in OUT as
`tokenizers.md` and `.json`, has means and standard deviations over seeds; `tokenizers.png` shows frames
before and after the tokenizers of the first seed.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from engine.store.access import PretrainFrames
from scenes.config import Config
from training.common.checkpoint import CONFIG, METRICS, read_json, write_json
from training.common.config import RuntimeConfig
from training.tokenizers.autoencoder import TokenizerConfig
from training.tokenizers.registry import load_tokenizer
from training.tokenizers.token_pictures import compare
from training.tokenizers.tokenizer import train_tokenizer

MEASURED = ("reconstruction_error", "usage", "perplexity", "cpu_seconds", "wall_seconds")


class TokenizerBench(Config):
    """What `tst bench tokenizers` needs to know."""

    store: Path
    """The store; its pre-training frames are used."""
    out: Path
    """Folder of the tokenizers and of what was measured."""
    modalities: tuple[str, ...] = ("rgb", "depth", "normals", "edges")
    """What to tokenize."""
    quantisers: tuple[Literal["vq", "fsq"], ...] = ("vq", "fsq")
    """What to compare."""
    codes: tuple[int, ...] = (64, 512)
    """Sizes of codebooks."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of weights, batch order and codebooks."""
    shown: int = Field(default=6, ge=1, le=32)
    """Frames in the picture, with the largest codebooks."""
    tokenizer: TokenizerConfig = TokenizerConfig(steps=300, batch=32, runtime=RuntimeConfig(threads=1))
    """Everything else of the tokenizers; the default is what the demo trains."""


def bench(config: TokenizerBench) -> None:
    """Train what is not there yet, measure, draw. Raises ValueError where tokenizers that are there already
    were trained otherwise."""
    frames = PretrainFrames(config.store)
    found: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for seed, codes, quantiser, modality in product(
        config.seeds, config.codes, config.quantisers, config.modalities
    ):
        fields = {"codes": codes, "quantiser": quantiser, "seed": seed}
        settings = TokenizerConfig.model_validate(config.tokenizer.model_dump() | fields)
        folder = _folder(config.out, modality, quantiser, codes, seed)
        if not (folder / METRICS).exists():
            train_tokenizer(frames, modality, settings, folder)
        held = TokenizerConfig.model_validate(read_json(folder / CONFIG)["tokenizer"])
        if held != settings:
            raise ValueError(f"{folder} was trained with {held}, not {settings}: take another folder out")
        found.setdefault((modality, codes, quantiser), []).append(read_json(folder / METRICS))
    rows = [
        {"modality": modality, "codes": codes, "quantiser": quantiser, "seeds": len(runs)}
        | {"error_unit": runs[0]["error_unit"], "held_out_frames": runs[0]["held_out_frames"]}
        | {name: _spread([r[name] for r in runs]) for name in MEASURED}
        | {"usage_on_trained": _spread([r["on_trained"]["usage"] for r in runs])}
        for modality, codes, quantiser in product(config.modalities, config.codes, config.quantisers)
        for runs in [found[modality, codes, quantiser]]
    ]
    write_json(config.out / "tokenizers.json", rows)
    count = min(config.shown, len(frames))
    ids = ((np.arange(count) + 0.5) * len(frames) / count).astype(np.int64)
    most = max(config.codes)
    shown = [
        (f"{q} {most}", load_tokenizer(_folder(config.out, m, q, most, config.seeds[0])))
        for m in config.modalities
        for q in config.quantisers
    ]
    compare(frames, ids, shown).save(config.out / "tokenizers.png")
    text = table(rows)
    (config.out / "tokenizers.md").write_text(text)
    print(text, end="")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of `tokenizers.json` as Markdown: one for each modality and size of codebook, quantisers side by
    side. Usage: among held-out frames and, in brackets, among trained ones. Seconds: of processor time."""
    quantisers = list(dict.fromkeys(r["quantiser"] for r in rows))
    columns = [f"{q}: error | usage | perplexity | s" for q in quantisers]
    lines = [f"| | codes | {' | '.join(columns)} |", "|---" * (2 + 4 * len(columns)) + "|"]
    found = {(r["modality"], r["codes"], r["quantiser"]): r for r in rows}
    for modality, codes in dict.fromkeys((r["modality"], r["codes"]) for r in rows):
        cells = []
        unit = found[modality, codes, quantisers[0]]["error_unit"].replace("|", "\\|")
        for r in (found[modality, codes, q] for q in quantisers):
            usage = f"{_shown(r['usage'], '.2f')} ({r['usage_on_trained']['mean']:.2f})"
            cells += [_shown(r["reconstruction_error"], ".3g"), usage, _shown(r["perplexity"], ".0f")]
            cells.append(_shown(r["cpu_seconds"], ".0f"))
        lines.append(f"| {modality}, {unit} | {codes} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _folder(out: Path, modality: str, quantiser: str, codes: int, seed: int) -> Path:
    return out / f"{modality}-{quantiser}-{codes}-seed{seed}"


def _spread(values: list[float]) -> dict[str, float]:
    """Of one value no deviation is known."""
    found = {"mean": float(np.mean(values))}
    return found | {"sd": float(np.std(values, ddof=1))} if len(values) > 1 else found


def _shown(spread: dict[str, float], form: str) -> str:
    mean = f"{spread['mean']:{form}}"
    if "sd" not in spread:
        return mean
    decimals = len(mean.partition(".")[2])
    return f"{mean} ± {spread['sd']:.{decimals}f}"
