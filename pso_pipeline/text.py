"""Text from outside, made safe for the place where a person reads it.

Other systems write the names of hotels and services, error messages of the API, origins, states and request ids. Each
function returns one line for one kind of place, without anything that the program there would run or render:
`for_terminal`, `for_markdown` (Dagster's web UI), `for_chat` (the webhook) and `for_html` (the report).

Add a function for a new kind of place. Call it once, when the text is shown; stored text is not changed. Secrets are
masked in `mews/tokens.py`.
"""

import html
import re
import unicodedata

LONGEST_SHOWN = 2_000
"""Longest text in characters; a longer one ends with an ellipsis."""

_ESCAPE_SEQUENCE = re.compile(
    # CSI: colours, movements of the cursor
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    # OSC and other strings: titles, links
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_SPACE = re.compile(r"\s+")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode categories of characters that are invisible or reorder the text around them: control and format characters,
such as the marks of bidirectional text, halves of surrogate pairs, and unassigned characters."""

_INERT = str.maketrans("[]<>`\\|", "()()'//")
_SCHEME = re.compile(r":(?=/)")
_WWW = re.compile(r"\b(www)\.", re.IGNORECASE)
_MENTION = re.compile(r"@(?=\S)")
_ENTITY = re.compile(r"&(?=#|\w+;)")


def for_terminal(text: str) -> str:
    """Return one line for a terminal or a log: no escape sequences, no control, invisible or bidirectional characters.

    Rich must print it without markup (`cli.environment.terminal`).
    """
    text = _SPACE.sub(" ", _ESCAPE_SEQUENCE.sub("", text[: 2 * LONGEST_SHOWN]))
    text = "".join("" if unicodedata.category(each) in _INVISIBLE else each for each in text).strip()
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def for_markdown(text: str) -> str:
    """Return one line for Markdown and for Dagster's web UI: no link, image, HTML, code or table.

    Brackets become parentheses and an address gets a space after its colon, so that the text is readable unrendered.
    """
    text = _SCHEME.sub(": ", for_terminal(text).translate(_INERT))
    return _ENTITY.sub("& ", _MENTION.sub("@ ", _WWW.sub(r"\1 .", text))).strip()


def for_chat(text: str) -> str:
    """Return one line for a chat program such as Slack or Teams: no mention, link, image or command."""
    # links and mentions need angle brackets in Slack, and Markdown in Teams and Mattermost
    return for_markdown(text)


def for_html(text: str) -> str:
    """Return one line for the text or a quoted attribute of an HTML page."""
    return html.escape(for_terminal(text), quote=True)
