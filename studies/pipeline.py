"""A study as stages: houses -> store -> tokenizers -> tokens -> pre-training -> transfer -> evaluation.

Stages that runs have in common (all but the last three; those of a seed and method are their own) come out
as one stage with one hash, so they are done once.

No label of the test space reaches training: `PretrainFrames` sees sensory frames of the test house only, and
those were stored without labels; `TransferFrames` is given the test spaces and refuses them. `EvalFrames`
are opened where the store is made, to prove their poses held out, and by the last stage, which also refuses
a model that was tuned on labels of the space.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.access import EvalFrames, PretrainFrames, TransferFrames, check_held_out, spaces_under_test
from engine.collect import CollectConfig, collect
from engine.schema import Role
from engine.store import Store
from scenes.family import load_family
from scenes.generate import GENERATOR, generate_house
from scenes.library import default_library
from studies.config import Houses, Method, StudyConfig
from studies.stage import Stage
from studies.yaml_config import merge, parse
from training.evaluate import evaluate
from training.launch import launch_pretrain
from training.pretrain import PretrainConfig
from training.tokenize_store import tokenize
from training.tokenizer import TokenizerConfig, train_tokenizer
from training.transfer import transfer


@dataclass(frozen=True)
class RunPlan:
    """One row of a study: a method at a seed, and the stages it came through."""

    method: str
    seed: int
    stages: tuple[Stage, ...]  # needs first; the last is the evaluation

    @property
    def evaluation(self) -> Stage:
        return self.stages[-1]

    @property
    def name(self) -> str:
        return f"{self.method}-seed{self.seed}-{self.evaluation.key}"


def plan(study: StudyConfig) -> list[RunPlan]:
    """All runs of a study, seeds outermost so that every method has a row as early as may be."""
    store = store_stage(study)
    runs = []
    for seed in study.seeds:
        for name, method in study.methods.items():
            last = _evaluation(study, name, method, seed, store)
            runs.append(RunPlan(name, seed, tuple(last.closure())))
    return runs


def houses_stage(which: str, houses: Houses) -> Stage:
    """Houses as JSON files in `<out>/houses`."""

    def work(out: Path, _inputs: list[Path]) -> dict[str, Any]:
        folder = out / "houses"
        folder.mkdir(exist_ok=True)
        digests = []
        for seed in range(houses.seed, houses.seed + houses.count):
            house = generate_house(seed, houses.family)
            house.save(folder / f"{house.space_id}.json")
            digests.append(house.digest())
        return {"houses": houses.count, "digests": digests}

    family = load_family(houses.family)
    content = {**houses.model_dump(), "generator": GENERATOR, "distribution": family.model_dump(mode="json")}
    return Stage("houses", f"{which}: {houses.count} of {houses.family}", content, (), work)


def store_stage(study: StudyConfig) -> Stage:
    """Frames of all three roles in `<out>/store`, and the furniture's authors beside it."""
    frames = study.frames
    test = houses_stage("test house", study.test_house)
    others = houses_stage("transfer houses", study.transfer_houses)

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        test_files, other_files = (sorted((i / "houses").glob("*.json")) for i in inputs)
        store = out / "store"
        common = {
            "store": store,
            "size": frames.size,
            "fov_deg": frames.fov_deg,
            "simulator": frames.simulator,
            "quality": frames.quality,
            "sampler": frames.sampler,
            "sampling": frames.sampling,
            "noise": frames.noise,
            "seed": frames.seed,
            "actors": frames.slots,
        }
        roles: tuple[tuple[Role, list[Path], int], ...] = (
            ("pretrain", test_files, frames.pretrain),
            ("eval", test_files, frames.eval),
            ("transfer", other_files, frames.transfer),
        )
        for role, files, count in roles:
            collect(CollectConfig(houses=files, role=role, frames=count, **common))
        opened = Store.open(store)
        distance = check_held_out(PretrainFrames(opened), EvalFrames(opened))
        size = sum(f.stat().st_size for f in store.rglob("*") if f.is_file())
        return {
            "frames": {role: len(files) * count for role, files, count in roles},
            "bytes": size,
            "least_distance_eval_to_pretrain_m": distance,
        }

    # How many actors collect changes no byte, so it is not part of what the store is.
    content = {**frames.model_dump(mode="json", exclude={"actors"}), "library": default_library().digest}
    return Stage("store", "frames", content, (test, others), work)


def _tokenizer_stage(study: StudyConfig, modality: str, store: Stage) -> Stage:
    settings = merge(study.tokenizer.model_dump(), study.tokenizer_by_modality.get(modality, {}))
    config = parse(TokenizerConfig, settings, f"tokenizer_by_modality.{modality}")

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        frames = PretrainFrames(Store.open(inputs[0] / "store"))
        return train_tokenizer(frames, modality, config, out)

    content = {"modality": modality, "tokenizer": config.model_dump(mode="json")}
    return Stage("tokenizer", f"tokenizer {modality}", content, (store,), work)


def _tokens_stage(modality: str, store: Stage, tokenizer: Stage) -> Stage:
    def work(_out: Path, inputs: list[Path]) -> dict[str, Any]:
        return tokenize(Store.open(inputs[0] / "store"), modality, inputs[1])

    return Stage("tokens", f"tokens {modality}", {"modality": modality}, (store, tokenizer), work)


def _pretrain_stage(study: StudyConfig, name: str, method: Method, seed: int, store: Stage) -> Stage:
    fields = merge(study.pretrain.model_dump(), method.pretrain)
    fields |= {"objective": method.objective, "modalities": method.modalities, "seed": seed}
    config = parse(PretrainConfig, fields, f"methods.{name}.pretrain")
    needs = [store]
    if method.objective == "mm":
        tokenizers = [_tokenizer_stage(study, m, store) for m in method.modalities]
        tokens = [_tokens_stage(m, store, t) for m, t in zip(method.modalities, tokenizers, strict=True)]
        needs += [*tokenizers, *tokens]

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        count = len(method.modalities) if method.objective == "mm" else 0
        tokenizers = dict(zip(method.modalities, inputs[1 : 1 + count], strict=False))
        return launch_pretrain(config, inputs[0] / "store", tokenizers, out, use_ray=study.ray_train)

    content = {"pretrain": config.model_dump(mode="json")}
    return Stage("pretrain", f"pre-training {name}, seed {seed}", content, tuple(needs), work)


def _transfer_stage(study: StudyConfig, name: str, method: Method, seed: int, store: Stage) -> Stage:
    config = study.transfer.model_copy(update={"seed": seed})
    needs = (store,)
    if method.objective is not None:
        needs += (_pretrain_stage(study, name, method, seed, store),)

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        opened = Store.open(inputs[0] / "store")
        frames = TransferFrames(opened, spaces_under_test(opened))
        return transfer(config, frames, inputs[1] if len(inputs) > 1 else None, out)

    content = {"transfer": config.model_dump(mode="json")}
    return Stage("transfer", f"transfer {name}, seed {seed}", content, needs, work)


def _evaluation(study: StudyConfig, name: str, method: Method, seed: int, store: Stage) -> Stage:
    tuned = _transfer_stage(study, name, method, seed, store)

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        return evaluate(study.evaluate, EvalFrames(Store.open(inputs[0] / "store")), inputs[1], out)

    content = {"evaluate": study.evaluate.model_dump(mode="json")}
    return Stage("evaluate", f"evaluation {name}, seed {seed}", content, (store, tuned), work)
