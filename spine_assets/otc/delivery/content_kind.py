"""What a content is by its first bytes: a text and its encoding, or what it is instead.

Names prove nothing: an Excel workbook may be called `week.csv`. Belongs here: recognising. Does not
belong here: unpacking (`archives`), and the rows of a text (`file_format`).
"""

from __future__ import annotations

from enum import StrEnum

from spine_assets.otc.delivery.reasons import FileRefused

BOM = b"\xef\xbb\xbf"
HEAD_BYTES = 64
"""As many as tell what a content is."""
GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
SAVE_AS_CSV = "save its sheet as CSV (UTF-8), or deliver the file that it was made from"
_UNPACK = "unpack it, or pack the files with zip or gzip"
_AS_TEXT = "deliver FINRA's text file (CSV or JSON) instead"
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", SAVE_AS_CSV),
    (b"%PDF-", "a PDF document", _AS_TEXT),
    (b"PAR1", "a Parquet file", _AS_TEXT),
    (b"ARROW1", "an Arrow file", _AS_TEXT),
    (b"SQLite format 3\x00", "an SQLite database", _AS_TEXT),
    (rb"{\rtf", "a formatted text (RTF)", _AS_TEXT),
    (b"\x89PNG\r\n", "a picture (PNG)", _AS_TEXT),
    (b"\xff\xd8\xff", "a picture (JPEG)", _AS_TEXT),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with Zstandard", _UNPACK),
    (b"\xff\xfe\x00\x00", "text in UTF-32", "save it as UTF-8"),
    (b"\x00\x00\xfe\xff", "text in UTF-32", "save it as UTF-8"),
)
# What the first member of an Office file is called, within its first bytes.
_OFFICE = (b"[Content_Types].xml", b"docProps/", b"_rels/.rels", b"xl/")
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"
OFFICE_MEMBER = "[Content_Types].xml"
WORKBOOK = f"this is an Excel workbook (.xlsx), not a data file; {SAVE_AS_CSV}"
_LEAST_UTF_16 = 8  # bytes of a text without a mark that show its encoding


class Encoding(StrEnum):
    """How the text of a content is encoded."""

    UTF_8 = "UTF-8"
    UTF_8_MARKED = "UTF-8 with byte order mark"
    UTF_16_LE = "UTF-16 (little-endian)"
    UTF_16_BE = "UTF-16 (big-endian)"


_CODECS = {Encoding.UTF_16_LE: "utf-16-le", Encoding.UTF_16_BE: "utf-16-be"}


def foreign(head: bytes) -> str | None:
    """Why a content that begins like this is no text, in one line; None if it may be one."""
    for magic, what, remedy in _KINDS:
        if head.startswith(magic):
            return f"this is {what}, not a data file; {remedy}"
    if head.startswith(ZIP) and any(name in head for name in _OFFICE):
        return WORKBOOK
    if head.startswith(ZIP) and _OPEN_DOCUMENT in head:
        return f"this is an OpenDocument file (.ods), not a data file; {SAVE_AS_CSV}"
    return None


def is_text(head: bytes) -> bool:
    """Whether a content that begins like this may be text in UTF-8."""
    return 0 not in head


def decoded(content: bytes) -> tuple[bytes, Encoding]:
    """The text of a content in UTF-8 without a byte order mark, and how it was encoded.

    Bytes that are no character of UTF-16 become bytes that are none of UTF-8, so that only their
    line is lost.

    Raises:
        FileRefused: it is no text; the message says what it is.
    """
    if reason := foreign(content[:HEAD_BYTES]):
        raise FileRefused(reason)
    if content.startswith((ZIP, EMPTY_ZIP, GZIP)):
        raise FileRefused("this is an archive within an archive; unpack it once")
    encoding, mark = _encoding(content[:HEAD_BYTES])
    if encoding not in _CODECS:
        return content[mark:], encoding
    end = len(content) - len(content) % 2
    text = content[mark:end].decode(_CODECS[encoding], "surrogatepass")
    # Of a file that was cut within a character, half a line end is one.
    return text.encode("utf-8", "surrogatepass") + content[end:], encoding


def _encoding(head: bytes) -> tuple[Encoding, int]:
    """The encoding of a text, and how many bytes its mark has."""
    if head.startswith(BOM):
        return Encoding.UTF_8_MARKED, len(BOM)
    for mark, encoding in ((b"\xff\xfe", Encoding.UTF_16_LE), (b"\xfe\xff", Encoding.UTF_16_BE)):
        if head.startswith(mark):
            return encoding, len(mark)
    even, odd = head[::2], head[1::2]
    if len(head) >= _LEAST_UTF_16 and 0 not in even and not any(odd):
        return Encoding.UTF_16_LE, 0
    if len(head) >= _LEAST_UTF_16 and 0 not in odd and not any(even):
        return Encoding.UTF_16_BE, 0
    return Encoding.UTF_8, 0


def shown(head: bytes) -> str:
    """The first bytes of something that is no text, for a message."""
    return " ".join(f"{byte:02x}" for byte in head[:8])
