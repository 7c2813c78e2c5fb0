"""Stands for `loupe grpo` and `loupe evaluate` in tests of the ablation runner: the same words, real files, no model.

The made-up agent is better the more terms its row pays, and differs a little from seed to seed. FAKE_SECONDS is how
long a training takes; each start is noted in the run folder's `starts`.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

from loupe.bench.predictions import FILE, Prediction, append_predictions
from loupe.core.answer import answer_of, parse, render
from loupe.core.files import append_jsonl, read_json, read_jsonl, write_json
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn, severity_word


def train(settings: dict[str, str], out: Path) -> None:
    if settings.get("rewards.rank") == "nonsense":
        sys.exit("loupe: error: rewards.rank: Value 'nonsense' could not be converted to Float")
    append_jsonl(out / "starts", {"at": time.time()})
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    for step in range(1, 11):
        append_jsonl(out / "metrics.jsonl", {"step": step, "reward": step / 10, "entropy": 1 / step, "step_time": 0.5})
    paid = sum(float(settings.get(f"rewards.{name}", 0)) for name in ("format", "score", "degradation", "rank"))
    write_json(out / "model" / "agent.json", {"paid": paid, "seed": int(settings["seed"])})


def judge(settings: dict[str, str], out: Path) -> None:
    made = Path(settings["model"]) / "agent.json"
    agent = read_json(made) if made.is_file() else {"paid": 0.0, "seed": 99}
    rows = read_jsonl(Path(settings["data"]) / f"{settings['split']}.jsonl")[: int(settings["limit"])]
    (out / FILE).unlink(missing_ok=True)
    append_predictions(out / FILE, (prediction(Sample.from_json(row), agent) for row in rows))


def prediction(sample: Sample, agent: dict) -> Prediction:
    rng = random.Random(f"{sample.id}/{agent['seed']}")
    error = rng.gauss(0.0, 1.5 / (1.0 + agent["paid"]))
    damage = sample.degradation
    assert damage is not None
    text = render(
        answer_of(
            "so",
            rating=min(5.0, max(1.0, round(sample.rating + error, 2))),
            distortion_class=damage.distortion_class,
            severity=severity_word(damage.severity),
        )
    )
    turn = Turn(WHOLE, text, parse(text), tokens=9, seconds=0.1)
    return Prediction(sample, "decided", Episode(sample.id, (turn,), StopReason.FINAL))


def main() -> None:
    verb, *words = sys.argv[1:]
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    out = Path(settings["out"])
    sys.stdout.write(json.dumps({"verb": verb, "words": words}) + "\n")
    {"grpo": train, "evaluate": judge}[verb](settings, out)


if __name__ == "__main__":
    main()
