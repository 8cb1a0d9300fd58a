"""A modality that a network makes of the RGB of one store, written beside its frames."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import Field

from engine.collect.derive import DeriveConfig, derive
from engine.networks.network import Output
from engine.networks.torch_network import output_of
from engine.store.store import Store
from scenes.house.labels import label_table
from studies.run.drawing import Drawing, StageRecord, TableLine
from studies.run.stage import Stage
from studies.run.stages.store import StoreStage
from studies.spec.config import MachineConfig
from studies.spec.networks import NetworkSpec
from training.transfer.config import TransferConfig
from training.transfer.labellers.labeller import LabellerConfig
from training.transfer.task import LabelTable


class _Tunes(Protocol):
    """The stage of a transfer, which is above this one."""

    transfer: TransferConfig


class DeriveStage(Stage):
    """The output of one network for the frames of one store."""

    kind = "derive"
    rank = 1
    unit = "frames"
    trains = True

    modality: str
    """Its name in the store."""
    network: NetworkSpec
    """The network."""
    store: StoreStage
    """The frames; the output is written into this store."""
    labeller: Stage | None = Field(default=None, exclude_if=lambda stage: stage is None)
    """The transfer whose model the network is, or whose shape it has; none: its weights are others."""

    @property
    def label(self) -> str:
        return f"{self.modality} of {self.store.label}"

    @property
    def output(self) -> Output:
        """What it yields for a frame, known before there is any."""
        if self.labeller is None:
            return _output(self.network.model_dump_json(), self.store.sensing.size)
        config = self.network.config()
        assert isinstance(config, LabellerConfig)
        own = cast(_Tunes, self.labeller).transfer.own
        table: LabelTable = [{"id": x.id, "name": x.name, "group": x.group} for x in label_table()]
        return config.output(self.store.sensing.size, config.classes_of(table, own), own)

    def check_installed(self) -> None:
        """Also raises ValueError where the weights are not on this machine."""
        if self.labeller is None:
            _load(self.network.model_dump_json(), self.store.sensing.size)

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        path = self.store.path(root)
        network = self.network.config(self.labeller.folder(root) if self.labeller else None)
        fields = network.model_dump(mode="json", exclude={"weights", "seed", "device"}, exclude_none=True)
        derive(
            DeriveConfig(
                store=path,
                network=self.network.network,
                weights=network.weights,
                seed=network.seed,
                options=fields,
                modality=self.modality,
                roles=(self.store.role,),
                actors=0,
                device="auto" if machine.gpus else "cpu",
            )
        )
        spec = next(m for m in Store.open(path).modalities if m.name == self.modality)
        assert spec.origin is not None
        files = path.glob(f"parts/*.{self.modality}/**/*")
        return {
            "network": spec.origin.network,
            "output": spec.origin.output,
            "shape": list(spec.shape),
            "external_access": spec.origin.external_access,
            "digest": spec.origin.digest,
            "frames": self.units,
            "bytes": sum(f.stat().st_size for f in files if f.is_file()),
        }

    @property
    def units(self) -> int:
        return self.store.units

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        found = record.metrics
        if "network" in found:
            shape = " × ".join(map(str, found["shape"]))
            kilobytes = f"{found['bytes'] / max(1, found['frames']) / 1e3:.1f}"
            cells = (found["network"], f"{found['output']} {shape}", kilobytes, found["external_access"])
            columns = ("modality", "network", "output of a frame", "kB a frame", "external access")
            yield TableLine("What networks made of RGB", "", columns, (record.label, *cells))


@cache
def _output(network: str, size: int) -> Output:
    """Of a network as JSON; runs of a study have few networks and many stages."""
    return output_of(NetworkSpec.model_validate_json(network).config(), size)


@cache
def _load(network: str, size: int) -> None:
    """Load it once in this process."""
    NetworkSpec.model_validate_json(network).config().load(size)
