"""Instants: seconds since 1970 in UTC inside the sandbox, ISO 8601 text on the wire.

Add a conversion here when the wire needs one. Time zones of hotels stay in `generated`; who decides what time it is
stays in `clock`.
"""

import calendar
import re
from datetime import UTC, datetime

_WIRE_FORM = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


def parse(text: str) -> int:
    """Seconds since 1970 of a wire date-time.

    Raises:
        ValueError: Where the text is not exactly `YYYY-MM-DDThh:mm:ssZ`, or names no real instant.
    """
    if not _WIRE_FORM.fullmatch(text):
        raise ValueError("not of the form YYYY-MM-DDThh:mm:ssZ")
    return int(datetime.fromisoformat(text).timestamp())


def text(seconds: int) -> str:
    """Wire form of an instant: `YYYY-MM-DDThh:mm:ssZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(moment: datetime | str | int) -> int:
    """Seconds since 1970 of a time given as an aware date-time, as wire text, or as seconds already."""
    if isinstance(moment, str):
        return parse(moment)
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("a date-time needs a time zone")
        return int(moment.timestamp())
    return moment


def months_later(moment: int, months: int) -> int:
    """The same day and hour some calendar months later, or the last day of that month where it is shorter."""
    start = datetime.fromtimestamp(moment, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())
