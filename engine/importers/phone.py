"""`tst capture`: a phone is carried through a house, and what it records is written as an app would write it.

    tst capture house.json --format stray-scanner --out walk      then: tst import walk --store STORE

The ray caster renders the frames. The same command writes the same bytes, but for those of a video, which are
the codec's. Nothing is written until all of it is.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import tyro
from pydantic import AfterValidator
from tqdm import tqdm

from agents.phone.recording import PhoneConfig, Recording
from agents.simulator import make_simulator
from engine.importers.writers.registry import CAPTURE_WRITERS, known_writer
from scenes.formats.space_format import SpaceOptions
from scenes.formats.spaces import load_space


class CaptureConfig(PhoneConfig, SpaceOptions):
    """Which house a phone is carried through, how, and what it writes."""

    house: tyro.conf.Positional[Path]
    """A house (a JSON file, or one of many as houses.jsonl.gz#12), a Replica folder, a scan (.glb, .gltf,
    .obj, .ply)."""
    out: Path
    """The folder or file to write; there must be none yet."""
    format: Annotated[str, AfterValidator(known_writer)] = "stray-scanner"
    """What app or tool the capture is to be of."""
    device: str = "cpu"
    """Warp device: cpu, cuda:0, ..."""


class _Watched(Recording):
    """A recording that shows how far it is."""

    def frames(self):
        return iter(tqdm(super().frames(), total=len(self), desc="capture", unit="frame"))


def capture(config: CaptureConfig) -> None:
    """Write the capture and say what is in it.

    Raises ValueError for a path that is taken or has the wrong ending, and a house without floor to walk on.
    """
    writer = CAPTURE_WRITERS[config.format]
    if config.out.suffix != writer.ending and writer.ending:
        raise ValueError(f"a capture of {writer.title} is a file: name it {config.out.name}{writer.ending}")
    if config.out.exists():
        raise ValueError(f"{config.out} is there already: delete it, or name another --out")
    simulator = make_simulator("raycast", config.device)
    simulator.load(load_space(config.house, config.space_options))
    recording = _Watched(simulator, config)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tst-capture-", dir=config.out.parent) as folder:
        made = Path(folder) / config.out.name
        writer.write(recording, made)
        made.rename(config.out)
    print(
        f"{config.out}: {writer.title}, {len(recording)} frames of {config.height} x {config.width}, "
        f"{recording.lost} lost; {config.seconds:g} s at {config.fps} a second"
    )
