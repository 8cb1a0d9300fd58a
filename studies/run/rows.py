"""Where a run of a study keeps what it did: `study.json`, a JSON file a row, and the stages behind them.

Reading them needs neither Ray nor torch.
"""

import json
from pathlib import Path
from typing import Any

from studies.spec.renamed import run_with_new_names

STAGES = "stages"
"""Folder of the stages in the folder of a run, or a link to one that several studies share."""
HEAD = "study.json"


def read_rows(out: Path) -> list[dict[str, Any]]:
    """The rows of the study that was last run into `out`, in its order. Each has the fields of the study
    (question, arms, axes, report) and the name of its `file`.

    Raises ValueError where no study was run.
    """
    if not (out / HEAD).exists():
        raise ValueError(f"{out}: no study was run here (no {HEAD}); run one into it first (tst study run)")
    head = json.loads((out / HEAD).read_text())
    names = head.pop("rows")
    rows = [json.loads(p.read_text()) | {"file": p.name} for n in names if (p := out / "rows" / n).exists()]
    return [head | row | {"config": run_with_new_names(row["config"])} for row in rows]
