"""The numbers that the Connector API's documentation sets.

Add a limit of the API here. Our own choices (overlap, batch sizes, patience) belong beside the code that makes them.
"""

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
