"""The external access of a run, for its row: what its evaluations say of all that went into their models."""

from collections.abc import Iterable, Mapping
from typing import Any

from training.common.external_access import SENSED, as_facts, combined, sources_in

_NOT_SAID = "not said"


def row_facts(config: Mapping[str, Any], evaluations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """`external_access` and `knowledge` of a row, from the run's configuration as JSON values and the metrics
    of its evaluations.

    Where an evaluation says nothing, as one that was made before they did, `external_access` is `none` if
    nothing but what is sensed could be in it, and None, not known, otherwise."""
    found = []
    for metrics in evaluations:
        if "external_access" not in metrics:
            return {"external_access": "none" if only_sensed(config) else None, "knowledge": []}
        found.append(sources_in(dict(metrics), "an evaluation"))
    return as_facts(combined(*found))


def external_access_of(row: Mapping[str, Any]) -> str | None:
    """That of a row; None where it is not known."""
    if "external_access" in row:
        return row["external_access"]
    return "none" if only_sensed(row["config"]) else None


def only_sensed(config: Mapping[str, Any]) -> bool:
    """Whether a run of this configuration learns from what is sensed alone, and from random weights. False
    for one that does not say."""
    phases = [phase.get("pretrain", {}) for phase in config.get("phases", {}).values()]
    transfers = [config.get("transfer", {})]
    for name in ("transfer_by_protocol", "transfer_by_task"):
        transfers += config.get(name, {}).values()
    seen = {*config.get("modalities", (_NOT_SAID,))}
    seen |= {name for transfer in transfers for name in transfer.get("inputs", ())}
    starts = [config.get("pretrain", {}).get("warm_start", _NOT_SAID)]
    starts += [phase.get("warm_start") for phase in phases]
    return seen <= {*SENSED} and not any(start is not None for start in starts)
