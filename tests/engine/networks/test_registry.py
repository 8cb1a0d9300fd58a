"""The table of networks, and what installed packages add to it."""

import pytest

from engine.networks import registry
from engine.networks.registry import find_network, networks

from .network_kit import NetworkKit
from .tiny import TinyConfig


class TestTinyFeatures(NetworkKit):
    config = TinyConfig()


class TestTinyLabels(NetworkKit):
    config = TinyConfig(kind="labels")


class TestTinyBoxes(NetworkKit):
    config = TinyConfig(kind="boxes")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package with an entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, value: str, package: str, source: str) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[testspace.networks]\n{name} = {value}\n")
        (tmp_path / f"{package}.py").write_text(source)

    return put


def test_an_installed_package_adds_a_network(install):
    install(
        "tiny_plug_in",
        "plug_in_a:Config",
        "plug_in_a",
        "from tests.engine.networks.tiny import TinyConfig as Config",
    )
    assert find_network("tiny_plug_in").__name__ == "TinyConfig"
    assert set(networks()) == {*registry.NETWORKS, *_plugged_in(), "tiny_plug_in"}


def _plugged_in() -> set[str]:
    return set(registry._plug_ins())


@pytest.mark.parametrize(
    ("package", "source", "words"),
    [
        ("broken_a", "import nowhere_to_be_found", "broken_a:Config.*broken_a.*nowhere_to_be_found"),
        ("broken_b", "raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
        ("broken_c", "", "does not import"),
        ("broken_d", "class Config: pass", "no class of a NetworkConfig"),
    ],
)
def test_a_broken_plug_in_is_named_and_breaks_no_other(install, monkeypatch, package, source, words):
    monkeypatch.setitem(registry.NETWORKS, "tiny", TinyConfig)
    install("broken", f"{package}:Config", package, source)
    with pytest.raises(ValueError, match=words):
        find_network("broken")
    with pytest.raises(ValueError, match="entry point 'broken'"):
        networks()
    assert find_network("tiny") is TinyConfig


def test_a_name_that_is_taken_is_refused(install, monkeypatch):
    monkeypatch.setitem(registry.NETWORKS, "tiny", TinyConfig)
    install("tiny", "plug_in_c:Config", "plug_in_c", "")
    with pytest.raises(ValueError, match=r"plug_in_c.*own table"):
        networks()


def test_an_unknown_network_is_said(monkeypatch):
    monkeypatch.setitem(registry.NETWORKS, "tiny", TinyConfig)
    with pytest.raises(ValueError, match=r"'klip'; choose from .*tiny"):
        find_network("klip")
