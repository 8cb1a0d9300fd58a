"""How a run's tasks are learned, and the models that label frames for its networks."""

from studies.run.sources import guarded_stores, store_of
from studies.run.stage import changed
from studies.run.stages.transfer import TransferStage
from studies.spec.run import RunConfig
from studies.spec.yaml import merge, parse
from training.transfer.config import TransferConfig
from training.transfer.task import TrainingProtocol
from training.transfer.tasks.registry import TASKS, TaskName


def transfer_config(config: RunConfig, task: TaskName, protocol: TrainingProtocol) -> TransferConfig:
    """How a task is learned by a protocol. It has no fields of other tasks but segmentation: a model does not
    depend on them."""
    fields = config.transfer.model_dump()
    fields |= fields.pop("others")
    fields = merge(fields, config.transfer_by_task.get(task, {}))
    fields = merge(fields, config.transfer_by_protocol.get(protocol, {}))
    others = TASKS.keys() - TransferConfig.model_fields.keys() - {task}
    own = {name: value for name, value in fields.items() if name not in others}
    where = f"transfer_by_task.{task}, transfer_by_protocol.{protocol}"
    return parse(TransferConfig, own | {"task": task, "protocol": protocol}, where)


def labeller(config: RunConfig, task: TaskName) -> TransferStage:
    """A model of the task from scratch, of RGB, on the labels of the run's transfer set. It is the same in
    all repeats of a study: what it makes of the frames is data, as the frames are."""
    ((name, count),) = config.labels.items()
    learned = transfer_config(config, task, "finetune")
    return TransferStage(
        transfer=changed(learned, seed=0, draws=None, start=None, inputs=("rgb",)),
        upper_bound=False,
        labelled=store_of(config, name, "transfer", count),
        guarded=guarded_stores(config),
    )
