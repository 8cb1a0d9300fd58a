"""The front door: every command exists, explains itself, and ends with the status it promises."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tst
from agents.modalities import MODALITIES

ROOT = Path(__file__).parent.parent


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "tst.py", *args], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", sorted(tst.COMMANDS))
def test_every_command_leads_to_a_function_of_one_config(name: str):
    module, _, attribute = tst.COMMANDS[name][0].partition(":")
    function = getattr(importlib.import_module(module), attribute)
    (parameter,) = inspect.signature(function, eval_str=True).parameters.values()
    described = [f for f in parameter.annotation.model_fields.values() if not f.description]
    assert not described, "every field has its sentence"


def test_help_lists_every_command():
    listing = run("--help")
    assert listing.returncode == 0
    assert all(f"tst {name}" in listing.stdout for name in tst.COMMANDS)


@pytest.mark.parametrize("name", sorted(tst.COMMANDS))
def test_every_command_explains_its_fields(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        tst.main([*name.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"tst {name}" in shown
    if name == "collect":
        assert "[pixels]" in shown
        assert "--fov-deg" in shown


def test_what_the_user_can_mend_is_one_line_and_status_2(tmp_path: Path):
    missing = run("store", "info", str(tmp_path / "none"))
    assert missing.returncode == 2
    assert str(tmp_path / "none") in missing.stderr
    assert "Traceback" not in missing.stderr


def test_unknown_commands_and_keys_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        tst.main(["no-such-verb"])
    config = tmp_path / "transfer.yaml"
    config.write_text("store: a\ntest_store: a\nout: b\ntransfer: {sampels: 3}\n")
    with pytest.raises(SystemExit, match="2"):
        tst.main(["transfer", str(config)])
    said = capsys.readouterr().err
    assert "unknown key 'transfer.sampels'" in said
    assert "samples" in said.split("keys there are")[1]


def test_a_yaml_file_and_overrides_make_one_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    config = tmp_path / "transfer.yaml"
    config.write_text("store: a\ntest_store: a\nout: b\ntransfer: {samples: 3, batch: 2}\n")
    seen = []
    import training.commands

    def take(config: training.commands.TransferCommand) -> None:
        seen.append(config)

    monkeypatch.setattr(training.commands, "transfer", take)
    with pytest.raises(SystemExit) as ended:
        tst.main(["transfer", str(config), "--transfer.samples", "7"])
    assert ended.value.code == 0
    assert (seen[0].transfer.samples, seen[0].transfer.batch) == (7, 2)


def test_a_mixture_of_masks_passes_through_the_front_door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    config = tmp_path / "pretrain.yaml"
    config.write_text(
        "store: a\nout: b\ntokenizers: {rgb: t}\n"
        "pretrain: {mm: {masking: {mixture: [{inputs: 1.0, targets: 0.5}, {inputs: {rgb: 1000.0}}]}}}\n"
    )
    seen = []
    import training.pretrain.launch

    def take(config: training.pretrain.launch.PretrainCommand) -> None:
        seen.append(config)

    monkeypatch.setattr(training.pretrain.launch, "pretrain_command", take)
    with pytest.raises(SystemExit) as ended:
        tst.main(["pretrain", str(config), "--no-ray"])
    assert ended.value.code == 0
    assert seen[0].ray is False
    assert [c.inputs for c in seen[0].pretrain.mm.masking.mixture] == [1.0, {"rgb": 1000.0}]


def test_the_store_page_is_in_step_with_the_table_of_modalities():
    page = (ROOT / "docs" / "store.md").read_text()
    rows = dict(re.findall(r"^\| (\w+) \| (\w+ \[[^]]*\]) \|", page, re.MULTILINE))
    assert rows == {m.name: f"{m.dtype} [{','.join(str(n) for n in m.shape)}]" for m in MODALITIES.values()}


def test_the_cluster_file_passes_rays_own_schema():
    util = importlib.import_module("ray.autoscaler._private.util")
    config = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    util.validate_config(util.prepare_config(config))
    head = config["available_node_types"][config["head_node_type"]]
    assert head["resources"]["CPU"] == 0, "no work lands on the head"
