"""The command line: every command of Testspace, and the function that runs it.

    tst VERB [NOUN] [CONFIG.yaml] [--field value ...]        tst VERB --help shows fields, defaults and units

Exit status: 0 after success, 2 for an error that the user can fix (one line says how), 130 after Ctrl-C (run
the same command again: it continues).
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# command: (module:function, what it does). The function takes one pydantic config.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("engine.doctor:doctor", "what this machine can do, and the line that fixes what it cannot"),
    "houses generate": ("scenes.commands:generate", "IID houses of a family as JSON"),
    "houses perturb": ("scenes.commands:perturb", "the same house on another day: light, small objects"),
    "houses show": ("agents.commands:show_house", "plan from above and views from within, as PNG"),
    "houses check": ("scenes.commands:check", "is this house valid: overlaps, support, reachability"),
    "houses sheet": ("agents.sheets.houses:house_sheet", "views from within several houses, as one PNG"),
    "houses assets": (
        "agents.sheets.assets:asset_sheet",
        "a picture of every object type, and its source",
    ),
    "houses stats": ("scenes.commands:stats", "houses in numbers, beside ProcTHOR's"),
    "houses export": ("scenes.commands:export", "geometry as GLB or in Replica's layout, for any other tool"),
    "collect": ("engine.commands:collect", "frames of houses into a store, on Ray"),
    "capture": ("engine.importers.phone:capture", "a simulated phone's walk, as an app would write it"),
    "import": (
        "engine.importers.importing:import_capture",
        "a real capture into a store: video, scan, images",
    ),
    "derive": ("engine.collect.derive:derive", "further modalities from those that a store holds, on Ray"),
    "store info": ("engine.commands:info", "what a store holds"),
    "store verify": ("engine.commands:verify", "every checksum of a store"),
    "store push": ("engine.commands:push", "parts that an object store (s3://...) lacks, there"),
    "store pull": ("engine.commands:pull", "parts that a store lacks, from an object store"),
    "store show": ("engine.commands:show", "contact sheet of a store, as PNG"),
    "tokenizer train": ("training.commands:train_tokenizer", "a tokenizer for one modality (CONFIG.yaml)"),
    "tokenizer import": ("training.commands:import_tokenizer", "a tokenizer of 4M's, for one modality"),
    "tokenizer show": ("training.commands:show_tokenizers", "frames before and after tokenizers, as PNG"),
    "tokenize": ("training.commands:tokenize_store", "tokens of a store, of crops too, beside its frames"),
    "pretrain": ("training.pretrain.launch:pretrain_command", "masked pre-training on a store (CONFIG.yaml)"),
    "transfer": ("training.commands:transfer", "tune a task head on transfer houses (CONFIG.yaml)"),
    "propagate": ("training.commands:propagate", "labels by a tuned model, for a student (CONFIG.yaml)"),
    "evaluate": ("training.commands:evaluate", "score held-out frames of the test space (CONFIG.yaml)"),
    "retrieve": (
        "training.commands:retrieve",
        "depth maps of images and back, by a pre-trained model (CONFIG.yaml)",
    ),
    "study run": ("studies.commands:run", "a study, resumable, then its report (STUDY.yaml)"),
    "study report": ("studies.commands:report", "the page of a study from its rows"),
    "study power": (
        "studies.commands:power",
        "how many repeats show a difference, from the spread in rows, as a table",
    ),
    "study compare": ("studies.commands:compare", "two runs of a study side by side"),
    "view": ("viewer.commands:view", "a local page over houses, stores, trainings and runs of studies"),
    "demo": ("studies.commands:demo", "houses -> store -> specialist -> report, small, on this machine"),
    "bench render": ("agents.commands:bench", "frames per second of the renderer, as JSON"),
    "bench load": (
        "agents.bench.load:bench_load",
        "what loading houses costs, without and with the cache, as JSON",
    ),
    "bench views": ("agents.bench.views:bench_views", "what the frames of samplers show, as a table"),
    "bench tokenizers": ("training.bench.tokenizers:bench", "VQ and FSQ side by side on a store, as a table"),
    "bench collect": (
        "engine.bench.commands:collect",
        "frames per second into a store, peers beside it, as JSON",
    ),
    "bench stream": (
        "engine.bench.commands:stream",
        "frames per second out of a store, peers beside it, as JSON",
    ),
    "bench view": ("viewer.bench:bench_view", "how soon the viewer answers about a large store, as JSON"),
    "bench train": (
        "training.bench.train:bench_train",
        "training steps per second beside torch.matmul, as JSON",
    ),
}


def main(argv: list[str] | None = None) -> None:
    """Run the command in `argv` (default: the process's) and exit with its status."""
    args = list(sys.argv[1:] if argv is None else argv)
    name = next((n for n in (" ".join(args[:2]), args[0] if args else "") if n in COMMANDS), None)
    if name is None:
        print(_usage())
        sys.exit(0 if args in ([], ["-h"], ["--help"]) else 2)
    rest = args[len(name.split()) :]
    # What the user can mend: errors of a store and of a stage are ValueErrors or OSErrors by design, and a
    # loss that is no number any more (FloatingPointError) asks for another learning rate.
    try:
        status = _call(name, rest)
    except KeyboardInterrupt:
        print(f"tst {name}: interrupted; run the same command again and it goes on", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"tst {name}: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(status or 0)


def _call(name: str, args: list[str]) -> int | None:
    function, config = parse_command(name, args)
    result = function(config)
    return result if isinstance(result, int) else None


def parse_command(name: str, args: list[str]) -> tuple[Callable[[Any], Any], Any]:
    """The function behind the command `name` and the configuration that `args` make; nothing is run.

    Raises SystemExit where tyro refuses the arguments, ValueError where a YAML file holds something else.
    """
    import tyro  # here, so that `tst --help` answers at once

    from scenes.config import current_flags

    function, config_type = find_command(name)
    default = None
    if "(CONFIG.yaml)" in COMMANDS[name][1] and args and not args[0].startswith("-"):
        from studies.spec.yaml import load_yaml, parse

        path, args = Path(args[0]), args[1:]
        default = parse(config_type, load_yaml(path), str(path))
    args = current_flags(config_type, args)
    prog, description = f"tst {name}", COMMANDS[name][1]
    if default is None:
        return function, tyro.cli(config_type, args=args, prog=prog, description=description)
    return function, tyro.cli(config_type, args=args, prog=prog, description=description, default=default)


def find_command(name: str) -> tuple[Callable[[Any], Any], Any]:
    """The function behind the command `name`, and the class of its one parameter."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    function = getattr(importlib.import_module(module), attribute)
    (parameter,) = inspect.signature(function, eval_str=True).parameters.values()
    return function, parameter.annotation


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  tst {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    known = "\n".join(lines)
    return f"{__doc__}\n{known}"


if __name__ == "__main__":
    main()
