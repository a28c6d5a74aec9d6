"""Names that try to do something to whoever reads them, and what a safe text is."""

from __future__ import annotations

import re

FAKE = "FAKE-LINE: healthy"  # what a name would like to put on a line of its own
LONG = 1 << 16

# As bytes, which is what a checkpoint's keys are.
NAMES: tuple[bytes, ...] = (
    b"screen/\x1b[2J\x1b[1;1Hcleared",
    b"title/\x1b]0;owned\x07after",
    b"csi/\xc2\x9b31mc1",  # U+009B, the one-character CSI
    b"line/\n" + FAKE.encode() + b"\n/end",
    b"return/\r" + FAKE.encode(),
    b"separators/\xe2\x80\xa8" + FAKE.encode() + b"\xc2\x85" + FAKE.encode(),
    b"tab\tand\x0bvertical\x0cfeed\x08back",
    b"null\x00inside",
    b"bell/\x07\x07",
    b"delete/\x7f\x7f",
    b"../../etc/passwd",
    b"/etc/absolute",
    b"a/../b/./c//d/",
    b"~/home",
    b"$(touch owned)",
    b"`touch owned`;touch owned|cat&",
    b"[red]markup[/red] [link=http://x]y[/link]",
    b"\xe2\x80\xaeright-to-left\xe2\x80\xac",
    b"isolate\xe2\x81\xa6\xe2\x81\xa9",
    b"zero\xe2\x80\x8bwidth\xef\xbb\xbf",
    "combining/e\u0301\u0301\u0301".encode(),
    "wide/\u6f22\u5b57 \U0001f600".encode(),
    b"invalid/\xff\xfe\x80",
    b"surrogate/\xed\xa0\x80",  # CESU: no UTF-8
    b"overlong/\xc0\xaf",
    b"_CHECKPOINTABLE_OBJECT_GRAPH/not",
    b"_checkpointable_object_graph",
    b"a/.ATTRIBUTES",
    b"dots.and/.S/..",
    b"toml = \"'''#[x]\\",
    b'json {"a": [1]} \\u0041',
    b"%s %n {0} {name!r} {{",
    b"--output=/tmp/owned",
    b" leading and trailing ",
    b"# comment",
    b"*",
    b"private/\xf4\x8f\x9f\xbf\xf4\x8f\xa0\x80",  # the plan file's own escape character
    b"digits_" + b"9" * 10_000,  # more than Python makes a number of
    "superscript_\u00b2/arabic_\u0663".encode(),
    b"long/" + b"x" * LONG,
    b"spaces/" + b"y " * (LONG // 16),
    b"long escapes/" + b"\x1b" * (LONG // 16),
)

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # what the table of a terminal puts itself
_WIDEST = 20_000  # characters of one printed line: several long cells, each cut


def text_of(name: bytes) -> str:
    """The name as the library has it."""
    return name.decode("utf-8", "surrogateescape")


def faults_of(printed: str, *, terminal: bool = False) -> list[str]:
    """What a terminal or a log should not have got."""
    text = _COLOUR.sub("", printed) if terminal else printed
    found = sorted({ascii(letter) for letter in text if letter != "\n" and not letter.isprintable()})
    faults = [f"unprintable {', '.join(found)}"] if found else []
    lines = text.split("\n")
    if any(line.lstrip().startswith(FAKE) for line in lines):
        faults.append("a line that a name has made")
    if not terminal and max(map(len, lines)) > _WIDEST:
        faults.append(f"a line of {max(map(len, lines))} characters")
    return faults
