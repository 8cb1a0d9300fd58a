"""SPICE (Anderson et al., arXiv:1607.08822) through pycocoevalcap, where all that it needs is there.

It needs Java, the package pycocoevalcap (104 MB; extra `spice`) and two files of Stanford CoreNLP 3.6.0
(2015-12-09) that are not in the package: `stanford-corenlp-3.6.0.jar` and `stanford-corenlp-3.6.0-models.jar`
in its folder spice/lib. Nothing is downloaded here."""

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

_JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def check_spice() -> None:
    """Raises ValueError, naming all of it, where something is missing that SPICE needs."""
    missing = [] if shutil.which("java") else ["java on the PATH (8 or later)"]
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None:
        missing.append("the package pycocoevalcap (pip install -e '.[spice]')")
    else:
        folder = Path(next(iter(package.submodule_search_locations or ()))) / "spice" / "lib"
        absent = [name for name in _JARS if not (folder / name).exists()]
        if absent:
            missing.append(f"{' and '.join(absent)} of stanford-corenlp-full-2015-12-09 in {folder}")
    if missing:
        raise ValueError(f"captioning.spice needs {'; '.join(missing)}: put it there, or set it to false")


def spice(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Float64[np.ndarray, " n"]:
    """SPICE of each prediction, in 0..1. Raises ValueError as `check_spice`."""
    check_spice()
    from pycocoevalcap.spice.spice import Spice  # pyright: ignore[reportMissingImports]

    truth = {i: list(texts) for i, texts in enumerate(references)}
    said = {i: [text] for i, text in enumerate(predictions)}
    _, scores = Spice().compute_score(truth, said)
    return np.array([of["All"]["f"] for of in scores], dtype=np.float64)
