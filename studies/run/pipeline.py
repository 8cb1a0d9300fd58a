"""A run as stages: houses -> stores -> tokenizers -> tokens -> pre-training -> transfer -> evaluation. With
label propagation the transfer is a teacher, and a student, tuned on what it thinks of unlabelled frames too,
is evaluated.

Every store is of one set of houses in one role. Stages that runs have in common, of one study or of several,
come out as one stage with one hash, so they are done once.

No label of the test space reaches training: `PretrainFrames` sees sensory frames alone, and those were stored
without labels; `TransferFrames` is given the spaces that are judged or learned and refuses them. `EvalFrames`
are opened by the last stage alone, which proves their poses held out, and refuses a model that was tuned on
labels of their space.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.collect.collect import CollectConfig, collect
from engine.store.access import (
    EvalFrames,
    Frames,
    PretrainFrames,
    TransferFrames,
    UpperBoundFrames,
    check_held_out,
    spaces_under_test,
)
from engine.store.schema import Role
from engine.store.store import Store
from engine.stream.mixture import MixedFrames
from scenes.generate.family import load_family
from scenes.generate.generate import GENERATOR, generate_house
from scenes.generate.perturb.perturb import perturb_house
from scenes.meshes.libraries.library import default_library
from studies.run.stage import Stage
from studies.spec.config import MachineConfig, Run, StudyConfig
from studies.spec.run import Houses, Phase, Protocol, RunConfig, Sensing
from studies.spec.yaml import merge, parse
from training.pretrain.config import PretrainConfig
from training.pretrain.launch import Source, launch_pretrain
from training.pretrain.objectives import OBJECTIVES
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig, train_tokenizer
from training.transfer.config import TransferConfig
from training.transfer.evaluate import evaluate
from training.transfer.propagate import propagate
from training.transfer.transfer import transfer


@dataclass(frozen=True)
class RunPlan:
    """One row of a study and the stages it comes through."""

    run: Run
    evaluations: dict[str, Stage]
    """By judged set of houses; other protocols than fine-tuning as `set/protocol`."""
    phases: tuple[Stage, ...]
    """Its pre-trainings, in order."""
    stages: tuple[Stage, ...]
    """All stages, needs first."""

    @property
    def key(self) -> str:
        """Hash of all that the row rests on."""
        content = {name: stage.key for name, stage in self.evaluations.items()}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def plan(study: StudyConfig) -> list[RunPlan]:
    """All runs of a study, in its order, as stages that they share."""
    return [plan_run(run, study.machine) for run in study.runs()]


def plan_run(run: Run, machine: MachineConfig) -> RunPlan:
    """One run as stages."""
    config = run.config
    learned = [_stores(config, name, phase, machine) for name, phase in config.learn.items()]
    tokenizers = _tokenizers(config, learned[0]) if learned and OBJECTIVES[config.objective].tokenized else {}
    phases: list[Stage] = []
    for (name, phase), stores in zip(config.learn.items(), learned, strict=True):
        phases.append(_pretrain(config, name, phase, stores, tokenizers, phases[-1:], machine))
    judged = {name: _store(config, name, "eval", n, machine) for name, n in config.judge.items()}
    ((name, count),) = config.labels.items()
    labelled = _store(config, name, "transfer", count, machine)
    # Houses that give labels may be looked at without them too; all others must never be labelled.
    guarded = [s for stores in learned for name, s in stores.items() if name not in config.labels]
    guesses = [_store(config, name, "pretrain", n, machine) for name, n in config.propagate.items()]
    guarded = list({s.key: s for s in (*judged.values(), *guarded, *guesses)}.values())
    seen = list({s.key: s for s in (*(s for stores in learned for s in stores.values()), *guesses)}.values())
    evaluations: dict[str, Stage] = {}
    for protocol in config.protocols:
        tuned = _transfer(config, protocol, phases[-1:], labelled, guarded)
        for store in guesses:
            teacher = _propagation(config, store, tuned)
            tuned = _transfer(config, protocol, phases[-1:], labelled, guarded, [teacher, store])
        for name, store in judged.items():
            label = name if protocol == "finetune" else f"{name}/{protocol}"
            evaluations[label] = _evaluation(config, label, store, tuned, seen)
    stages: dict[str, Stage] = {}
    for last in evaluations.values():
        stages |= {s.key: s for s in last.closure()}
    return RunPlan(run, evaluations, tuple(phases), tuple(stages.values()))


@cache
def _library() -> str:
    return default_library().digest


def houses_stage(name: str, houses: Houses) -> Stage:
    """Houses as JSON files in `<out>/houses`, on the last of their days."""

    def work(out: Path, _inputs: list[Path]) -> dict[str, Any]:
        folder = out / "houses"
        folder.mkdir(exist_ok=True)
        digests = []
        for seed in range(houses.seed, houses.seed + houses.count):
            house = generate_house(seed, houses.family)
            for day in houses.days:
                house = perturb_house(house, day.seed, day.strength, day.lights, day.objects)
            house.save(folder / f"{house.space_id}.json")
            digests.append(house.digest())
        return {"houses": houses.count, "digests": digests}

    family = load_family(houses.family)
    content = {**houses.model_dump(), "generator": GENERATOR, "distribution": family.model_dump(mode="json")}
    days = f", day {len(houses.days)}" if houses.days else ""
    return Stage("houses", f"houses {name}: {houses.count} of {houses.family}{days}", content, (), work)


def _store(
    config: RunConfig,
    name: str,
    role: Role,
    frames: int,
    machine: MachineConfig,
    sensory: tuple[str, ...] | None = None,
) -> Stage:
    """Frames of one set of houses in one role, in `<out>/store`, of all sensors or of some. Only pre-training
    samples as it is told to: labelled frames and those judged by are drawn densely."""
    sensing = config.sensing
    if role != "pretrain":
        sensing = sensing.model_copy(
            update={k: Sensing.model_fields[k].default for k in ("sampler", "sampling")}
        )

    some = {} if sensory is None else {"sensory": sensory}

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        files = sorted((inputs[0] / "houses").glob("*.json"))
        store = out / "store"
        collect(
            CollectConfig(
                houses=files,
                store=store,
                role=role,
                frames=frames,
                actors=machine.actors,
                **some,
                **dict(sensing),
            )
        )
        size = sum(f.stat().st_size for f in store.rglob("*") if f.is_file())
        return {"role": role, "set": name, "houses": len(files), "frames": len(files) * frames, "bytes": size}

    content = {"role": role, "frames": frames, **sensing.model_dump(mode="json"), "library": _library()}
    content |= {"sensory": list(sensory)} if sensory else {}
    houses = houses_stage(name, config.houses[name])
    label = f"{role} frames of {name}: {config.houses[name].count} × {frames}"
    label += f", {', '.join(sensory)} alone" if sensory else ""
    return Stage("store", label, content, (houses,), work)


def _stores(config: RunConfig, name: str, phase: Phase, machine: MachineConfig) -> dict[str, Stage]:
    """Stores of a phase, by set of houses."""
    each = config.frames_of(name, phase)
    return {
        houses: _store(config, houses, "pretrain", frames, machine, phase.modalities.get(houses))
        for houses, frames in each.items()
    }


def _view(stores: list[Path], shares: list[float]) -> PretrainFrames | MixedFrames:
    views = [PretrainFrames(Store.open(path / "store")) for path in stores]
    return views[0] if len(views) == 1 else MixedFrames(views, shares)


def _tokenizers(config: RunConfig, stores: dict[str, Stage]) -> dict[str, Stage]:
    """A tokenizer for each modality, trained on what the first phase sees and on nothing else."""
    first = next(iter(config.learn.values()))
    found = {}
    for modality in config.modalities:
        sensed = _sensing(first, modality)
        shares = [first.houses[name] for name in sensed] if len(sensed) > 1 else [1.0]
        settings = merge(config.tokenizer.model_dump(), config.tokenizer_by_modality.get(modality, {}))
        own = parse(TokenizerConfig, settings, f"tokenizer_by_modality.{modality}")
        found[modality] = _tokenizer(modality, own, [stores[name] for name in sensed], shares)
    return found


def _sensing(phase: Phase, modality: str) -> list[str]:
    """The sets of houses of which a phase has a modality."""
    return [name for name in phase.houses if modality in phase.modalities.get(name, (modality,))]


def _tokenizer(modality: str, config: TokenizerConfig, stores: list[Stage], shares: list[float]) -> Stage:
    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        return train_tokenizer(_view(inputs, shares), modality, config, out)

    content = {"modality": modality, "shares": shares, "tokenizer": config.model_dump(mode="json")}
    return Stage("tokenizer", f"tokenizer {modality}", content, tuple(stores), work)


def _tokens(modality: str, store: Stage, tokenizer: Stage, crops: TokenCropConfig) -> Stage:
    def work(_out: Path, inputs: list[Path]) -> dict[str, Any]:
        return tokenize(Store.open(inputs[0] / "store"), modality, inputs[1], crops=crops)

    content = {"modality": modality} | ({"crops": crops.model_dump(mode="json")} if crops.count else {})
    return Stage("tokens", f"tokens {modality}", content, (store, tokenizer), work)


def _pretrain(
    config: RunConfig,
    name: str,
    phase: Phase,
    stores: dict[str, Stage],
    tokenizers: dict[str, Stage],
    before: list[Stage],
    machine: MachineConfig,
) -> Stage:
    fields = merge(config.pretrain.model_dump(), phase.pretrain)
    fields |= {"objective": config.objective, "modalities": config.modalities}
    own = parse(PretrainConfig, fields, f"learn.{name}.pretrain")
    shares = list(phase.houses.values())
    first, coded = len(stores), len(tokenizers)
    tokens = [
        _tokens(m, store, t, own.mm.crops)
        for name, store in stores.items()
        for m, t in tokenizers.items()
        if name in _sensing(phase, m)
    ]
    shown = [phase.modalities.get(name) for name in stores]
    needs = (*stores.values(), *tokenizers.values(), *before, *tokens)

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        return launch_pretrain(
            own,
            [
                Source(store=path / "store", share=share, modalities=some)
                for path, share, some in zip(inputs[:first], shares, shown, strict=True)
            ],
            dict(zip(tokenizers, inputs[first : first + coded], strict=True)),
            out,
            use_ray=machine.ray_train,
            workers=machine.workers,
            start_from=inputs[first + coded] if before else None,
        )

    content = {"pretrain": own.model_dump(mode="json"), "shares": shares}
    content |= {"modalities": phase.modalities} if phase.modalities else {}
    each = config.frames_of(name, phase)
    where = " and ".join(f"{n} ({config.houses[n].count} × {each[n]})" for n in stores)
    label = f"pre-training {own.objective} on {where}, seed {own.seed}" + (f", then {name}" if before else "")
    return Stage("pretrain", label, content, needs, work)


def _propagation(config: RunConfig, store: Stage, teacher: Stage) -> Stage:
    """What a teacher takes the pixels of unlabelled frames for."""

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        return propagate(config.propagation, inputs[1], PretrainFrames(inputs[0] / "store"), out)

    content = {"propagate": config.propagation.model_dump(mode="json")}
    frames = store.label.removeprefix("pretrain frames of ")
    return Stage("propagate", f"labels for {frames} by {teacher.label}", content, (store, teacher), work)


def _transfer(
    config: RunConfig,
    protocol: Protocol,
    learned: list[Stage],
    labelled: Stage,
    guarded: list[Stage],
    guesses: list[Stage] | None = None,
) -> Stage:
    """`guesses`: a teacher's labels and the store that they are of."""
    fields = merge(config.transfer.model_dump(), config.transfer_by_protocol.get(protocol, {}))
    own = parse(TransferConfig, fields | {"protocol": protocol}, f"transfer_by_protocol.{protocol}")
    upper = config.upper_bound

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        store, *rest = inputs
        checkpoint, rest = (rest[0], rest[1:]) if learned else (None, rest)
        pseudo, tests = (rest[:2], rest[2:]) if guesses else ([], rest)
        spaces = [s for path in tests for s in spaces_under_test(path / "store")]
        frames = UpperBoundFrames(store / "store") if upper else TransferFrames(store / "store", spaces)
        if not pseudo:
            return transfer(own, frames, checkpoint, out)
        unlabelled = PretrainFrames(pseudo[1] / "store")
        return transfer(own, frames, checkpoint, out, pseudo=pseudo[0], pseudo_frames=unlabelled)

    content = {"transfer": own.model_dump(mode="json"), "upper_bound": upper}
    start = learned[0].label.removeprefix("pre-training ") if learned else "scratch"
    label = f"transfer ({protocol}) from {start}, seed {own.seed}" + (", a student" if guesses else "")
    needs = (labelled, *learned, *(guesses or ()))
    return Stage("transfer", label, content, needs, work, after=tuple(guarded))


def _evaluation(config: RunConfig, name: str, store: Stage, tuned: Stage, learned: list[Stage]) -> Stage:
    upper = config.upper_bound
    labelled = [s for s in tuned.needs if s.kind == "store"] if upper else []

    def work(out: Path, inputs: list[Path]) -> dict[str, Any]:
        frames = EvalFrames(Store.open(inputs[0] / "store"))
        seen: list[Frames] = [PretrainFrames(p / "store") for p in inputs[2 : 2 + len(learned)]]
        seen += [UpperBoundFrames(p / "store") for p in inputs[2 + len(learned) :]]
        least = min((check_held_out(view, frames) for view in seen), default=float("inf"))
        metrics = evaluate(config.evaluate, frames, inputs[1], out, upper_bound=upper)
        held_out = {} if least == float("inf") else {"least_distance_to_learned_m": least}
        return metrics | held_out

    content = {"evaluate": config.evaluate.model_dump(mode="json"), "upper_bound": upper}
    start = tuned.label.removeprefix("transfer ")
    return Stage("evaluate", f"in {name}: {start}", content, (store, tuned, *learned, *labelled), work)
