"""Text for Streamlit's Markdown: names and labels come from files and are shown as they are, never as markup."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import islice

from cl_viz.core.result import Level, Source

# Between letters and digits these three are no markup; labels are read out letter by letter, an escape with them.
_SPECIAL = re.compile(r"([\\`*{}\[\]()#+!|~>$:<&^=@]|(?<![^\W_])[_.-]|[_.-](?![^\W_]))")
# Shortcodes (:name:), addresses (scheme://, www., a@b) are recognised after escapes are resolved; a character of no
# width keeps them apart.
_JOINER = "\u2060"
_RECOGNISED = re.compile(r"(:(?=\S)|@|www(?=\.))")
# A browser ends a line after the hyphen of 2.78e-06; the same character keeps it together.
_EXPONENT = re.compile(r"(?<=\de-)(?=\d)")
# The folders before the last name of a path from the root, the home folder, a drive or the network on; "1/2", "a / b"
# and addresses begin otherwise. A folder's name may hold spaces; a file's suffix, a mark or a quote before a space
# ends the path, unless there is such a folder.
_FOLDERS = re.compile(
    r"""
    (?<![^\s'"`(\[{<=:,;|])(?:file://)?
    (?:/(?=[^/\s])|~(?:[A-Za-z_][\w.-]*)?[/\\]+|[A-Za-z]:[/\\]+|(?<!:)(?://|\\\\+)(?=\w))
    (?:(?!\s)(?:(?!\.\w+\s|[,;:.]\s|['"`](?!\w))[^/\\\n])+(?<!\s)[/\\]+(?=[^\s/\\'"`,;:)]))*
    """,
    re.VERBOSE,
)
_INNER_SEPARATOR = re.compile(r"(?<!\s)[/\\]+(?=[^\s/\\'\"`,;:)])")
_MOST_SEPARATORS = 32
_TO_THE_YEAR = re.compile(r".*?\b(?:19|20)\d\d\b")
_UNSEEN = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent picture of one pixel."""

_MARKS: Mapping[Level, tuple[str, str, str]] = {
    "bad": ("red", "error", "bad"),
    "watch": ("orange", "warning", "watch"),
    "unknown": ("gray", "help", "unknown"),
    "good": ("green", "check_circle", "good"),
}


def escape(text: object) -> str:
    """Return text that Markdown shows letter by letter, on one line."""
    flat = " ".join(str(text).split())
    return _SPECIAL.sub(r"\\\1", _EXPONENT.sub(_JOINER, _RECOGNISED.sub(rf"\1{_JOINER}", flat)))


def read_out(label: str, what: str) -> str:
    """Return the label of a button that is read out with what it is about, for those who do not see where it stands.

    Parameters
    ----------
    label : str
        Markdown, and all that is seen.
    what : str
        Heard alone: the text of a picture that nobody sees.
    """
    return f"{label} ![{escape(what)}]({_UNSEEN})"


def without_folders(text: str) -> str:
    """Return a text in which nothing but its last name is left of every absolute path."""
    kept, place = [], 0
    while found := _FOLDERS.search(text, place):
        kept.append(text[place : found.start()])
        place = _end_of_folders(text, found.start(), found.end())
    return "".join([*kept, text[place:]])


def _end_of_folders(text: str, start: int, end: int) -> int:
    """Return where the folders of a path end: a name like "old, broken" or "v. 2" is told from words that follow by
    the folder being there.
    """
    line_end = text.find("\n", end)
    separators = _INNER_SEPARATOR.finditer(text, end, len(text) if line_end < 0 else line_end)
    for separator in islice(separators, _MOST_SEPARATORS):
        folder = text[start : separator.start()].removeprefix("file://")
        if os.path.isdir(os.path.expanduser(folder)):
            end = separator.end()
    return end


def mark(level: Level) -> str:
    """Return a level as word, icon and colour: never colour alone."""
    colour, icon, word = _MARKS[level]
    return f":{colour}-badge[:material/{icon}: {word}]"


def short_mark(level: Level) -> str:
    """Return a level as icon and word, for the label of a link."""
    colour, icon, word = _MARKS[level]
    return f":{colour}[:material/{icon}: {word}]"


def cite(source: Source) -> str:
    """Return a source as a link; the address is only followed when somebody clicks it."""
    citation = escape(source.citation)
    if _is_address(source.url):
        return f"[{citation}]({source.url})"
    return citation


def cite_briefly(source: Source) -> str:
    """Return authors and year as a link whose tooltip is the whole citation."""
    brief = _TO_THE_YEAR.match(source.citation)
    if brief is None or not _is_address(source.url):
        return cite(source)
    title = source.citation.replace("\\", "").replace('"', "'")
    return f'[{escape(brief.group())}]({source.url} "{title}")'


def _is_address(url: str) -> bool:
    return url.startswith(("https://", "http://")) and not re.search(r"[\s()<>\[\]\"]", url)
