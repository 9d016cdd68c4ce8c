"""What a re-test costs beside the forward passes that it cannot do without.

    python benchmarks/retest.py                     100 cases, features only
    python benchmarks/retest.py --generator testbed:a --cases 5

Synthetic people of the testbed's gallery, in a real vault: decrypted, decoded, prepared, encoded, scored. The bare
figure is the encoder's forward passes over the same pictures, prepared beforehand and in memory. Rounds of both take
turns in one process, and the shortest of each counts, since other work only adds: in seconds on the clock, and in the
processor's seconds, which count in full what was done beside the passes. With a generator, the ratio is about the
drawing: the bare figure then includes drawing and recognising the same portraits, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ireu_governance.core.statement import Plan
from ireu_governance.jobs.tester import TestWatch
from ireu_governance.ledger import Vault
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.extraction import BATCH_SIZE
from ireu_sdk.encoders.opened import Reference
from ireu_sdk.encoders.sources import load_encoder
from ireu_sdk.evaluation.features import make_template
from ireu_sdk.evaluation.identity import draw
from ireu_sdk.evaluation.probes import choose_probes
from ireu_sdk.evaluation.statistics import Calibration
from ireu_sdk.evidence import ToolSources, new_case_id, store_case, store_panel
from ireu_sdk.faces.portraits import FacePair, Person, Portrait, decode_portrait
from ireu_sdk.testbed.paths import GALLERY
from ireu_sdk.tester import Tester, load_held
from ireu_sdk.toolbox import Toolbox, load_instruments

PHOTOS = 12  # six trained and six unseen: as many as a re-test looks at
PANEL = 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--generator", help="also draw portraits, such as testbed:a")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="also write the figures to a file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ireu-bench-") as folder:
        workspace = Workspace.create(Path(folder) / "workspace", organisation="Benchmark")
        with workspace.open_vault() as vault:
            case_ids, plan = store_people(vault, options.cases, options.generator)
            tester = Tester(workspace, device=options.device)
            tester.open(Reference.parse("testbed"))

            def whole() -> None:
                tester.measure(
                    load_held(vault, case_ids), removal_seq=0, case_ids=case_ids, plan=plan, watch=TestWatch()
                )

            def fresh() -> None:
                tester.open(Reference.parse("testbed"))  # so that nothing of the round before is kept

            bare = bare_passes(vault, case_ids, options.generator, options.device)
            figures = take_turns(whole, bare, before=fresh, rounds=options.rounds, device=options.device)
    pictures = options.cases * PHOTOS + PANEL
    print(
        f"{options.cases} cases, {pictures} pictures, {options.device}, {torch.get_num_threads()} threads,"
        f" {platform.processor() or platform.machine()}, torch {torch.__version__}"
    )
    for label, suffix in (("clock", "s"), ("processor", "cpu_s")):
        whole_s, bare_s = figures[f"retest_{suffix}"], figures[f"bare_{suffix}"]
        print(f"{label:10} re-test {whole_s:.2f} s   bare {bare_s:.2f} s   ratio {whole_s / bare_s:.3f}")
    if options.json:
        options.json.write_text(json.dumps({**figures, "cases": options.cases, "pictures": pictures}, indent=2))


def store_people(vault: Vault, cases: int, generator: str | None) -> tuple[list[str], Plan]:
    """Put cases and a panel into the vault as a removal does; return the cases and the plan."""
    encoder = load_encoder("testbed")
    files = sorted((GALLERY / "images").glob("*.webp"))
    photos = [decode_portrait(file.read_bytes(), name=file.name) for file in files]
    random = np.random.default_rng(0)
    panel_id = new_case_id()
    panel = [Person(portraits=(vary(photos[-1 - n], random),)) for n in range(PANEL)]
    features = encoder.encode(encoder.preprocess([p.portraits[0].image for p in panel]))
    store_panel(vault, panel_id, panel, features=features, retain=panel)
    tools = ToolSources(
        encoder="testbed",
        judge="testbed" if generator else None,
        generators=(generator,) if generator else (),
        tap=Tap.IMAGE_EMBEDS,
        steps=12,
        guidance=3.0,
        seed=0,
    )
    case_ids = []
    for case in range(cases):
        own = tuple(vary(photos[(case * PHOTOS + n) % len(photos)], random) for n in range(PHOTOS))
        pairs = tuple(FacePair(photo=n, swapped=own[n].image) for n in range(PHOTOS // 2))
        template = make_template(encoder.encode(encoder.preprocess([p.image for p in own[:2]])))
        case_ids.append(new_case_id())
        store_case(
            vault, case_ids[-1], Person(portraits=own, pairs=pairs), template=template, panel_id=panel_id, tools=tools
        )
    calibration = Calibration(threshold=0.8, false_match_rate=0.001, upper_95=0.01, pairs=10_000)
    instruments = load_instruments(generators=tools.generators, judge=tools.judge)
    toolbox = Toolbox(
        encoder=encoder,
        encoder_source="testbed",
        generators=instruments.generators,
        recogniser=instruments.recogniser,
        judge_source=tools.judge,
        device="cpu",
    )
    tests = toolbox.plan_tests(
        features=calibration, portraits=calibration if generator else None, max_match_rate=0.1, min_probes=5
    )
    return case_ids, Plan(tests=tests, min_retained_similarity=0.9)


def vary(photo: Portrait, random: np.random.Generator) -> Portrait:
    """Return a slightly other photo, saved as a camera would, so that no two of them are the same."""
    import io

    levels = np.asarray(photo.image).astype(np.int16) + random.integers(-6, 7, (1, 1, 3))
    image = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return replace(photo, image=image, data=buffer.getvalue())


def bare_passes(vault: Vault, case_ids: list[str], generator: str | None, device: str) -> Callable[[], None]:
    """Return what runs the forward passes over the same pictures, and nothing else."""
    encoder = load_encoder("testbed", device=device)
    held = load_held(vault, case_ids)
    assert held.panel is not None
    probes = choose_probes(list(held.cases.values()), (), seed=0)
    pixels = encoder.preprocess([*(p.image for p in probes.probes), *(p.image for p in held.panel.photos)])
    if generator is None:
        return lambda: _none(encoder.encode(pixels, batch_size=BATCH_SIZE))
    tools = load_instruments(generators=(generator,), judge="testbed", device=device)

    def with_portraits() -> None:
        features = encoder.encode(pixels, batch_size=BATCH_SIZE)
        assert tools.recogniser is not None
        tools.recogniser.embed([probe.image for probe in probes.probes])
        draw(tools.generators[0], features[: len(probes.probes)], probes, tools.recogniser, steps=12, guidance=3.0)

    return with_portraits


def _none(_: object) -> None:
    return None


def take_turns(
    whole: Callable[[], None], bare: Callable[[], None], *, before: Callable[[], None], rounds: int, device: str
) -> dict[str, float]:
    """Run both in turn and return the shortest of each, in seconds."""
    seconds: dict[str, list[float]] = {"retest_s": [], "bare_s": [], "retest_cpu_s": [], "bare_cpu_s": []}
    before()
    whole()
    bare()
    for _ in range(rounds):
        before()
        for name, work in (("retest", whole), ("bare", bare)):
            started, used = time.perf_counter(), time.process_time()
            work()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            seconds[f"{name}_s"].append(time.perf_counter() - started)
            seconds[f"{name}_cpu_s"].append(time.process_time() - used)
    return {name: min(each) for name, each in seconds.items()}


if __name__ == "__main__":
    main()
