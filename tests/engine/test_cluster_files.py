"""The cluster files pass Ray's own preparation and schema, offline, and say what the code relies on."""

import importlib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
FILES = ("ray_cluster.yaml", "ray_cluster_local.yaml")


@pytest.mark.parametrize("name", FILES)
def test_a_cluster_file_passes_rays_schema(name):
    util = importlib.import_module("ray.autoscaler._private.util")
    config = yaml.safe_load((ROOT / name).read_text())
    util.validate_config(util.prepare_config(config))
    assert "**/.venv" in config["rsync_exclude"]
    starts = " ".join(config["head_start_ray_commands"] + config["worker_start_ray_commands"])
    assert starts.count("--object-store-memory") == 2
    assert "--num-cpus=0" in config["head_start_ray_commands"][-1], "no work lands on the head"


def test_collectors_and_trainers_are_told_apart():
    types = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())["available_node_types"]
    assert "collector" in types["collector"]["resources"]
    assert "collector" not in types["trainer"]["resources"]
    assert "GPU" not in types["collector"]["resources"]
    assert types["collector"]["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"


def test_node_configs_pass_botocores_validator():
    validate = pytest.importorskip("botocore.validate")
    session = importlib.import_module("botocore.session").get_session()
    shape = session.get_service_model("ec2").operation_model("RunInstances").input_shape
    types = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())["available_node_types"]
    for kind in types.values():
        request = {"MinCount": 1, "MaxCount": 1, **kind["node_config"]}
        report = validate.ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
