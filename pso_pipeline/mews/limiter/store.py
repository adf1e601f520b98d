"""What a store of the rate limiter can do: count the requests of a token, and remember how long it pauses.

Its methods block; the limiter calls them from a thread. Nothing here decides about a request; that is in `turns`.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pyrate_limiter import AbstractBucket, Rate, RateItem

LONGEST_PAUSE = 600.0
"""Seconds after which a pause ends, whatever the store says."""

CLOCK_SLIP = 1.0
"""Seconds by which a time may be ahead of the clock before the clock counts as set back."""


class LimiterUnusable(Exception):
    """The store of the rate limiter cannot be used; the message names it, without a password."""


class StoreUnavailable(LimiterUnusable):
    """The store does not respond as it should; a moment later it may."""


@dataclass(frozen=True, slots=True)
class TokenState:
    """What a store knows of a token now.

    `now` is the store's time in milliseconds since 1970, and the pause ends in `pause_ends_in` seconds. The store may
    have lost requests of the last window; in `unknown_for` seconds it knows all of them.
    """

    now: int
    pause_ends_in: float
    unknown_for: float = 0.0

    @property
    def pause_left(self) -> float:
        """Seconds for which the token still pauses; 0 too where the clock was set back after a pause began."""
        return self.pause_ends_in if 0 < self.pause_ends_in <= LONGEST_PAUSE + CLOCK_SLIP else 0.0


class TokenCounter(ABC):
    """The requests of one token in a store; one thread uses it at a time."""

    bucket: AbstractBucket

    @abstractmethod
    def exclusively(self) -> AbstractContextManager[None]:
        """Let nobody else count the token during the block, unless the bucket sees to that itself.

        Raises:
            LimiterUnusable: For whatever the store raises in the block.
        """

    @abstractmethod
    def state(self) -> TokenState:
        """Read the time of the store and the pause of the token."""

    @abstractmethod
    def pause(self, seconds: float) -> None:
        """Let the token pause for this long from now on; never shorten a pause."""

    def close(self) -> None:  # noqa: B027 - optional: not every store has something to close
        """Close what belongs to this token alone."""


class LimiterStore(ABC):
    """Where processes share how much of each token's limit is used. It knows fingerprints of tokens only."""

    @property
    @abstractmethod
    def description(self) -> str:
        """Which store it is, and for whom, for people; without a password."""

    @abstractmethod
    def open(self, fingerprint: str, rate: Rate) -> TokenCounter:
        """Open the counter of a token; make what is missing.

        Raises:
            LimiterUnusable: The store cannot be used.
        """

    def close(self) -> None:  # noqa: B027 - optional: not every store has something to close
        """Close the connections to the store."""


def use_up(bucket: AbstractBucket, now: int) -> None:
    """Count the whole limit as used now: what was counted before is not known."""
    whole = RateItem("request", now, weight=bucket.rates[0].limit)
    bucket.flush()
    # another machine can count a request in between
    while not bucket.put(whole):
        bucket.flush()
