"""The label of a token without loss."""

IGNORED = -100
"""As torch's cross-entropy has it."""
