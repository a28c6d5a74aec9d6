"""How names are shown: safe for a terminal and a log, whatever a checkpoint calls its tensors.

Names are carried exactly, as bytes, through every file. They are shown here and nowhere else: errors
(`str(error)`), remarks, and all that the tools print go through `printable`, so that no control character,
no turned writing direction and no line of a name's own reaches a reader, and no name fills the screen.
What is exact is the JSON that the tools print, and the files that they write.
"""

from __future__ import annotations

MOST_WORD = 1000  # characters of one word, such as a name, that are shown; file systems stop at 255 a part
MOST_LINE = 4000  # characters of one line

# Escaped is what `str.isprintable` refuses: control and format characters (bidirectional overrides, zero
# width), separators other than the space, surrogates (bytes that are no UTF-8), and what is not assigned.


def printable(text: str) -> str:
    """One line: unprintable characters spelled as Python's escapes, and what is very long cut in its middle.

    A backslash stays as it is: the text is for reading. Showing what is shown already changes nothing.
    """
    if not text.isprintable():
        text = "".join(map(_spelled, text))
    if len(text) <= MOST_WORD:
        return text
    words = text.split(" ")
    if any(len(word) > MOST_WORD for word in words):
        text = " ".join(_cut(word, MOST_WORD) for word in words)
    return _cut(text, MOST_LINE)


def _spelled(letter: str) -> str:
    if letter.isprintable():
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def _cut(text: str, most: int) -> str:
    """The text's beginning and end, and how long it is."""
    if len(text) <= most:
        return text
    head, tail = text[: most // 2], text[-most // 4 :]
    return f"{head}... ({len(text)} characters) ...{tail}"
