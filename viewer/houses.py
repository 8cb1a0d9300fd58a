"""Houses: geometry as GLB for the page's 3-D, the plan, and the house that a store's space was."""

import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from engine.store.schema import Space
from scenes.formats.glb import export_glb
from scenes.formats.spaces import HOUSE, format_of, identify, load_space
from scenes.house.schema import House
from scenes.plan import draw_plan, plan_extent
from viewer.answers import Answer, NotThereError, Query, json_answer, picture_answer
from viewer.opened import Opened

_KEPT = 3  # houses whose GLB is kept in memory
_TRIED = 8  # houses of other names that are read to find that of a space


class HouseModels:
    """Houses as GLB, made when first asked for and one at a time. Safe to share between threads."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[Path, int], bytes] = OrderedDict()
        self._lock = Lock()

    def glb(self, opened: Opened, query: Query) -> Answer:
        """The house's geometry: metres, y up, in the coordinates of a store's poses."""
        path = opened.house(query.text("house"))
        key = (path, path.stat().st_mtime_ns)
        with self._lock:
            if key not in self._made:
                self._made[key] = _as_glb(path)
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            return Answer(self._made[key], "model/gltf-binary")


def _as_glb(path: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="tst-view-") as folder:
        file = Path(folder) / "house.glb"
        export_glb(load_space(path), file)
        return file.read_bytes()


def plan(opened: Opened, query: Query) -> Answer:
    """The plan from above, its longer side `size` pixels. Raises NotThereError for a scan, which has none."""
    path = opened.house(query.text("house"))
    if format_of(path) is not HOUSE:
        raise NotThereError("a scan has no plan")
    return picture_answer(draw_plan(House.load(path), query.number("size", 64, 2000, 600)), sharp=True)


def house_facts(opened: Opened, query: Query) -> Answer:
    """Name of a house and, where it has a plan, what the plan shows as [x0, z0, x1, z1] in the house's
    coordinates [m]."""
    return json_answer(_facts(opened, query.text("house")))


def house_of_space(opened: Opened, query: Query) -> Answer:
    """The facts of the opened house that a space of a store is, by its digest; null where it is not among
    what was opened."""
    wanted = query.text("space")
    space = next((s for s in opened.store(query.text("store")).spaces if s.id == wanted), None)
    if space is None:
        raise NotThereError(f"there is no space {wanted!r}")
    found = _house_of(opened, space)
    return json_answer(None if found is None else _facts(opened, found))


def _house_of(opened: Opened, space: Space) -> str | None:
    """Those that are named like the space are tried first; of many others only some, since each is read."""
    houses = sorted(opened.found.houses.values(), key=lambda place: place.name != space.id)
    named = sum(place.name == space.id for place in houses)
    tried = (p for p in houses[: named + _TRIED] if identify(Path(p.path))[0] == space.house_digest)
    return next((place.id for place in tried), None)


def _facts(opened: Opened, id: str) -> dict:
    path = opened.house(id)
    facts = {"id": id, "name": opened.found.houses[id].name, "plan": None}
    if format_of(path) is HOUSE:
        facts["plan"] = [round(v, 4) for v in plan_extent(House.load(path))]
    return facts
