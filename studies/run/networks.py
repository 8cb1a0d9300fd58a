"""Networks of a run as stages: each makes a modality of the RGB of a store, once for all that read it."""

from collections.abc import Iterable, Mapping

from studies.run.stages.derive import DeriveStage
from studies.run.stages.store import StoreStage
from studies.run.transfers import labeller
from studies.spec.networks import LABELLERS
from studies.spec.run import RunConfig


def derive_stages(config: RunConfig, store: StoreStage, names: Iterable[str]) -> dict[str, DeriveStage]:
    """Of the modalities `names`, those that networks make, by name: what makes them beside a store's
    frames."""
    found = {}
    for name in names:
        if (network := config.networks.get(name)) is not None:
            model = labeller(config, LABELLERS[network.network]) if network.labelled else None
            found[name] = DeriveStage(modality=name, network=network, store=store, labeller=model)
    return found


def check_one_network_a_name(derived: Mapping[str, Iterable[DeriveStage]]) -> None:
    """`derived`: by the label of the run. Raises ValueError where two runs have different networks under one
    name: their outputs would be one array of the same store."""
    first: dict[tuple[str, str], tuple[str, DeriveStage]] = {}
    for run, stages in derived.items():
        for stage in stages:
            other, known = first.setdefault((stage.store.key, stage.modality), (run, stage))
            if known != stage:
                raise ValueError(
                    f"networks.{stage.modality} is one network in the run {other}, another in {run}, and "
                    f"both read {stage.store.label}: give each a name of its own"
                )
