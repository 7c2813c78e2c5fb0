"""What the loopback server says as a teacher of the protocol zoom-iqa, and as a judge: made up, but in form."""

import random
from typing import Any

FLAWS = ("Noise in the sky.", "A blur over the left edge.", "Blocky shadows at the bottom.", "The scene is too dark.")
STRENGTHS = ("The main subject is well placed.", "Nothing else is wrong.", "The colours are calm.")


def teach(body: dict[str, Any], *, server: Any) -> str:
    """A look, a second look, a continuation without the picture, or a verdict of the judge, by what is asked."""
    rng = server.draws(body)
    words, shown = server.texts(body), server.pictures(body)
    if "Sentences of the description:" in words:
        return f'All checked. <answer>{{"fail": {[1] if rng.random() < 0.2 else []}}}</answer>'
    if "Say OK." in words:
        return "OK"
    if not shown:
        return f"Decision: most likely so.\n</think>\n<answer>{verdict(rng)}</answer>"
    if len(shown) == 2:
        labels, body_text = ("Inspection", "Directions", "Issues", "Verdict"), verdict(rng, tool="final")
    else:
        labels, body_text = ("Summary", "Directions", "Issues", "Decision"), verdict(rng)
    said = (
        f"{rng.choice(STRENGTHS)} {rng.choice(FLAWS)}",
        "A calm sky and clean edges would be right.",
        f"{rng.choice(FLAWS)} {rng.choice(STRENGTHS)}",
        "That is what I go by.",
    )
    if rng.random() < 0.05:
        return "I would rather talk about something else."
    think = "\n".join(f"{label}: {text}" for label, text in zip(labels, said, strict=True))
    return f"<think>\n{think}\n</think>\n<answer>{body_text}</answer>"


def verdict(rng: random.Random, *, tool: str | None = None) -> str:
    """JSON of an answer; few different ones, so that a guess is at times the same."""
    tool = tool or rng.choice(("crop", "final"))
    box = rng.choice(([0.1, 0.1, 0.6, 0.6], [0.4, 0.3, 0.95, 0.9])) if tool == "crop" else [0, 0, 0, 0]
    return f'{{"bbox_2d": {list(box)}, "rating": {rng.choice((2.1, 2.4, 3.3, 3.6)):.2f}, "tool": "{tool}"}}'
