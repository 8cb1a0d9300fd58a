"""`tst store info | verify | show`: what a user reads, and the exit status."""

import numpy as np
from PIL import Image

from engine.commands import InfoConfig, ShowConfig, VerifyConfig, info, show, size_text, verify


def test_info_names_counts_and_modalities(store, capsys):
    info(InfoConfig(store=store.path))
    text = capsys.readouterr().out
    lines = [line.split() for line in text.splitlines()]
    assert ["pretrain", "87", "frames", "of", "2", "spaces"] in lines
    assert ["eval", "19", "frames", "of", "1", "spaces"] in lines
    assert any(line[:3] == ["semantic", "label", "uint8"] for line in lines)


def test_verify_says_yes_and_no(store, capsys):
    assert verify(VerifyConfig(store=store.path)) == 0
    shard = store.path / "parts" / "eval-a" / "depth" / "c" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[7] ^= 4
    shard.write_bytes(content)
    capsys.readouterr()
    assert verify(VerifyConfig(store=store.path)) == 1
    text = capsys.readouterr().out
    assert "eval-a" in text
    assert "depth/c/0/0/0" in text
    assert "tst collect" in text
    assert verify(VerifyConfig(store=store.path / "nowhere")) == 1


def test_show_writes_a_picture_of_the_role_asked_for(store, tmp_path):
    for role in ("pretrain", "eval"):
        show(ShowConfig(store=store.path, out=tmp_path / f"{role}.png", count=9, role=role))
    pictures = {}
    for role in ("pretrain", "eval"):
        with Image.open(tmp_path / f"{role}.png") as picture:
            pictures[role] = np.asarray(picture)
    assert len(pictures["eval"]) > len(pictures["pretrain"])  # the labels' row
    assert pictures["pretrain"].std() > 20


def test_sizes_are_readable():
    assert [size_text(n) for n in (0, 999, 1500, 2.5e6, 3e9, 4e12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "3.0 GB",
        "4.0 TB",
    ]
