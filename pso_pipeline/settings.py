"""The environment, read and validated once: addresses, tokens, paths, limits.

Add a setting here with its default, what it takes and a row in `docs/configuration.md`. Nothing here reads the network
or the disk beyond `.env`, and importing it needs no setting at all, so that the code location loads without any.
"""

import ipaddress
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pso_pipeline import __version__
from pso_pipeline.environment import ENV_FILE, restore, unreadable_file

DOCUMENTATION = "docs/configuration.md"
DUCKLAKE_PREFIX = "ducklake:"
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*[KMGT]i?B", re.IGNORECASE)


class SettingsError(Exception):
    """A setting is missing or malformed: one line naming the variable, what it takes and where to read about it."""


class _Read(BaseSettings):
    """What is read from the environment, then from `.env`; an empty variable counts as not set in both."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def read(cls) -> Self:
        """Read the environment, and `.env` where that can be read."""
        restore()
        return cls(_env_file=None) if unreadable_file() else cls()


class Secrets(_Read):
    """What must not be shown, whatever else is set and however malformed: for masking alone."""

    mews_client_token: str = Field(default="", repr=False)
    mews_access_tokens: str = Field(default="", repr=False)
    pso_alert_webhook: str = Field(default="", repr=False)
    pso_heartbeat_url: str = Field(default="", repr=False)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The client token and the access tokens."""
        return tuple(filter(None, map(str.strip, (self.mews_client_token, *self.mews_access_tokens.split(",")))))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses that work as a secret: who knows one can write there."""
        return tuple(filter(None, map(str.strip, (self.pso_alert_webhook, self.pso_heartbeat_url))))


class MemorySettings(_Read):
    """How much memory DuckDB may hold: needed by commands that need no other setting, too."""

    pso_memory_limit: str = Field(
        default="1GB",
        description="a size with its unit, like 400MB or 2GB, which DuckDB may hold in memory before it spills to disk",
    )

    @field_validator("pso_memory_limit")
    @classmethod
    def _is_a_size(cls, value: str) -> str:
        found = _SIZE.fullmatch(value.strip())
        if found is None or not float(found["number"]):
            raise ValueError("a size with its unit")
        return value

    @property
    def memory_limit(self) -> str:
        """The limit as DuckDB takes it."""
        return self.pso_memory_limit.strip()

    @classmethod
    def load(cls) -> Self:
        """Read the setting from the environment.

        Raises:
            SettingsError: It is malformed.
        """
        try:
            return cls.read()
        except ValidationError as error:
            problems = dict.fromkeys(_describe(cls, problem["loc"], problem["type"]) for problem in error.errors())
            raise SettingsError("; ".join(problems)) from None


class Timetable(_Read):
    """When the schedules run: five cron fields each, or `off`, in one time zone; and how often changes are looked for.

    Separate from `Settings`, since the code location needs it while it loads, without any token. All are texts, so that
    reading them cannot fail: what they may say is judged in `orchestration/timetable.py`.
    """

    pso_refresh_cron: str = Field(default="0 * * * *", description="when everything is refreshed: a cron line, or off")
    pso_look_back_cron: str = Field(
        default="30 2 * * *", description="when the last days are read again: a cron line, or off"
    )
    pso_resync_cron: str = Field(default="30 3 * * 0", description="when all history is read: a cron line, or off")
    pso_time_zone: str = Field(default="UTC", description="the IANA time zone of the three above, like Europe/Prague")
    pso_updates_seconds: str = Field(
        default="5", description="least seconds between two looks for changes, a whole number from 5 to 86400"
    )


class Settings(MemorySettings):
    """What a person configures, by environment variables or a `.env` file in the working directory.

    `Settings.load()` is the way to get one: it raises `SettingsError` and never shows a value, which may be a token.
    """

    mews_platform_address: AnyHttpUrl = Field(
        description="the base address of the API, for example https://api.mews.com",
    )
    mews_client_token: SecretStr = Field(min_length=1, description="the client application's token")
    mews_access_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        min_length=1, description="one or more access tokens, separated by commas"
    )
    mews_client: str = Field(
        default=f"pso-pipeline {__version__}", min_length=1, description="name and version sent to the API as Client"
    )
    mews_requests_per_window: int = Field(
        default=200, ge=1, description="a whole number of requests, 1 or more, for each access token"
    )
    mews_window_seconds: float = Field(
        default=30, gt=0, allow_inf_nan=False, description="a number of seconds, more than 0"
    )
    pso_warehouse: str = Field(
        default="data/warehouse.duckdb",
        min_length=1,
        # the address of a catalogue can hold the password of its database
        repr=False,
        description="a path to a DuckDB file, without ? in its whole path, or ducklake:… with the catalogue's address",
    )
    pso_bi_dir: Path = Field(
        default=Path("data/bi"),
        description="a folder in which the BI snapshot is published, without ? in its whole path",
    )
    dagster_home: Path = Field(
        default=Path("data/dagster"),
        description="a folder for Dagster's own storage, with neither ? nor % in its whole path",
    )
    pso_overlap_minutes: float = Field(
        default=10,
        ge=0,
        le=43_200,
        allow_inf_nan=False,
        description="a number of minutes that each refresh reads again, from 0 to 43200 (30 days)",
    )
    pso_stale_after_hours: float = Field(
        default=3,
        gt=0,
        le=8_760,
        allow_inf_nan=False,
        description="a number of hours after which a hotel counts as stale, more than 0, at most 8760 (a year)",
    )
    pso_look_back_days: float = Field(
        default=3,
        ge=0,
        le=80,
        allow_inf_nan=False,
        description="a number of days that the nightly look-back reads again, from 0 to 80",
    )
    pso_alert_webhook: AnyHttpUrl | None = Field(
        default=None,
        # who knows the address of a chat's webhook can write there
        repr=False,
        description="an address to which messages about failing and recovered hotels are posted",
    )
    pso_heartbeat_url: AnyHttpUrl | None = Field(
        default=None,
        # who knows the address can send a sign of life in our name
        repr=False,
        description="an address that is fetched after each successful publication",
    )
    pso_allow_http: bool = Field(
        default=False, description="1 where addresses of other machines may be http://, which encrypts nothing"
    )
    pso_keep_personal_data: Literal["pseudonyms", "plain"] = Field(
        default="pseudonyms",
        description="pseudonyms (account ids leave the warehouse as a keyed hash only) or plain",
    )
    pso_resync_max_missing_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a share from 0 to 1: no full resync marks more of a hotel's orders missing",
    )

    pso_scope_max_lost_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a share from 0 to 1: no listing takes more of a token's hotels or services out at once",
    )

    pso_all_companions_environments: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="accommodation environment codes where online check-in takes all companions, separated by commas",
    )

    @field_validator("pso_all_companions_environments", mode="before")
    @classmethod
    def _split_codes(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(code.strip().upper() for code in value.split(",") if code.strip()))
        return value

    @field_validator("mews_access_tokens", mode="before")
    @classmethod
    def _split_tokens(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(token.strip() for token in value.split(",") if token.strip()))
        return value

    @field_validator("mews_client_token", mode="before")
    @classmethod
    def _strip_token(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    @field_validator("pso_warehouse", "pso_bi_dir")
    @classmethod
    def _is_a_path_for_duckdb(cls, value: str | Path) -> str | Path:
        # DuckDB 1.5.5 puts the name of a database's log before a question mark in its path
        if not str(value).startswith(DUCKLAKE_PREFIX) and "?" in str(Path(value).absolute()):
            raise ValueError("a path without ?")
        return value

    @field_validator("dagster_home")
    @classmethod
    def _is_a_path_for_sqlite(cls, value: Path) -> Path:
        # Dagster writes it into the addresses of its SQLite files without quoting it
        if {"?", "%"} & set(str(value.absolute())):
            raise ValueError("a path without ? and %")
        return value

    @field_validator("mews_platform_address")
    @classmethod
    def _is_a_base(cls, value: AnyHttpUrl) -> AnyHttpUrl:
        if value.username or value.password or value.query or value.fragment:
            raise ValueError("an address without user, query and fragment")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            SettingsError: A variable is missing or malformed; the message is one line for each and holds no value.
        """
        if problem := unreadable_file():
            raise SettingsError(f"{problem}; see {DOCUMENTATION}")
        settings = super().load()
        if unencrypted := settings.unencrypted_addresses():
            raise SettingsError("; ".join(unencrypted))
        return settings

    def unencrypted_addresses(self) -> list[str]:
        """Name the addresses, a line each, to which tokens or messages would travel readable for others."""
        if self.pso_allow_http:
            return []
        addresses = {name: value for name, value in self if isinstance(value, AnyHttpUrl)}
        return [
            f"{name.upper()} is http:// to another machine, where everybody on the way can read along: "
            f"it takes https://, or set PSO_ALLOW_HTTP=1; see {DOCUMENTATION}"
            for name, value in addresses.items()
            if value.scheme == "http" and not is_this_machine(value.host or "")
        ]

    @cached_property
    def platform_address(self) -> str:
        """The base address of the API, without a slash at its end."""
        return str(self.mews_platform_address).rstrip("/")

    @cached_property
    def is_ducklake(self) -> bool:
        """Whether orders land in a DuckLake catalogue instead of a DuckDB file."""
        return self.pso_warehouse.startswith(DUCKLAKE_PREFIX)


def is_this_machine(host: str) -> bool:
    """Whether a host of an address is this machine: `localhost` or a loopback address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _describe(settings: type[_Read], location: tuple[int | str, ...], kind: str) -> str:
    name = str(location[0])
    takes = settings.model_fields[name].description
    problem = "is not set" if kind == "missing" else "is not valid"
    return f"{name.upper()} {problem}: it takes {takes}; see {DOCUMENTATION}"
