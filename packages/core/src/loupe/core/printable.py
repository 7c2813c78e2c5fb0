"""Text from outside, such as file names, made safe for one line on a terminal."""


def printable(text: str) -> str:
    """`text` as it is, or with everything beyond plain ASCII escaped where it holds line breaks or control codes."""
    return text if text.isprintable() else ascii(text)[1:-1]
