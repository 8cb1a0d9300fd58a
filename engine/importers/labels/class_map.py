"""Which of our labels a category of another tool is: by our own names, or by a table of the user's."""

import csv
import hashlib
from pathlib import Path

from scenes.house.labels import VOID, label_table


class ClassMap:
    """Names of categories to class ids."""

    def __init__(self, table: Path | None = None) -> None:
        """`table`: a CSV whose columns `name` and `label` say which of our labels a category is; "nothing":
        it is not labelled. Raises ValueError for a table that is none."""
        self._ids = {_plain(label.name): label.id for label in label_table()}
        self._own: dict[str, int] = {}
        self.digest = ""
        if table is None:
            return
        try:
            text = table.read_text(encoding="utf-8")
            rows = [(row["name"], row["label"]) for row in csv.DictReader(text.splitlines())]
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{table} is no CSV with columns name and label ({error!r}): write one, a line a category"
            ) from error
        for name, label in rows:
            if _plain(label or "") not in self._ids:
                raise ValueError(
                    f"{table}: {name!r} is said to be {label!r}, which is no label: docs/house-format.md "
                    f"names them, as Sofa, or {VOID}"
                )
            self._own[_plain(name)] = self._ids[_plain(label)]
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def class_of(self, name: str, where: str) -> int:
        """The class of a category. Raises ValueError, beginning with `where`, for one that is unknown."""
        found = self._own.get(_plain(name), self._ids.get(_plain(name)))
        if found is None:
            raise ValueError(
                f"{where}: category {name!r} is none of our labels (docs/house-format.md names them): "
                "give --classes TABLE.csv with columns name and label, and say there which it is"
            )
        return found


def _plain(name: str) -> str:
    """Letters and digits alone, in lower case: "Coffee table" and "CoffeeTable" are one."""
    return "".join(c for c in name.lower() if c.isalnum())
