"""A study on a cluster of several machines gives the rows that one process gives."""

import re
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from studies.commands import DEMO
from studies.run.rows import STAGES, read_rows
from studies.run.runner import run_study
from studies.run.schedule import LOG
from studies.spec.config import load_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]

FIELDS = {"base.frames": 32, "base.pretrain.samples": 64, "base.transfer.samples": 64}


def results(out: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in ("cost", "code_version")} for row in read_rows(out)]


def test_two_machines_give_the_rows_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run_study(load_study(DEMO, "smoke", fields=FIELDS | {"machine.slots": 0}), tmp_path / "one")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    room = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **room})
    try:
        machines = {cluster.add_node(num_cpus=1, **room).node_id for _ in range(2)}
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        run_study(load_study(DEMO, "smoke", fields=FIELDS | {"machine.slots": 2}), tmp_path / "two")
    finally:
        ray.shutdown()
        cluster.shutdown()
    logs = [p.read_text() for p in (tmp_path / "two" / STAGES).glob(f"*/{LOG}")]
    assert {m[1] for log in logs for m in re.finditer(r"on node (\w+)", log)} == machines
    assert len(results(tmp_path / "two")) == 3
    assert results(tmp_path / "two") == results(tmp_path / "one")
