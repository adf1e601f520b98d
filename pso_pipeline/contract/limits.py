"""The numbers that the Connector API's documentation sets, and the bounds of what is believed of its responses.

Add a limit of the API here. Our own choices (overlap, batch sizes, retries) belong next to the code that makes them.
"""

from datetime import UTC, datetime, timedelta

MAX_IDS = 1000
"""Most ids that one list of a request may hold."""

MAX_COUNT = 1000
"""Most items that one page may hold (`Limitation.Count`)."""

MAX_INTERVAL_MONTHS = 3
"""Longest `UpdatedUtc` interval, in calendar months."""

REQUESTS_PER_WINDOW = 200
"""Requests that one access token may send within `WINDOW_SECONDS`."""

WINDOW_SECONDS = 30
"""Length of the sliding window of the request limit, in seconds."""

EARLIEST_TIME = datetime(1990, 1, 1, tzinfo=UTC)
"""A time in a record before this one is not believed."""

LATEST_TIME_AHEAD = timedelta(days=3653)
"""A time in a record that is further ahead than ten years is not believed."""

MAX_TEXT_BYTES = 64 * 1024
"""Longest text of a record, in UTF-8."""

MAX_RECORD_BYTES = 1024 * 1024
"""Longest record, as JSON."""

MAX_PAGE_BYTES = 64 * 1024 * 1024
"""Longest body of an answer."""
