"""What kind of thing an asset from outside is: its object type by the words of its category or file name.

`scenes/assets/asset_kinds.csv` maps words to object types; the names of the types themselves are known too.
The longest ending of the words counts: a "red leather arm chair" is an ArmChair, a "chair cushion" a Pillow.
"""

import csv
import re
from functools import cache
from pathlib import Path

from scenes.house.labels import VOID, label_table

KINDS = Path(__file__).parents[2] / "assets" / "asset_kinds.csv"
UNKNOWN = "OtherObject"


def object_type(words: str) -> str:
    """The object type of a category, as "dining table", or of a name, as "Sofa_12" or "armChair-3"; else
    UNKNOWN."""
    parts = _words(words)
    table = _table()
    return next((table[key] for k in range(len(parts)) if (key := "".join(parts[k:])) in table), UNKNOWN)


def check_type(name: str) -> str:
    """Return the name of an object type. Raises ValueError for one that the label table does not have."""
    known = {label.name for label in label_table()} - {VOID}
    if name not in known:
        raise ValueError(f"{name!r} is no object type: docs/house-format.md names the labels, as Sofa")
    return name


@cache
def _table() -> dict[str, str]:
    own = {"".join(_words(label.name)): label.name for label in label_table() if label.name != VOID}
    with KINDS.open(newline="", encoding="utf-8") as file:
        return {"".join(_words(row["words"])): row["object_type"] for row in csv.DictReader(file)} | own


def _words(text: str) -> list[str]:
    """Lower-case words, camel case taken apart, numbers left out."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)]
