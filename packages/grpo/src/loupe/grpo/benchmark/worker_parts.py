"""What a step is split into, known without torch."""

PARTS = ("sampling", "rewards", "reference", "policy", "backward")
"""`backward` is the backward pass and whatever the other parts leave of a step."""
