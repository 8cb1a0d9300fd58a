"""Machines of one's own, all on this one: each has an address, a host name, a home, a /tmp, processes and an
sshd of its own, by namespaces. What runs there reaches nothing else, and ends with what made them.

    in_namespaces([sys.executable, "script.py"])      # in which:
    become_gateway(work)
    with Machines(work, ["head", "worker"]) as machines: ...

Needs root, a kernel that grants namespaces, and openssh-server, openssh-client, rsync and iproute2 from apt.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

NEEDED = {"sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync", "ip": "iproute2"}
UNSHARE = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
GATEWAY = "10.77.0.254"
_ENV = "TESTSPACE_MACHINES"  # in the gateway's environment: the home of who started it
_KERNELS = Path(os.environ.get(_ENV, "~")).expanduser() / ".cache" / "warp"  # what the renderer compiled

# One machine's first process. Names that cannot be resolved fail at once, for there is nobody to ask.
_BOOT = """set -e
hostname "$NAME"
ip link set lo up
until ip link set eth0 up 2> /dev/null; do sleep 0.05; done
ip addr add "$ADDRESS/24" dev eth0
ip route add default via "$GATEWAY"
mount --bind "$HOSTS" /etc/hosts
mount -t tmpfs machine /run && mkdir /run/sshd
exec "$SSHD" -D -e -f "$HOME/sshd_config"
"""


def cannot() -> str | None:
    """Why there can be no such machines here, if there is a reason; what to do where that is known."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "machines in namespaces need Linux and root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = sorted({package for tool, package in NEEDED.items() if not shutil.which(tool, path=path)})
    if lacking:
        return f"apt-get install {' '.join(lacking)}"
    # All that will be asked of the kernel: namespaces in namespaces, a bridge and a cable, mounts.
    trial = "ip link add lan type bridge && ip link add cable type veth peer name end"
    trial += " && mount -t tmpfs shm /dev/shm"
    for command in ([*UNSHARE, "sh", "-c", trial], [*UNSHARE, *UNSHARE, "true"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"this machine's kernel refuses namespaces: {done.stderr.strip()}"
    return None


def in_namespaces(command: Sequence[str]) -> int:
    """Runs a command in namespaces of its own, where it is to call `become_gateway`; returns its status."""
    return subprocess.run([*UNSHARE, *command], env={**os.environ, _ENV: str(Path.home())}).returncode


def is_gateway() -> bool:
    """Whether this process was started by `in_namespaces`."""
    return _ENV in os.environ


def become_gateway(work: Path) -> None:
    """Makes this process's namespaces a machine, `work/gateway` its home, with a network to put others on."""
    _private(work, work / "gateway")
    for line in ("link set lo up", "link add lan type bridge", f"addr add {GATEWAY}/24 dev lan"):
        _ip(line)
    _ip("link set lan up")


class Machines:
    """Named machines, up as long as the block lasts."""

    def __init__(self, work: Path, names: Sequence[str]):
        self.key = work / "key"
        self.addresses = {name: f"10.77.0.{i + 1}" for i, name in enumerate(names)}
        self._work = work
        self._first: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Self:
        _keygen(self.key)
        hosts = [f"{address} {name}" for name, address in self.addresses.items()]
        (self._work / "hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
        for number, (name, address) in enumerate(self.addresses.items()):
            home = self._work / name
            home.mkdir()
            (home / ".bashrc").touch()
            (home / "venv").symlink_to(sys.prefix)
            if _KERNELS.is_dir():  # so they are machines that have rendered before
                (home / ".cache").mkdir()
                (home / ".cache" / "warp").symlink_to(_KERNELS)
            _keygen(home / "host_key")
            (home / "sshd_config").write_text(
                f"HostKey {home}/host_key\nAuthorizedKeysFile {self.key}.pub\nStrictModes no\nUsePAM no\n"
                "PasswordAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\nPidFile none\n"
            )
            boot = f"{_private_script(self._work, home)}\n{_BOOT}"
            facts = {"NAME": name, "ADDRESS": address, "GATEWAY": GATEWAY, "HOME": str(home)}
            facts |= {"HOSTS": str(self._work / "hosts"), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
            facts["SSHD"] = shutil.which("sshd", path=facts["PATH"]) or "sshd"
            log = (self._work / f"{name}.log").open("wb")
            with log:
                first = subprocess.Popen([*UNSHARE, "sh", "-c", boot], env=facts, stdout=log, stderr=log)
            self._first[name] = first
            while _namespace(first.pid, "net") in (_namespace(os.getpid(), "net"), None):
                assert first.poll() is None, (self._work / f"{name}.log").read_text()
                time.sleep(0.02)
            _ip(f"link add cable{number} master lan up type veth peer name eth0 netns {first.pid}")
        for name in self.addresses:
            deadline = time.monotonic() + 30
            while self.ssh(name, "true").returncode:
                assert time.monotonic() < deadline, (self._work / f"{name}.log").read_text()
                time.sleep(0.2)
        return self

    def __exit__(self, *error: object) -> None:
        for first in self._first.values():
            first.kill()  # and all of the machine with it, by --kill-child
            first.wait()

    def ssh(self, name: str, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a shell command on a machine."""
        asked = ["-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        line = ["ssh", *asked, "-o", "BatchMode=yes", f"root@{self.addresses[name]}", command]
        return subprocess.run(line, capture_output=True, text=True, timeout=60)

    def running(self, name: str) -> list[str]:
        """Command lines of all that runs on a machine, but for its sshd. Zombies do not run."""
        own = _namespace(self._first[name].pid, "pid_for_children")
        lines = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if _namespace(int(folder.name), "pid") != own:
                    continue
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue  # it has ended meanwhile
            if line and "sshd" not in line.split()[0]:
                lines.append(line)
        return sorted(lines)


def _private(work: Path, home: Path) -> None:
    """Gives this process, in a mount namespace of its own, a home, a /tmp and what goes with it."""
    home.mkdir()
    subprocess.run(["sh", "-ec", _private_script(work, home)], check=True)
    os.environ["HOME"] = str(home)


def _private_script(work: Path, home: Path) -> str:
    """Shell that hides the /tmp and the shared memory of others, and makes `home` root's."""
    users = Path("/etc/passwd").read_text().splitlines()
    users = [u for u in users if u.split(":")[2] != "0"]
    (home / "passwd").write_text("\n".join([f"root:x:0:0:root:{home}:/bin/bash", *users, ""]))
    (home / "shadow").write_text("root:*:19000:0:99999:7:::\n")
    (home / "nobody_to_ask").touch()
    here = Path(__file__).resolve().parents[2]
    # Of the old /tmp, what the run needs: at most the checkout, the interpreter and the folder it works in.
    needed = {str(p.resolve()) for p in (here, Path(sys.prefix), Path(sys.base_prefix), work)}
    kept = [p for p in sorted(needed) if p.startswith("/tmp/")]
    new = home / "tmp"
    new.mkdir()
    lines = ["set -e", f"mount -t tmpfs tmp '{new}'"]
    lines += [f"mkdir -p '{new}{p[4:]}' && mount --rbind '{p}' '{new}{p[4:]}'" for p in kept]
    lines += [f"mount --move '{new}' /tmp", "chmod 1777 /tmp", "mount -t tmpfs shm /dev/shm"]
    binds = {"passwd": "/etc/passwd", "shadow": "/etc/shadow", "nobody_to_ask": "/etc/resolv.conf"}
    lines += [f"mount --bind '{home}/{mine}' {theirs}" for mine, theirs in binds.items()]
    return "\n".join(lines)


def _keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _namespace(pid: int, kind: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None


def _ip(line: str) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run([shutil.which("ip", path=path) or "ip", *line.split()], check=True)
