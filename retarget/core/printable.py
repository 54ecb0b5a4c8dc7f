"""Text of others, such as file names, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text with what would command a terminal, or is no text, shown as its escapes."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in plain)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
