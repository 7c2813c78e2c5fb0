"""Stages in a row, for the verbs that walk more than one: config file, overrides, stage, a line on the screen."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loupe.core import numbers
from loupe.core.config import load_config
from loupe.core.files import read_json


@dataclass
class Recipe:
    """Runs stages from the YAML files of one folder. Every stage resumes, so a broken-off one can be called again."""

    configs: Path
    overrides: Mapping[str, Sequence[str]]
    runs: Path
    evaluations: dict[str, Path] = field(default_factory=dict[str, Path])
    began: float = field(default_factory=time.monotonic)

    def data(self, name: str) -> Path:
        """Labelled images."""
        from loupe.cli.screen import progress_bar
        from loupe.data.synth import SynthConfig, synthesise

        settings = load_config(SynthConfig, *self._sources(name))
        with progress_bar("pristine images") as step:
            folder = synthesise(settings, progress=step)
        return self._done("images", folder)

    def perception(self, name: str) -> Path:
        """The pocket base, from random weights."""
        from loupe.cli.screen import progress_bar
        from loupe.sft.perception import PerceptionConfig, run_perception

        settings = load_config(PerceptionConfig, *self._sources(name, "resume=true"))
        with progress_bar("perception steps") as step:
            folder = run_perception(settings, progress=step)
        return self._done("perception", folder)

    def sft(self, name: str) -> Path:
        """An SFT stage."""
        from loupe.cli.screen import progress_bar
        from loupe.sft.config import SftConfig
        from loupe.sft.train import run_sft

        settings = load_config(SftConfig, *self._sources(name, "resume=true"))
        with (
            progress_bar("lengths of examples") as measure,
            progress_bar("images in its own words") as play,
            progress_bar("SFT steps") as step,
        ):
            folder = run_sft(settings, progress=step, playing=play, measuring=measure)
        return self._done("SFT", folder)

    def grpo(self, name: str) -> Path:
        """The GRPO stage."""
        from loupe.cli.screen import progress_bar
        from loupe.grpo.config import GrpoConfig
        from loupe.grpo.train import run_grpo

        settings = load_config(GrpoConfig, *self._sources(name, "resume=true"))
        with progress_bar("GRPO steps") as step:
            folder = run_grpo(settings, progress=step)
        return self._done("GRPO", folder)

    def evaluate(self, name: str, model: str | Path, *words: str) -> Path:
        """A model on the held-out images under all looks."""
        from loupe.bench.evaluate import EvaluateConfig, evaluate
        from loupe.cli.screen import progress_bar

        out = self.runs / f"eval-{name}"
        settings = load_config(
            EvaluateConfig, *self._sources("evaluate", f"model={model}", f"out={out}", "resume=true", *words)
        )
        with progress_bar(f"episodes of {name}") as step:
            evaluate(settings, progress=step)
        self.evaluations[name] = out
        return self._done(f"evaluation of {name}", out)

    def table(self) -> None:
        """All evaluations so far, side by side, and what GRPO gained in reward."""
        from loupe.bench.reward_gain import reward_gain
        from loupe.bench.summary import FILE
        from loupe.cli.screen import out, recipe_table
        from loupe.core.protocol import load_protocol
        from loupe.grpo.config import GrpoConfig
        from loupe.rewards.joint import JointReward

        summaries = {name: read_json(folder / FILE) for name, folder in self.evaluations.items()}
        for subset in ("all", "hard"):
            out().print(recipe_table(summaries, subset=subset))
        if {"sft", "grpo"} <= set(self.evaluations):
            trained = load_config(GrpoConfig, *self._sources("grpo"))
            protocol, pair = load_protocol(trained.protocol), (self.evaluations["sft"], self.evaluations["grpo"])
            gain = reward_gain(*pair, protocol, reward=JointReward(trained.rewards, trained.reward_options))
            out().print(
                f"mean reward: {numbers.fixed(gain.first)} after SFT, {numbers.fixed(gain.second)} after GRPO, "
                f"difference {numbers.interval(*gain.difference)}"
            )

    def report(self) -> Path:
        """One page of everything."""
        from loupe.bench.report import ReportConfig, report

        folders = [f"evaluations.{name}={folder}" for name, folder in self.evaluations.items()]
        stages = {"SFT": "sft", "SFT on own words": "own", "GRPO": "grpo"}
        trainings = [f"trainings.{name}={self.runs / stage}" for name, stage in stages.items()]
        words = [*folders, *trainings, f"out={self.runs / 'report'}"]
        settings = load_config(ReportConfig, None, words)
        return self._done("report", report(settings, settings.out))

    def photographs(self, name: str) -> Path:
        """Damaged windows of the photographs that come with scikit-image and scikit-learn."""
        from loupe.data.sample_photos import copy_sample_photos
        from loupe.data.synth import SynthConfig

        copy_sample_photos(Path(load_config(SynthConfig, *self._sources(name)).photos))
        return self.data(name)

    def card(self, name: str, model: Path, stage: str) -> None:
        """The model card, README.md in the model's folder."""
        from loupe.bench.card import write_card

        figures = {
            "synthetic images": self.evaluations[stage],
            "windows of photographs": self.evaluations[f"{stage}-photos"],
        }
        write_card(name, model, stage=stage, training=model.parent, evaluations=figures)

    def install(self, model: Path, folder: Path) -> Path:
        """Copy a checkpoint with its card."""
        shutil.copytree(model, folder, dirs_exist_ok=True)
        return self._done("installed", folder)

    def _sources(self, name: str, *words: str) -> tuple[Path, list[str]]:
        """The config file of a stage and its overrides."""
        return self.configs / f"{name}.yaml", [*self.overrides.get(name, ()), *words]

    def _done(self, what: str, where: Path) -> Path:
        from loupe.cli.screen import remark

        remark(f"[{numbers.seconds(time.monotonic() - self.began)}] {what}: {where}")
        return where
