"""The table of algorithms: to add one, add a line to `ALGORITHMS`; `tests/training/algorithm_kit.py` holds
what each must fulfil. Names are those of ModalBed's code."""

from typing import Annotated, Any

from pydantic import AfterValidator

from training.generalization.algorithm import Algorithm, Setting
from training.generalization.algorithms.cdann import Cdann
from training.generalization.algorithms.concat import Concat
from training.generalization.algorithms.condcad import CondCad
from training.generalization.algorithms.eqrm import Eqrm
from training.generalization.algorithms.erm import Erm
from training.generalization.algorithms.erm_plus_plus import ErmPlusPlus
from training.generalization.algorithms.ib_erm import IbErm
from training.generalization.algorithms.irm import Irm
from training.generalization.algorithms.lfm import Lfm
from training.generalization.algorithms.mixup import Mixup
from training.generalization.algorithms.ogm import Ogm
from training.generalization.algorithms.sagnet import SagNet
from training.generalization.algorithms.urm import Urm
from training.generalization.hyperparameters import Hyper

ALGORITHMS: dict[str, type[Algorithm]] = {
    "ERM": Erm,
    "IRM": Irm,
    "Mixup": Mixup,
    "CDANN": Cdann,
    "SagNet": SagNet,
    "IB_ERM": IbErm,
    "CondCAD": CondCad,
    "EQRM": Eqrm,
    "ERMPlusPlus": ErmPlusPlus,
    "URM": Urm,
    "Concat": Concat,
    "OGM": Ogm,
    "LFM": Lfm,
}


def known_algorithm(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no algorithm has it."""
    if name not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {name!r}; choose from {', '.join(ALGORITHMS)}")
    return name


AlgorithmName = Annotated[str, AfterValidator(known_algorithm)]
"""The type of a configuration's field that names an algorithm."""


def build_algorithm(
    name: str, setting: Setting, hyper: Hyper, as_published: bool = False, **options: Any
) -> Algorithm:
    """An algorithm, its weights drawn. `as_published`: with all faults of public code. `options`: those of
    its class, such as single `faults`. Raises ValueError for a name, sizes or values that are wrong."""
    algorithm = ALGORITHMS[known_algorithm(name)]
    if as_published:
        options["faults"] = algorithm.knows
    return algorithm(setting, hyper, **options)
