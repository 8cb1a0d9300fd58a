"""What runs of studies and trainings show."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboardX import SummaryWriter

import viewer.curves
from engine.store.pictures import palette
from tests.viewer.conftest import Serve
from tests.viewer.planted_run import REPORT, plant_run
from training.common.checkpoint import save_training
from training.pretrain.tensorboard import FOLDER
from training.tokenizers.autoencoder import Tokenizer, TokenizerConfig
from training.tokenizers.image_tokenizer import save_tokenizer
from viewer.curves import thinned, training_facts
from viewer.opened import Place


def _facts(folder: Path) -> dict:
    facts = training_facts("id", Place("id", "a training", folder, "pretrain"))
    assert facts is not None
    return facts


def test_the_curve_of_a_running_training_is_the_longer_of_its_files(tmp_path: Path):
    model = torch.nn.Linear(1, 1)
    optimiser = torch.optim.AdamW(model.parameters())
    save_training(tmp_path / "training.safetensors", model, optimiser, {"curve": [[1, 3.0], [2, 2.5]]})
    (tmp_path / "log.txt").write_text("began\npretrain:  10%\rpretrain:  20%, total=2.5")
    facts = _facts(tmp_path)
    assert facts["points"] == [[1, 3.0], [2, 2.5]]
    assert (facts["done"], facts["line"]) == (False, "pretrain:  20%, total=2.5")
    with SummaryWriter(str(tmp_path / FOLDER)) as writer:
        for step, loss in ((1, 3.0), (2, 2.5), (3, 2.25)):
            writer.add_scalar("loss/total", loss, step)
            writer.add_scalar("loss/rgb", 9.0, step)
    assert _facts(tmp_path)["points"] == [[1, 3.0], [2, 2.5], [3, 2.25]]
    (events,) = (tmp_path / FOLDER).iterdir()
    events.write_bytes(events.read_bytes()[:-60])  # as it is while its last record is written
    assert _facts(tmp_path)["points"] == [[1, 3.0], [2, 2.5]]
    (tmp_path / "done.json").write_text(json.dumps({"metrics": {"curve": [[4, 1.0]]}}))
    assert (_facts(tmp_path)["points"], _facts(tmp_path)["done"]) == ([[4, 1.0]], True)


def test_a_resumed_training_has_one_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number, steps in enumerate(((1, 2, 3, 4), (3, 5))):
        with SummaryWriter(str(tmp_path / FOLDER), filename_suffix=f".{number}") as writer:
            for step in steps:
                writer.add_scalar("loss/total", 10 * number + step, step)
    assert _facts(tmp_path)["points"] == [[1, 1.0], [2, 2.0], [3, 13.0], [5, 15.0]]
    monkeypatch.setattr(viewer.curves, "_MOST", 2)
    assert thinned([[s, 0.0] for s in range(1, 6)]) == [[2, 0.0], [5, 0.0]]


def test_predictions_of_arms_stand_beside_the_truth(serve: Serve, tmp_path: Path):
    maps = plant_run(tmp_path)
    served = serve(tmp_path)
    (study,) = served.server.opened.found.studies
    facts = json.loads(served.get("api/study", study=study)[2])
    assert [r["label"] for r in facts["rows"]] == ["scratch", "mm"]
    kept = {"frames": 2, "of": "d", "classes": ["a", "b"], "miou": 0.5}
    assert facts["rows"][0]["evaluations"] == {"test": kept}
    asked = {"study": study, "row": "mm.json", "evaluation": "test", "index": 1, "size": 16}
    for what in ("truth", "prediction"):
        shown = Image.open(io.BytesIO(served.get("api/prediction", what=what, **asked)[2]))
        truth = palette()[maps["mm"][what][1]].repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(np.asarray(shown), truth)
    for wrong in ({"row": "other.json"}, {"evaluation": "../test"}, {"what": "secret"}):
        assert served.get("api/prediction", **{"what": "truth"} | asked | wrong)[0] == 404
    assert served.get("api/prediction", what="truth", **asked | {"index": 2})[0] == 400
    status, headers, body = served.get("api/report", study=study)
    assert (status, body) == (200, REPORT.encode())
    policy = headers["content-security-policy"]
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert policy.endswith("sandbox"), "what runs in a report reaches nothing"


def test_a_frame_is_shown_through_the_tokenizers_of_its_modalities(serve: Serve, small: Path, tmp_path: Path):
    config = TokenizerConfig(patch=4, width=8, depth=1, codes=16, code_dim=4)
    model = Tokenizer("rgb", config)
    fields = config.model_dump(mode="json")
    save_tokenizer(tmp_path / "tok", "tokenizer", "rgb", fields, model.state_dict())
    (tmp_path / "tok" / "metrics.json").write_text("{}")
    served = serve(small, tmp_path / "tok")
    (store,) = served.server.opened.found.stores
    (tokenizer,) = json.loads(served.get("api/tokenizers")[2])
    assert tokenizer["modality"] == "rgb"
    status, headers, body = served.get("api/tokens", store=store, part="eval-a", frame=7)
    assert (status, headers["content-type"]) == (200, "image/png"), body
    assert Image.open(io.BytesIO(body)).height > 150, "the input, and what the tokenizer makes of it"
