"""Speed of collection: `tst bench collect HOUSES`, with a projection for a large collection.

{"collect": a whole collection into a temporary store,
 "write": its frames written again from memory, by our store and by its peers where installed [frames/s],
 "projection": bytes, hours and dollars of `to_houses` times `to_frames`, at this machine's rates}
"""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.bench.peers import WRITERS
from engine.collect.collect import CollectConfig, collect, estimate
from engine.store.access import PretrainFrames
from engine.store.contents import contents
from engine.store.store import Store


def bench_collect(
    houses: list[Path],
    *,
    frames: int = 50,
    size: int = 64,
    actors: int = 2,
    device: str = "auto",
    rounds: int = 3,
    to_houses: int = 3000,
    to_frames: int = 160_000,
    dollars_per_core_hour: float = 0.05,
    peers: bool = True,
) -> dict[str, Any]:
    """`frames` of every house at `size` pixels; see the module. Raises what `collect` raises."""
    with TemporaryDirectory(prefix="tst-bench-") as folder:
        place = Path(folder)
        request = {"houses": houses, "role": "pretrain", "frames": frames, "size": size, "device": device}
        config = CollectConfig.model_validate({**request, "store": place / "store", "actors": actors})
        rates = estimate(config).rates
        report = collect(config)
        store = Store.open(config.store)
        opened = time.perf_counter()
        Store.open(config.store)
        opened = time.perf_counter() - opened
        write, absent = _write_rates(store, place, rounds, peers)
        total = to_houses * to_frames
        parts = -(-total // store.facts.frames_per_part)
        loads = max(to_houses, parts)  # a part's houses are loaded where it is made
        core_hours = (total * rates.frame_s + loads * rates.house_s) / 3600
        return {
            "collect": {
                "frames": report.frames,
                "size": size,
                "actors": actors,
                "frames_per_s": round(report.frames / report.seconds, 1),
                "frame_bytes": round(report.bytes / report.frames),
                "files": contents(store)["files"],
                "open_s": round(opened, 4),
                "measured_frame_s": round(rates.frame_s, 5),
                "measured_house_s": round(rates.house_s, 3),
            },
            "write": write,
            "absent": absent,
            "projection": {
                "houses": to_houses,
                "frames_per_house": to_frames,
                "terabytes": round(total * rates.frame_bytes / 1e12, 3),
                "files": parts * rates.part_files,
                "core_hours": round(core_hours, 1),
                "dollars": round(core_hours * dollars_per_core_hour, 2),
            },
        }


def _write_rates(
    store: Store, place: Path, rounds: int, peers: bool
) -> tuple[dict[str, int], dict[str, str]]:
    """Frames a second, the median of rounds, of writing one part's frames; and who is not installed."""
    part = store.parts[0]
    view = PretrainFrames(store)
    modalities = view.modalities
    values = view.read(range(part.frames), modalities)
    rates: dict[str, list[float]] = {}
    absent: dict[str, str] = {}
    for number in range(rounds):
        other = Store.create(place / f"again-{number}", store.facts.modalities, store.labels)
        start = time.perf_counter()
        other.write_part(part.part, values, part.runs, part.spaces, "", part.seeds)
        rates.setdefault("store", []).append(part.frames / (time.perf_counter() - start))
        for name, write in WRITERS.items() if peers else ():
            try:
                start = time.perf_counter()
                write(values, place / f"{name}-{number}".replace(" ", "-"))
                rates.setdefault(name, []).append(part.frames / (time.perf_counter() - start))
            except ImportError as error:
                absent[name] = f"not installed ({error.name})"
    return {name: round(statistics.median(r)) for name, r in rates.items()}, absent
