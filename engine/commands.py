"""`tst collect` and `tst store info | verify | show`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from pydantic import Field
from tqdm import tqdm

from agents.samplers.coverage import Coverage
from engine.collect.collect import CollectConfig, estimate
from engine.collect.collect import collect as run_collection
from engine.collect.estimate import Estimate
from engine.store.check import verify_store
from engine.store.contents import contents
from engine.store.remote.places import shown, url_of
from engine.store.remote.store import Remote
from engine.store.schema import Role
from engine.store.show import contact_sheet
from engine.store.store import Store
from engine.store.transport import pull as pull_store
from engine.store.transport import push as push_store
from scenes.config import Config


class InfoConfig(Config):
    """Which store to describe."""

    store: tyro.conf.Positional[Path]
    """The store."""


class VerifyConfig(Config):
    """Which store to check."""

    store: tyro.conf.Positional[Path]
    """The store."""


class PushConfig(Config):
    """Which store to copy where."""

    store: tyro.conf.Positional[Path]
    """The store."""
    url: tyro.conf.Positional[str]
    """An object store: s3://bucket/place, gs://..., az://..., file:///..."""


class PullConfig(Config):
    """What to copy from where."""

    url: tyro.conf.Positional[str]
    """An object store that a store was pushed to."""
    store: tyro.conf.Positional[Path]
    """The store; made if it is not there."""


class ShowConfig(Config):
    """What to draw of which store."""

    store: tyro.conf.Positional[Path]
    """The store."""
    out: Path
    """The PNG to write."""
    count: int = Field(16, ge=1)
    """Frames on the sheet."""
    role: Role | None = None
    """Only frames of this role."""


def collect(config: CollectConfig) -> None:
    """Frames of houses into a store; run again it adds only what is missing."""
    if config.dry_run:
        print(_estimate_text(config, estimate(config)))
        return
    report = run_collection(config)
    rate = report.frames / report.seconds
    print(
        f"{shown(config.store)}: wrote {report.frames} frames ({size_text(report.bytes)}; "
        f"parts: {report.parts}), {report.skipped} were there; {report.seconds:.1f} s, {rate:.1f} frames/s"
    )
    if report.coverage:
        print(coverage_text(report.coverage))


def info(config: InfoConfig) -> None:
    """What a store holds."""
    store = Store.open(config.store)
    facts = contents(store)
    print(f"{facts['path']}: format {facts['format']}, {facts['files']} files, {size_text(facts['bytes'])}")
    print(f"parts of frames: {facts['parts']}, derived from them: {facts['derived']}")
    for role, frames in facts["frames"].items():
        print(f"  {role:<9} {frames:>9} frames of {facts['spaces'][role]} spaces")
    print(f"external access: {', '.join(facts['external_access']) or 'no space yet'}")
    print("modalities:")
    width = max([14, *(len(m["name"]) for m in facts["modalities"])])
    for m in facts["modalities"]:
        print(f"  {_modality(m, width)}")
        if origin := m["origin"]:
            access, licence = origin["external_access"], origin["licence"] or "none"
            print(
                f"    by {origin['network']}: {origin['source']}; external access {access}; licence {licence}"
            )


def verify(config: VerifyConfig) -> int:
    """Every checksum of every file; 0 if all are right, 1 otherwise."""
    with tqdm(desc="verify", unit="part", leave=False) as bar:

        def on_part(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        url = url_of(config.store)
        problems = Remote(url).verify(on_part) if url else verify_store(config.store, on_part)
    for problem in problems:
        print(problem)
    if problems:
        print(
            f"Problems: {len(problems)}. Delete the parts they are in and run the commands that wrote them "
            "again (`tst collect` with the same arguments adds only what is missing)."
        )
        return 1
    print(f"{shown(config.store)}: every file is what was written")
    return 0


def show(config: ShowConfig) -> None:
    """A contact sheet, frames by modalities."""
    sheet = contact_sheet(Store.open(config.store), config.count, config.role)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(config.out)
    print(config.out)


def push(config: PushConfig) -> None:
    """Parts that an object store lacks, there."""
    moved = push_store(config.store, config.url)
    print(f"{config.url}: {moved.parts} parts ({size_text(moved.bytes)}), {moved.skipped} were there")


def pull(config: PullConfig) -> None:
    """Parts that a store lacks, from an object store."""
    moved = pull_store(config.url, config.store)
    print(f"{config.store}: {moved.parts} parts ({size_text(moved.bytes)}), {moved.skipped} were there")


def _estimate_text(config: CollectConfig, e: Estimate) -> str:
    actors = max(1, config.actors)
    return (
        f"{shown(config.store)}: {e.frames} frames to collect, {e.present} are there\n"
        f"{e.parts} parts, {e.files} files, {size_text(e.bytes)}\n"
        f"{e.core_s / 3600:.3g} core-hours, {e.wall_s / 3600:.3g} hours with {actors} actors (as many as "
        f"have a core)\nmeasured here: {e.rates.house_s:.2f} s to load a house, "
        f"{e.rates.frame_s * 1e3:.1f} ms and {size_text(e.rates.frame_bytes)} a frame"
    )


def coverage_text(coverage: Mapping[str, Coverage]) -> str:
    """Shares of floor and surface that frames cover: the mean over spaces, and the least of many."""
    floor, surface = np.array([c.shares for c in coverage.values()]).T
    text = f"covered: {floor.mean():.0%} of the floor, {surface.mean():.0%} of the surfaces"
    if len(floor) > 1:
        text += f" (mean of {len(floor)} spaces; least {floor.min():.0%} and {surface.min():.0%})"
    return text


def size_text(size: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _modality(m: dict[str, Any], width: int) -> str:
    shape = " x ".join(map(str, m["shape"]))
    name = f"{m['name']:<{width}} {m['kind']:<11}"
    return f"{name} {m['dtype']:<8} {shape:<16} {m['unit']:<10} {size_text(m['bytes'])}"
