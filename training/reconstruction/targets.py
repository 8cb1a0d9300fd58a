"""Targets of reconstruction from images as a store holds them: numbers standardised by statistics that were
learned of the transfer set's sensors, and edges as two classes."""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Shaped
from torch import Tensor

from training.models.modality_transforms import modality_transform
from training.reconstruction.decoder import Target, Targets, TargetSpec

Images = Mapping[str, Shaped[Tensor, "b h w ..."]]
Statistics = dict[str, dict[str, list[float]]]
"""`mean` and `std` of each channel, by target; JSON values."""

SENSORS = {
    spec.name: spec
    for spec in (
        TargetSpec("rgb", 3),
        TargetSpec("depth", 1),
        TargetSpec("normals", 3),
        TargetSpec("edges", 2, categorical=True),
    )
}
"""What can be reconstructed: depth as its logarithm."""


def sensor_specs(names: Iterable[str]) -> tuple[TargetSpec, ...]:
    """The sensors of these names. Raises ValueError, with the names there are, for one that is none."""
    unknown = [name for name in names if name not in SENSORS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} cannot be reconstructed; choose from {', '.join(SENSORS)}")
    return tuple(SENSORS[name] for name in names)


def _target(spec: TargetSpec, images: Shaped[Tensor, "b h w *c"]) -> Target:
    """As it is, not standardised."""
    seen = modality_transform(spec.name).to_input(images)
    if spec.categorical:
        return Target(seen[:, 0].long())
    values = seen[:, : spec.channels]
    return Target(values, seen[:, spec.channels] > 0 if seen.shape[1] > spec.channels else None)


def learn_statistics(specs: Iterable[TargetSpec], batches: Iterable[Images]) -> Statistics:
    """Mean and standard deviation of what has a value in all batches; 0 and 1 where nothing has."""
    numbers = [spec for spec in specs if not spec.categorical]
    sums = {spec.name: torch.zeros(3, spec.channels, dtype=torch.float64) for spec in numbers}
    for images in batches:
        for spec in numbers:
            values, valid = _target(spec, images[spec.name])
            flat = values.transpose(0, 1).flatten(1).double().cpu()
            if valid is not None:
                flat = flat[:, valid.flatten().cpu()]
            sums[spec.name] += torch.stack([torch.ones_like(flat).sum(1), flat.sum(1), flat.square().sum(1)])
    statistics: Statistics = {}
    for name, (count, total, squares) in sums.items():
        mean = total / count.clamp_min(1)
        variance = (squares / count.clamp_min(1) - mean**2).clamp_min(0)
        std = torch.where(variance > 0, variance.sqrt(), 1.0)
        statistics[name] = {"mean": mean.tolist(), "std": std.tolist()}
    return statistics


def sensor_targets(specs: Iterable[TargetSpec], images: Images, statistics: Statistics) -> Targets:
    """Targets of the sensors that these images have."""
    targets: dict[str, Target] = {}
    for spec in specs:
        if spec.name not in images:
            continue
        target = _target(spec, images[spec.name])
        if not spec.categorical:
            mean, std = (
                target.values.new_tensor(statistics[spec.name][key])[:, None, None] for key in ("mean", "std")
            )
            target = target._replace(values=(target.values - mean) / std)
        targets[spec.name] = target
    return targets
