"""What answers which request: the pages' files, three.js, and one function for each address below `api/`.

No path of a request reaches the file system: files are looked up among those listed here when the viewer
starts.
"""

from collections.abc import Callable
from pathlib import Path

from viewer import coverage, curves, frames, houses, studies
from viewer.answers import Answer, NotThereError, Query, json_answer
from viewer.opened import Opened

PAGES = Path(__file__).parent / "pages"
PAGE = PAGES / "index.html"
THREE = Path(__file__).parent / "three" / "node_modules" / "three"
INSTALL_THREE = "make viewer"
_OF_THREE = (
    "build/three.module.js",
    "build/three.core.js",
    "examples/jsm/controls/OrbitControls.js",
    "examples/jsm/loaders/GLTFLoader.js",
    "examples/jsm/utils/BufferGeometryUtils.js",
    "examples/jsm/utils/SkeletonUtils.js",
)
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}

_classes = frames.ClassSearch()
_models = houses.HouseModels()


def has_three() -> bool:
    """Whether three.js is installed."""
    return all((THREE / name).is_file() for name in _OF_THREE)


def summary(opened: Opened, query: Query) -> Answer:
    """What was opened, by kind: id and name of each, and whether three.js is there."""
    found = opened.look()
    tables = {"stores": found.stores, "houses": found.houses, "studies": found.studies}
    listed = {kind: [{"id": p.id, "name": p.name} for p in table.values()] for kind, table in tables.items()}
    three = {"three": has_three(), "install": INSTALL_THREE}
    return json_answer(listed | three | {"trainings": len(found.stages), "places": list(opened.places)})


API: dict[str, Callable[[Opened, Query], Answer]] = {
    "summary": summary,
    "store": frames.store_facts,
    "thumbnails": frames.thumbnails,
    "picture": frames.frame_picture,
    "frame": frames.frame_facts,
    "poses": frames.poses,
    "find": _classes.find,
    "coverage": coverage.coverage,
    "house": houses.house_facts,
    "house-of": houses.house_of_space,
    "plan": houses.plan,
    "glb": _models.glb,
    "study": studies.study_facts,
    "prediction": studies.prediction,
    "colours": studies.colours,
    "report": studies.report,
    "tokenizers": studies.tokenizers,
    "tokens": studies.reconstruction,
    "curves": curves.curves,
}
_FILES = {f"pages/{p.name}": p for p in PAGES.iterdir()} | {f"three/{n}": THREE / n for n in _OF_THREE}


def route(opened: Opened, path: str, query: str) -> Answer:
    """The answer to a request for `path`, behind the token. Raises NotThereError, BadQueryError, and what the
    reading of files raises."""
    kind, _, name = path.partition("/")
    if kind == "api" and name in API:
        return API[name](opened, Query(query))
    file = PAGE if path == "" else _FILES.get(path)
    if file is None:
        raise NotThereError("there is no such page")
    if not file.is_file():
        raise NotThereError(f"three.js is not installed: {INSTALL_THREE}")
    return Answer(file.read_bytes(), f"{_KINDS[file.suffix]}; charset=utf-8")
