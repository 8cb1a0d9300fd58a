"""The bench of tokenizers: means and deviations of what their trainings measured, what is there is kept."""

import json

import numpy as np
import pytest

from tests.training.conftest import ONE_THREAD, World
from training.bench.tokenizers import TokenizerBench, bench
from training.tokenizers.autoencoder import TokenizerConfig


def test_means_and_deviations_over_seeds(world: World, tmp_path, capsys):
    tiny = TokenizerConfig(
        patch=4,
        width=16,
        depth=1,
        steps=2,
        batch=16,
        runtime=ONE_THREAD,
        check_frames=16,
        bf16=False,
    )
    config = TokenizerBench(
        store=world.store.path,
        out=tmp_path,
        modalities=("depth", "edges"),
        quantisers=("vq", "fsq"),
        codes=(16,),
        seeds=(0, 1, 2),
        shown=2,
        tokenizer=tiny,
    )
    bench(config)
    rows = json.loads((tmp_path / "tokenizers.json").read_text())
    assert [(r["modality"], r["quantiser"]) for r in rows] == [
        (m, q) for m in ("depth", "edges") for q in ("vq", "fsq")
    ]
    folders = [tmp_path / f"edges-fsq-16-seed{seed}" for seed in range(3)]
    errors = [json.loads((f / "metrics.json").read_text())["reconstruction_error"] for f in folders]
    assert rows[3]["reconstruction_error"]["mean"] == pytest.approx(np.mean(errors))
    assert rows[3]["reconstruction_error"]["sd"] == pytest.approx(np.std(errors, ddof=1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4  # heading, rule, two modalities
    assert {line.replace("\\|", "").count("|") for line in lines} == {11}
    assert f"{np.mean(errors):.3g} ± " in lines[3]
    before = (folders[0] / "model.safetensors").stat().st_mtime_ns
    bench(config.model_copy(update={"modalities": ("edges",), "seeds": (0,)}))
    assert (folders[0] / "model.safetensors").stat().st_mtime_ns == before
    assert "±" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="take another folder"):
        bench(config.model_copy(update={"tokenizer": tiny.model_copy(update={"steps": 3})}))
