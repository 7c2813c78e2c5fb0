"""The exception tree: every error that Loupe raises on purpose, each also a builtin error.

A message says what was got, what was wanted, and what to do. The command line prints it as one line and exits with 2;
anything that is not a `LoupeError` is a defect and keeps its traceback.
"""


class LoupeError(Exception):
    """Root of all errors that a user can act on."""


class ConfigError(LoupeError, ValueError):
    """A setting is unknown, of the wrong type, out of range, or contradicts another one."""


class DataError(LoupeError, ValueError):
    """A data folder, a row or an answer file does not have the form that it should have."""


class ImageError(LoupeError, ValueError):
    """An image file cannot be read as a picture, or is too small or too large to judge."""


class MissingFileError(LoupeError, FileNotFoundError):
    """A file or folder that the user named, or that an earlier stage should have written, is not there."""


class ModelError(LoupeError, RuntimeError):
    """A model folder, a checkpoint or a model server cannot be used."""
