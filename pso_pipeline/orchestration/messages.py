"""Messages to people about failures and recoveries, and their delivery to the webhook `PSO_ALERT_WEBHOOK`.

Add the text of a new event here. Which messages are sent is decided in `alerts`.
"""

import time
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pso_pipeline.ingestion.causes import describe_names
from pso_pipeline.mews.tokens import hide_secrets
from pso_pipeline.text import for_chat

POST_SECONDS = 5.0
"""Timeout of one message."""

DELIVERY_SECONDS = 15.0
"""Timeout of all messages of one evaluation, which Dagster ends after 60 s; the next evaluation sends the rest."""

MOST_HOTELS = 100
"""Hotels that a message lists; `count` is the number of all."""


_TEXTS = {
    "hotel_failing": "{hotels} cannot be read: {self.reason}",
    "hotel_recovered": "Read again: {hotels}; the failure was: {self.reason}",
    "hotel_held_back": "Newest figures not published: {hotels}: {self.reason}",
    "hotel_published_again": "Published again: {hotels}; held back because: {self.reason}",
    "pipeline_failing": "Nothing is published: {self.reason}",
    "pipeline_recovered": "The pipeline publishes again; it had failed with: {self.reason}",
    "api_failing": "The API does not answer: {self.reason}",
    "api_recovered": "The API answers again; it had failed with: {self.reason}",
    "refreshes_failing": "{self.reason}",
    "refreshes_recovered": "Refreshes end again; before: {self.reason}",
    "digest": "{self.reason}",
    "schema_changed": "Mews sends other fields or values than before: {self.reason}",
}
"""By event."""


class Hotel(msgspec.Struct, frozen=True):
    """A hotel that a message is about."""

    partition_key: str
    enterprise_id: str
    hotel: str


class Message(msgspec.Struct, frozen=True):
    """A message about hotels that share a reason, or about the whole pipeline.

    `reason` is why they fail or failed. `event` is `hotel_failing`, `hotel_recovered`, `hotel_held_back` or
    `hotel_published_again`, or ends in `_failing` or `_recovered` and begins with `pipeline`, `api` or `refreshes`;
    those have no hotels. Of a `digest` and of `schema_changed`, the reason is the text. `count` is the number of
    hotels. If there is only one, the first fields name it too.
    """

    event: str
    reason: str
    partition_key: str | None = None
    enterprise_id: str | None = None
    hotel: str | None = None
    count: int = 0
    hotels: tuple[Hotel, ...] = ()

    @property
    def text(self) -> str:
        """The message as one line of text."""
        return _TEXTS[self.event].format(self=self, hotels=self._hotels)

    @property
    def _hotels(self) -> str:
        if self.count == 1:
            return f"{self.hotel} ({self.partition_key})"
        return describe_names([each.hotel for each in self.hotels], self.count)


def message_about(event: str, reason: str, hotels: Sequence[Hotel]) -> Message:
    """Make a message about hotels that share a reason."""
    message = Message(event, reason, count=len(hotels), hotels=tuple(hotels[:MOST_HOTELS]))
    return msgspec.structs.replace(message, **msgspec.structs.asdict(hotels[0])) if len(hotels) == 1 else message


class NotDelivered(Exception):
    """The webhook did not accept a message. The text has the reason without the address, which often is a secret."""


def deliver(webhook: str, messages: Sequence[Message], seconds: float = DELIVERY_SECONDS) -> tuple[int, str | None]:
    """Post messages in order, as JSON, and try each of them twice.

    Returns how many were accepted, and the reason why the next was not; None where all were. The JSON has `text` for
    chat programs and the fields of the message for other programs.
    """
    end = time.monotonic() + seconds
    with httpx.Client(timeout=POST_SECONDS) as client:
        for delivered, message in enumerate(messages):
            if time.monotonic() > end:
                return delivered, "there was no time left"
            try:
                _post(client, webhook, message)
            except NotDelivered as failure:
                return delivered, str(failure)
    return len(messages), None


def _post(client: httpx.Client, webhook: str, message: Message) -> None:
    twice = Retrying(
        retry=retry_if_exception_type(NotDelivered), stop=stop_after_attempt(2), wait=wait_random_exponential(max=1)
    )
    try:
        twice(_post_once, client, webhook, message)
    except RetryError as error:
        raise NotDelivered(str(error.last_attempt.exception())) from None


def _post_once(client: httpx.Client, webhook: str, message: Message) -> None:
    try:
        answer = client.post(webhook, json=_clean({"text": message.text, **msgspec.to_builtins(message)}))
    except httpx.HTTPError as error:
        raise NotDelivered(f"PSO_ALERT_WEBHOOK does not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise NotDelivered(f"PSO_ALERT_WEBHOOK answered with status {answer.status_code}")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return for_chat(hide_secrets(value))
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value
