"""`ray up` for real: ray_cluster_local.yaml with a head and two workers, machines of their own in namespaces
(tests/cluster/machines.py); on them houses are collected and a model is pre-trained by two workers, and
`ray down` must leave nothing behind.

    .venv/bin/python -m tests.cluster.ray_up      as root; prints what it saw, exit status 0 if all went well

Commands are those of docs/cluster.md; of the setup commands only those that would download are left out.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.cluster.machines import Machines, become_gateway, cannot, in_namespaces, is_gateway

ROOT = Path(__file__).resolve().parents[2]
PLACES = {"HEAD_ADDRESS": "head", "WORKER_1_ADDRESS": "worker-1", "WORKER_2_ADDRESS": "worker-2"}
HOUSES, FRAMES = 2, 24
MODULE = [sys.executable, "-m", "tests.cluster.ray_up"]

# Which machine each actor was made on, as the head remembers them.
_ACTORS = """
import json, ray, ray._private.state as state
ray.init("auto", logging_level="ERROR")
names = {n["NodeID"]: n["NodeManagerHostname"] for n in ray.nodes()}
seen = {}
for a in state.actors().values():
    seen.setdefault(a["ActorClassName"], set()).add(names.get(a["Address"]["NodeID"], "nowhere"))
print("ACTORS", json.dumps({name: sorted(where) for name, where in sorted(seen.items())}))
"""
_NODES = """
import ray, time
ray.init("auto", logging_level="ERROR")
for _ in range(120):
    alive = [n for n in ray.nodes() if n["Alive"]]
    if len(alive) == 3: break
    time.sleep(1)
print("NODES", sorted((n["NodeManagerHostname"], n["Resources"].get("CPU", 0.0),
    n["Resources"].get("collector", 0.0)) for n in alive))
"""


class Cluster:
    """The commands of Ray's cluster launcher, given on the gateway."""

    def __init__(self, config: Path):
        self.config = config

    def ray(self, verb: str, *args: str, timeout: float = 300) -> str:
        """Runs `ray VERB CONFIG ARGS`; returns its output. Raises where it fails."""
        command = [sys.executable, "-m", "ray.scripts.scripts", verb, str(self.config), *args]
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        say(f"ray {verb} {' '.join(' '.join(args).split())[:110]}: {time.monotonic() - started:.0f} s")
        if done.returncode:
            raise RuntimeError(f"ray {verb} failed:\n{done.stdout[-6000:]}")
        return done.stdout

    def run(self, command: str) -> str:
        """A command on the head, in the checkout there."""
        return self.ray("exec", f"cd testspace && RAY_ADDRESS=auto {command}")

    def python(self, code: str) -> str:
        return self.ray("exec", f"python -c {shlex.quote(code)}")


def say(text: str) -> None:
    print(text, flush=True)


def marked(output: str, mark: str) -> str:
    """What follows a mark in an output."""
    return next(line.split(mark, 1)[1].strip() for line in output.splitlines() if line.startswith(mark))


def cluster_file(machines: Machines, folder: Path) -> Path:
    """ray_cluster_local.yaml for these machines."""
    text = (ROOT / "ray_cluster_local.yaml").read_text()
    for place, name in PLACES.items():
        text = text.replace(place, machines.addresses[name])
    config = yaml.safe_load(text)
    config["auth"] = {"ssh_user": "root", "ssh_private_key": str(machines.key)}
    # ~/venv is there, a link; a machine without a network can install nothing
    config["setup_commands"] = [c for c in config["setup_commands"] if "pip install" not in c]
    # One core each, so that two workers of a training are on two machines.
    starts = config["worker_start_ray_commands"]
    config["worker_start_ray_commands"] = [c.replace("ray start", "ray start --num-cpus=1") for c in starts]
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def scenario(work: Path) -> None:
    """Up, collect, pre-train, down. Raises AssertionError or RuntimeError where something is not right."""
    shared = work / "shared"
    shared.mkdir()
    with Machines(work, list(PLACES.values())) as machines:
        say(f"machines: {machines.addresses}")
        cluster = Cluster(cluster_file(machines, work))
        cluster.ray("up", "--yes", "--no-config-cache")
        try:
            use(cluster, shared)
        finally:
            cluster.ray("down", "--yes")
        after_down(machines)


def use(cluster: Cluster, shared: Path) -> None:
    """Collects and pre-trains on a cluster that is up."""
    nodes = marked(cluster.python(_NODES), "NODES")
    say(f"nodes (host, CPUs, collector): {nodes}")
    assert nodes.count("worker-") == 2, "not all workers joined"
    cluster.ray("rsync-up", "./", "testspace/")
    cluster.run(
        f"python tst.py houses generate --family apartment --count {HOUSES} --seed 0 --out {shared}/houses"
    )
    out = cluster.run(
        f"python tst.py collect {shared}/houses --store {shared}/store --role pretrain --frames {FRAMES} "
        "--size 32 --frames-per-part 8 --actors 2 --device cpu --node-resource collector"
    )
    say(next(line for line in out.splitlines() if "wrote" in line))
    assert f"wrote {HOUSES * FRAMES} frames" in out
    assert "every file is what was written" in cluster.run(f"python tst.py store verify {shared}/store")
    small = {
        "objective": "mae",
        "encoder": {"patch": 8, "dim": 32, "depth": 1, "heads": 2},
        "decoder_depth": 1,
    }
    small |= {"batch": 16, "samples": 64, "runtime": {"device": "cpu", "threads": 1}}
    command = {"store": f"{shared}/store", "out": f"{shared}/run", "pretrain": small}
    (shared / "pretrain.yaml").write_text(yaml.safe_dump(command))
    cluster.run(f"python tst.py pretrain {shared}/pretrain.yaml --workers 2")
    metrics = json.loads((shared / "run" / "metrics.json").read_text())
    say(f"pre-training: {metrics['steps']} steps by two workers, loss {metrics['loss']:.3f}")
    where = json.loads(marked(cluster.python(_ACTORS), "ACTORS"))
    say(f"actors were on: {where}")
    assert where["MakerActor"] == ["worker-1", "worker-2"]
    assert where["RayTrainWorker"] == ["worker-1", "worker-2"]


def after_down(machines: Machines) -> None:
    """Nothing of Ray runs on any machine, at once on the head and soon on the workers."""
    started = time.monotonic()
    while True:
        left = {name: machines.running(name) for name in machines.addresses}
        waited = time.monotonic() - started
        programs = {name: [program(line) for line in lines] for name, lines in left.items()}
        say(f"{waited:.0f} s after `ray down` there run {programs}")
        if not any(left.values()):
            return
        assert waited < 150, left
        time.sleep(5)


def program(line: str) -> str:
    """What runs, of a command line, in a word or two."""
    words = [Path(word).name for word in line.split()[:4] if not word.startswith("-")]
    return next((w for w in words if not w.startswith(("python", "ray::"))), words[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, help="an empty folder to work in; by default a temporary one")
    work = parser.parse_args().work
    reason = None if is_gateway() else cannot()
    if reason:
        say(f"cannot be run here: {reason}")
        return 3
    if work is None:
        with tempfile.TemporaryDirectory(prefix="tst-ray-up-") as folder:
            return in_namespaces([*MODULE, "--work", folder])
    if not is_gateway():
        return in_namespaces([*MODULE, "--work", str(work)])
    become_gateway(work)
    os.environ.update(RAY_UP_enable_autoscaler_v2="0")
    started = time.monotonic()
    scenario(work)
    say(f"all as it should be, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
