"""Captioning by the kit; its scores against pycocoevalcap's; that it learns, and that captions stay true."""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import PretrainFrames, TransferFrames
from tests.training.task_kit import TaskKit
from tests.training.tiny_world import LABELS, draw_frames, make_store
from training.transfer.build import load_model
from training.transfer.data import LabelledBatch, LabelledFrames, mirror_and_zoom
from training.transfer.evaluate import outputs
from training.transfer.task import EvaluatedBatch, FeatureShape
from training.transfer.tasks.captioning.captioning import CaptioningConfig
from training.transfer.tasks.captioning.decoder import CAPTIONS, CaptionHead, DecoderConfig
from training.transfer.tasks.captioning.grammar import parse
from training.transfer.tasks.captioning.labels import GrammarCaptions, MapReader
from training.transfer.tasks.captioning.scores import bleu, cider
from training.transfer.tasks.captioning.search import search
from training.transfer.tasks.captioning.spice import check_spice
from training.transfer.tasks.captioning.tuples import CaptionParser, true_claims
from training.transfer.tasks.captioning.vocabulary import END, PAD, START, Vocabulary, learn_vocabulary
from training.transfer.transfer import transfer

pytest.importorskip("tokenizers")
GOLDEN = Path(__file__).parents[1] / "golden" / "captions" / "scores.json"
OWN: dict[str, Any] = {"decoder": {"depth": 1, "length": 24}, "vocabulary": 300}


class TestCaptioning(TaskKit):
    name = "captioning"
    metric = "cider"
    budget = {"finetune": {"samples": 640, "lr": 3e-3, "captioning": OWN}}


@pytest.mark.parametrize("number", [0, 1])
def test_scores_are_those_of_pycocoevalcap(number: int):
    golden = json.loads(GOLDEN.read_text())
    expected = golden["scores"][number]
    captions = golden["captions"][: expected["count"]]
    predictions = [c["prediction"] for c in captions]
    references = [c["references"] for c in captions]
    np.testing.assert_allclose(cider(predictions, references), expected["cider"], atol=1e-9)
    assert bleu(predictions, references) == pytest.approx(expected["bleu"], abs=1e-9)


def test_punctuation_and_case_are_no_part_of_a_score():
    references = [["a bed, a chair and a lamp"], ["two eggs on a bed"]]
    np.testing.assert_allclose(cider(["A bed, a chair and a lamp.", "two eggs on a bed"], references), 10.0)


def test_captions_survive_the_vocabulary_and_any_text_has_tokens():
    captions = ["a bed, two chairs and an egg in a room", "a tv stand is left of an arm chair"]
    learned = learn_vocabulary(captions * 3, 300)
    assert learned == learn_vocabulary(captions * 3, 300)
    known = Vocabulary(learned)
    assert len(known) <= 300
    texts = [*captions, "nothing", "ein kühlschrank, zwei löffel", "冷蔵庫"]
    tokens = known.encode([[text] for text in texts], length=64)
    assert tokens.shape[:2] == (5, 1)
    assert (tokens[:, 0, 0] == START).all()
    for row, text in zip(tokens[:, 0], texts, strict=True):
        assert (row == END).sum() == 1
        assert (row[np.argmax(row == END) + 1 :] == PAD).all()
        assert known.decode(row[None]) == [text]
    assert known.encode([[texts[0]]], length=5).shape == (1, 1, 5)


def test_without_tokenizers_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=re.escape(".[captioning]")):
        CaptioningConfig().check_installed()


def maps_of(count: int, size: int = 32) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """RGB, and what the label reader gives of these frames."""
    arrays = draw_frames(count, size, np.random.default_rng(3)) | {"id": np.arange(count)}
    return {"rgb": arrays["rgb"]}, MapReader()(arrays)


def test_captions_of_mirrored_and_cropped_frames_are_true_of_what_is_seen():
    images, labels = maps_of(60)
    source = GrammarCaptions(LABELS, 0.01, 5, 0)
    parser = CaptionParser(source.names)
    sides: set[str] = set()
    stale = 0
    for crop in (1.0, 0.5):
        seen = mirror_and_zoom(LabelledBatch(images, labels), crop, True, np.random.default_rng(1))
        whole = source.captions(labels)
        for scene, texts, before in zip(
            source.scenes(seen.labels), source.captions(seen.labels), whole, strict=True
        ):
            for text in texts:
                claims = parser.claims(text)
                assert claims is not None
                true, all_of_them = true_claims(claims, scene)
                assert true == all_of_them, text
                sides |= {relation for _, relation, _ in claims.relations}
            # Those of the frame as it was are not: captions made before mirrors and windows would be false.
            for text in before:
                claims = parser.claims(text)
                assert claims is not None
                true, all_of_them = true_claims(claims, scene)
                stale += true < all_of_them
    assert {"left of", "right of"} <= sides
    assert stale > 20


def test_what_a_mirror_does_to_left_and_right():
    _, labels = maps_of(60)
    source = GrammarCaptions(LABELS, 0.01, 40, 0)
    mirrored = {k: v[:, :, ::-1] if v.ndim == 3 else v for k, v in labels.items()}
    turn = {"left of": "right of", "right of": "left of"}
    turned = 0
    for here, there in zip(source.captions(labels), source.captions(mirrored), strict=True):
        expected = {re.sub("left of|right of", lambda m: turn[m[0]], text) for text in here}
        assert expected == set(there)
        turned += set(here) != set(there)
    assert turned >= 5


def test_targets_are_the_captions_between_start_and_end():
    config = CaptioningConfig.model_validate(OWN)
    _, labels = maps_of(8)
    source = config.source(LABELS)
    texts = source.captions(labels)
    facts = {"label_table": LABELS, "vocabulary": learn_vocabulary(itertools.chain(*texts), 300)}
    task = config.build(facts)
    tokens = task.targets(labels)[CAPTIONS]
    for i, k in itertools.product(range(8), range(5)):
        assert task.vocabulary.decode(tokens[i, k : k + 1].numpy()) == [texts[i][k]]


def head(beams: int = 1) -> CaptionHead:
    made = CaptionHead(DecoderConfig(depth=2, length=12), FeatureShape(32, 4, 8), 20, beams)
    made.initialise(torch.Generator().manual_seed(0))
    return made.eval()


def test_no_token_sees_a_later_one_or_another_caption():
    made = head()
    rng = np.random.default_rng(0)
    said = torch.from_numpy(rng.integers(3, 20, (2, 3, 8)))
    context = torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(1))
    logits = made(context, {CAPTIONS: said})
    other = said.clone()
    other[:, 1, 4:] = 3 + (other[:, 1, 4:] + 1) % 17
    changed = made(context, {CAPTIONS: other})
    assert logits.shape == (2, 3, 7, 20)
    torch.testing.assert_close(changed[:, [0, 2]], logits[:, [0, 2]])
    torch.testing.assert_close(changed[:, 1, :4], logits[:, 1, :4])
    assert not torch.allclose(changed[:, 1, 4], logits[:, 1, 4])


def test_greedy_search_takes_the_likeliest_token_each_time():
    made = head()
    features = torch.randn(3, 16, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        tokens = made(features)
        logits = made(features, {CAPTIONS: tokens[:, None]})[:, 0]
    logits[..., [PAD, START]] = -torch.inf
    for row, scores in zip(tokens, logits, strict=True):
        end = int((row == END).nonzero()[0]) if (row == END).any() else len(row) - 1
        assert row[1 : end + 1].tolist() == scores[:end].argmax(-1).tolist()


def test_a_wide_beam_finds_what_trying_everything_finds_and_greedy_search_does_not():
    entries, length = 6, 5
    found = []
    for seed in range(20):
        table = torch.randn(entries, entries, generator=torch.Generator().manual_seed(seed)) * 2

        def step(said: torch.Tensor, table: torch.Tensor = table) -> torch.Tensor:
            return table[said[:, -1]]

        def mean(tokens: list[int], table: torch.Tensor = table) -> float:
            chances = table.log_softmax(-1)
            return float(np.mean([chances[a, b] for a, b in itertools.pairwise(tokens)]))

        every = []
        for words in itertools.product(range(3, entries), repeat=length - 1):
            every += [[START, *words], *([START, *words[:n], END] for n in range(length - 1))]
        best = max(map(mean, every))
        for beams in (1, 100):
            row = search(step, 1, beams, length, torch.device("cpu"))[0].tolist()
            said = row[: row.index(END) + 1] if END in row else row
            found.append(mean(said) == pytest.approx(best, abs=1e-5))
    assert all(found[1::2])
    assert not all(found[::2])


def test_beams_of_several_frames_do_not_mix():
    made = head(beams=3)
    features = torch.randn(4, 16, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = made(features)
        alone = [made(features[i : i + 1])[0] for i in range(4)]
    for row, own in zip(together, alone, strict=True):
        assert row[: len(own)].tolist() == own.tolist()
        assert (row[len(own) :] == PAD).all()


def test_tuples_are_compared_as_sets_and_claims_with_the_frame():
    parser = CaptionParser(["Bed", "Chair", "ArmChair"])
    references = ["a room with a bed", "a bed is left of a chair"]
    assert parser.f1("a bed is left of a chair", references) == pytest.approx(2 * 3 / (3 + 5))
    assert parser.f1("two beds", references) == pytest.approx(2 * 1 / (2 + 5))
    assert parser.f1("bed a of", references) == 0
    assert (parser.f1("nothing", ["nothing"]), parser.f1("a of", ["nothing"])) == (1, 0)
    _, labels = maps_of(20)
    source = GrammarCaptions(LABELS, 0.01, 5, 0)
    for scene in source.scenes(labels):
        if scene.counts["bed"] == 1:
            assert true_claims(parse("a bed in a room", source.names), scene) == (2, 2)
            assert true_claims(parse("two beds in a room", source.names), scene) == (1, 2)


def test_spice_says_all_that_it_lacks_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"java.*; the package pycocoevalcap"):
        check_spice()
    with pytest.raises(ValueError, match="set it to false"):
        CaptioningConfig(spice=True).check_installed()
    CaptioningConfig().check_installed()


def test_it_overfits_eight_frames_far_above_chance(tmp_path):
    """One caption a frame, since of five that differ none can score high; no mirrors, so that it stays."""
    store = make_store(tmp_path / "store", pretrain=4, transfer=8, held_out=4)
    frames = TransferFrames(store, [PretrainFrames(store)])
    fields: dict[str, Any] = {"captioning": OWN | {"captions": 1, "least_share": 0.01}, "flip": False}
    config = TestCaptioning().config("finetune", samples=8 * 150, batch=8, lr=2e-3, **fields)
    transfer(config, frames, None, tmp_path / "tuned")
    model, task, settings, _ = load_model(tmp_path / "tuned")
    evaluator = task.evaluator(frozenset())
    labelled = LabelledFrames(frames, settings.own.label_reader(frames.labels))
    reads = labelled.reads(model.inputs)
    for batch, output in outputs(model, frames, reads, 8, torch.device("cpu"), False, desc="overfit"):
        images, labels = labelled.split(batch, model.inputs)
        spaces = tuple(frames.space_of(batch["id"]))
        evaluator.add(EvaluatedBatch(batch["id"], spaces, images, labels, task.predict(output)))
    scores = evaluator.metrics()
    assert scores["cider"] > 5
    assert scores["cider_of_another"] < 1
    assert scores["cider"] > 0.8 * scores["cider_of_a_reference"]
    assert scores["tuple_f1"] > 0.8
