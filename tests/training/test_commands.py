"""The stages by their commands, from paths alone."""

import json

from engine.store.access import PretrainFrames
from tests.training.conftest import ONE_THREAD, TINY_TRANSFER
from tests.training.tiny_world import make_store
from training.bench.tokenizers import TokenizerBench, bench
from training.commands import (
    EvaluateCommand,
    PropagateCommand,
    TokenizeCommand,
    TokenizerCommand,
    TransferCommand,
    evaluate,
    propagate,
    tokenize_store,
    train_tokenizer,
    transfer,
)
from training.tokenizers.registry import token_array
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer.evaluate import EvaluateConfig


def test_tokens_of_several_tokenizers_and_the_bench_of_them(tmp_path, capsys):
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16).path
    small = TokenizerConfig(patch=4, width=16, depth=1, steps=2, batch=16, runtime=ONE_THREAD)
    measured = TokenizerBench(
        store=store,
        out=tmp_path / "bench",
        modalities=("depth", "edges"),
        codes=(16,),
        seeds=(0, 1),
        tokenizer=small,
    )
    bench(measured)
    assert capsys.readouterr().out == (tmp_path / "bench" / "tokenizers.md").read_text()
    assert (tmp_path / "bench" / "tokenizers.png").exists()
    kept = (tmp_path / "bench" / "depth-vq-16-seed1" / "metrics.json").stat().st_mtime_ns
    bench(measured)
    assert (tmp_path / "bench" / "depth-vq-16-seed1" / "metrics.json").stat().st_mtime_ns == kept
    capsys.readouterr()
    folders = tuple(tmp_path / "bench" / f"{name}-seed0" for name in ("depth-vq-16", "edges-fsq-16"))
    tokenize_store(
        TokenizeCommand(store=store, tokenizers=folders, crops=TokenCropConfig(count=1), runtime=ONE_THREAD)
    )
    assert capsys.readouterr().out.count('"crops": 2') == 2
    crops = TokenCropConfig(count=1)
    arrays = {crops.array, *(token_array(folder, crops) for folder in folders)}
    assert arrays <= set(PretrainFrames(store).modalities)


def test_tokenizer_transfer_propagate_evaluate(tmp_path, capsys):
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16).path
    small = TokenizerConfig(patch=4, codes=8, width=16, depth=1, steps=2, batch=16, runtime=ONE_THREAD)
    train_tokenizer(TokenizerCommand(store=store, modality="edges", out=tmp_path / "tok", tokenizer=small))
    assert '"array": "tok_edges_' in capsys.readouterr().out
    once = TINY_TRANSFER.model_copy(update={"samples": 16})
    transfer(TransferCommand(store=store, test_store=store, out=tmp_path / "tuned", transfer=once))
    propagate(PropagateCommand(store=store, teacher=tmp_path / "tuned", out=tmp_path / "guessed"))
    assert '"kept": ' in capsys.readouterr().out
    student = TransferCommand(
        store=store, test_store=store, out=tmp_path / "student", pseudo=tmp_path / "guessed", transfer=once
    )
    transfer(student)
    assert json.loads((tmp_path / "student" / "metrics.json").read_text())["pseudo_frames"] == 16
    capsys.readouterr()
    scoring = EvaluateConfig(runtime=ONE_THREAD)
    evaluate(EvaluateCommand(store=store, model=tmp_path / "tuned", out=tmp_path / "eval", evaluate=scoring))
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert 0 <= shown["miou"] <= 1
