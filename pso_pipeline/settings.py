"""This module reads the settings from environment variables and `.env`, and validates them.

Add a setting here with its default and a description of its values, and a row in `docs/configuration.md`. What a
setting does belongs to the module that uses it. This module opens no file except `.env` and no connection. It can be
imported without any setting, so that the code location always loads.
"""

import ipaddress
import re
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, Field, RedisDsn, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pso_pipeline import __version__
from pso_pipeline.environment import ENV_FILE, restore, unreadable_file

OptionalEndpoint = Literal["order_items", "products"]

_PAGES = Path(__file__).with_name("docs")
DUCKLAKE_PREFIX = "ducklake:"

_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*[KMGT]i?B", re.IGNORECASE)


def page(name: str) -> str:
    """Return where a page of the documentation is: in the installed package, or in `docs/` of the checkout."""
    installed = _PAGES / name
    return str(installed) if installed.exists() else f"docs/{name}"


DOCUMENTATION = page("configuration.md")


class SettingsError(Exception):
    """Settings are missing or malformed; the message is one line and contains no value.

    `problems` has one line for each setting, without the page that explains them. `is_missing` is true if one is not
    set.
    """

    def __init__(self, *problems: str, is_missing: bool = False) -> None:
        self.problems = problems
        self.is_missing = is_missing
        super().__init__(f"{'; '.join(problems)}; see {DOCUMENTATION}")


class _Environment(BaseSettings):
    """Settings from environment variables, then from `.env`; an empty variable counts as not set in both."""

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
        """Read the environment, and `.env` if it is readable."""
        restore()
        return cls(_env_file=None) if unreadable_file() else cls()

    @classmethod
    def load(cls) -> Self:
        """Read and validate the settings.

        Raises:
            SettingsError: A variable is missing or malformed.
        """
        try:
            return cls.read()
        except ValidationError as error:
            found = error.errors()
            problems = dict.fromkeys(cls._describe(str(problem["loc"][0]), problem["type"]) for problem in found)
            is_missing = any(problem["type"] == "missing" for problem in found)
            raise SettingsError(*problems, is_missing=is_missing) from None

    @classmethod
    def _describe(cls, name: str, kind: str) -> str:
        problem = "is not set" if kind == "missing" else "is not valid"
        return f"{name.upper()} {problem}: it takes {cls.model_fields[name].description}"


class Secrets(_Environment):
    """The settings that logs must mask; they can be read even if other settings are malformed."""

    mews_client_token: str = Field(default="", repr=False)
    mews_access_tokens: str = Field(default="", repr=False)
    pso_alert_webhook: str = Field(default="", repr=False)
    pso_heartbeat_url: str = Field(default="", repr=False)
    pso_limiter: str = Field(default="", repr=False)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The client token and the access tokens."""
        return tuple(filter(None, map(str.strip, (self.mews_client_token, *self.mews_access_tokens.split(",")))))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that are secrets: everybody who knows one can send to it, or it can contain a password."""
        return tuple(filter(None, map(str.strip, (self.pso_alert_webhook, self.pso_heartbeat_url, self.pso_limiter))))


class MemorySettings(_Environment):
    """The memory limit of DuckDB, for callers that need no other setting."""

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
        """The limit in DuckDB's notation."""
        return self.pso_memory_limit.strip()


class ShardSettings(_Environment):
    """How a refresh is divided into runs, for callers that need no other setting."""

    pso_sharded: bool = Field(
        default=False,
        description="1 if a refresh is divided into runs that several machines execute (see docs/scaling.md), or 0",
    )
    pso_hotel_ranges: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="into how many ranges of hotels the metrics are divided if PSO_SHARDED is 1, from 1 to 1000",
    )
    pso_silent_seconds: float = Field(
        default=300,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="the seconds without a sign of life after which a run of another machine is ended, at most 86400",
    )


class Timetable(_Environment):
    """The times of the schedules and the interval between two polls for changes.

    The code location reads these settings while it loads, so they are separate from `Settings`, which requires tokens.
    All are plain texts, so that reading them cannot fail; `orchestration/timetable.py` validates them.
    """

    pso_refresh_cron: str = Field(default="0 * * * *", description="when all hotels are refreshed: a cron line, or off")
    pso_look_back_cron: str = Field(
        default="30 2 * * *", description="when the last days are read again: a cron line, or off"
    )
    pso_resync_cron: str = Field(
        default="30 3 * * 0", description="when all history is read again: a cron line, or off"
    )
    pso_housekeeping_cron: str = Field(
        default="15 4 * * *", description="when logs of old runs are removed: a cron line, or off"
    )
    pso_maintenance_cron: str = Field(
        default="45 4 * * *", description="when the files of a DuckLake are joined and removed: a cron line, or off"
    )
    pso_digest_cron: str = Field(
        default="off",
        description="when what changed is posted to PSO_ALERT_WEBHOOK: a cron line like 0 7 * * 1, or off",
    )
    pso_time_zone: str = Field(default="UTC", description="the IANA time zone of the schedules, like Europe/Prague")
    pso_updates_seconds: str = Field(
        default="30", description="the seconds between two polls for changes, a whole number from 5 to 86400"
    )


class LocalSettings(MemorySettings):
    """The settings of what is on this machine, for commands that do not use the API."""

    pso_warehouse: str = Field(
        default="data/warehouse.duckdb",
        min_length=1,
        # the address of a catalog can contain a password
        repr=False,
        description="a path to a DuckDB file, without ? in its whole path, or ducklake:… with the catalog's address",
    )
    pso_warehouse_data: str | None = Field(
        default=None,
        min_length=1,
        description="where the Parquet files of a DuckLake go: a path that every machine has, or s3://bucket/prefix",
    )
    pso_bi_dir: Path = Field(
        default=Path("data/bi"),
        description="a folder in which the BI snapshot is published, without ? in its whole path; s3:// is none",
    )
    dagster_home: Path = Field(
        default=Path("data/dagster"),
        description="a folder for Dagster's own storage, with neither ? nor % in its whole path",
    )
    pso_stale_after_hours: float = Field(
        default=3,
        gt=0,
        le=8_760,
        allow_inf_nan=False,
        description="the hours after which a hotel is stale, more than 0, at most 8760 (a year)",
    )
    pso_keep_runs_days: int = Field(
        default=14, ge=1, le=3_650, description="the days that logs of runs are kept, a whole number from 1 to 3650"
    )
    pso_keep_snapshots_days: int = Field(
        default=7, ge=1, le=3_650, description="the days that snapshots of a DuckLake are kept, from 1 to 3650"
    )

    @field_validator("pso_warehouse", "pso_bi_dir")
    @classmethod
    def _is_a_path_for_duckdb(cls, value: str | Path) -> str | Path:
        # DuckDB inserts ".wal" before a question mark in the path, so it does not find its own log again
        if not str(value).startswith(DUCKLAKE_PREFIX) and "?" in str(Path(value).absolute()):
            raise ValueError("a path without ?")
        return value

    @field_validator("pso_bi_dir", mode="before")
    @classmethod
    def _is_a_folder(cls, value: object) -> object:
        if re.match(r"[a-z][a-z0-9]+://", str(value), re.IGNORECASE):
            raise ValueError("a folder, not an address")
        return value

    @field_validator("pso_warehouse_data")
    @classmethod
    def _is_a_place_for_files(cls, value: str | None) -> str | None:
        if value and "://" in value and not is_object_storage(value):
            raise ValueError("a path or s3://")
        return value

    @field_validator("dagster_home")
    @classmethod
    def _is_a_path_for_sqlite(cls, value: Path) -> Path:
        # Dagster puts the path unquoted into the URLs of its SQLite files
        if {"?", "%"} & set(str(value.absolute())):
            raise ValueError("a path without ? and %")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read and validate the settings.

        Raises:
            SettingsError: `.env` is unreadable, or a variable is malformed.
        """
        if problem := unreadable_file():
            raise SettingsError(problem)
        settings = super().load()
        if is_in_postgres(settings.pso_warehouse) and not settings.pso_warehouse_data:
            raise SettingsError(
                "PSO_WAREHOUSE_DATA is not set, and PSO_WAREHOUSE is a DuckLake with its catalog in PostgreSQL: it "
                f"takes {cls.model_fields['pso_warehouse_data'].description}"
            )
        return settings


class Settings(LocalSettings, ShardSettings):
    """All settings of the pipeline; get them from `Settings.load()`."""

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
    pso_limiter: SecretStr | None = Field(
        default=None,
        description="postgres: with libpq's keywords or an address, or redis://… or rediss://…",
    )
    pso_overlap_minutes: float = Field(
        default=10,
        ge=0,
        le=43_200,
        allow_inf_nan=False,
        description="the minutes before the watermark that each refresh reads again, from 0 to 43200 (30 days)",
    )
    pso_look_back_days: float = Field(
        default=3,
        ge=0,
        le=80,
        allow_inf_nan=False,
        description="the days that the nightly look-back reads again, from 0 to 80",
    )
    pso_alert_webhook: AnyHttpUrl | None = Field(
        default=None,
        # everybody who knows the address of a webhook can post to it
        repr=False,
        description="an address to which messages about failing and recovered hotels are posted",
    )
    pso_heartbeat_url: AnyHttpUrl | None = Field(
        default=None,
        # everybody who knows the address can send a heartbeat
        repr=False,
        description="an address that is fetched after each successful publication",
    )
    pso_allow_http: bool = Field(
        default=False, description="1 if addresses of other machines may be http://, which is not encrypted"
    )
    pso_keep_personal_data: Literal["pseudonyms", "plain"] = Field(
        default="pseudonyms",
        description="pseudonyms (account ids leave the warehouse only as a keyed hash) or plain",
    )
    pso_resync_max_missing_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a share from 0 to 1: the largest part of a hotel's orders that a full resync may mark as missing",
    )
    pso_scope_max_lost_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a share from 0 to 1: the largest part of a token's hotels or services that one listing may drop",
    )
    pso_all_companions_environments: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="accommodation environment codes whose online check-in needs all companions, separated by commas",
    )

    pso_endpoints: Annotated[tuple[OptionalEndpoint, ...] | None, NoDecode] = Field(
        default=None,
        description="what is read beside product service orders, separated by commas: order_items, products, or none",
    )
    pso_order_item_types: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="types of order items that are kept beside those of products, separated by commas, like SpaceOrder",
    )

    @field_validator("pso_endpoints", mode="before")
    @classmethod
    def _split_endpoints(cls, value: object) -> object:
        names = cls._split(value)
        if not isinstance(names, tuple):
            return names
        return tuple(name for name in names if name not in {"none", "product_service_orders"})

    @field_validator("pso_all_companions_environments", "pso_order_item_types", "mews_access_tokens", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @field_validator("pso_all_companions_environments")
    @classmethod
    def _to_upper_case(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(code.upper() for code in codes))

    @field_validator("mews_client_token", mode="before")
    @classmethod
    def _strip_token(cls, value: object) -> object:
        return value.strip() if isinstance(value, str) else value

    @field_validator("pso_limiter")
    @classmethod
    def _is_a_limiter_store(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        location = value.get_secret_value().strip()
        if is_redis(location):
            TypeAdapter(RedisDsn).validate_python(location)
        elif not libpq_conninfo(location):
            raise ValueError("a store of the limiter")
        elif find_spec("psycopg"):
            from psycopg import ProgrammingError  # noqa: PLC0415 - its package is optional
            from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - its package is optional

            try:
                conninfo_to_dict(libpq_conninfo(location))
            except ProgrammingError:
                raise ValueError("libpq's keywords or an address") from None
        return SecretStr(location)

    @field_validator("mews_platform_address")
    @classmethod
    def _is_a_base(cls, value: AnyHttpUrl) -> AnyHttpUrl:
        if value.username or value.password or value.query or value.fragment:
            raise ValueError("an address without user, query and fragment")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read and validate the settings.

        Raises:
            SettingsError: `.env` is unreadable, or a variable is missing or malformed.
        """
        settings = super().load()
        if problems := [*settings.unencrypted_addresses(), *settings.missing_packages()]:
            raise SettingsError(*problems)
        return settings

    def unencrypted_addresses(self) -> list[str]:
        """Describe in one line each the addresses to which tokens or messages would be sent unencrypted."""
        if self.pso_allow_http:
            return []
        return [
            f"{name.upper()} is http:// to another machine, which is not encrypted: "
            "use https://, or set PSO_ALLOW_HTTP=1"
            for name, value in self
            if isinstance(value, AnyHttpUrl) and value.scheme == "http" and not is_this_machine(value.host or "")
        ]

    def missing_packages(self) -> list[str]:
        """Describe in one line the optional package that a setting needs and that is not installed."""
        if self.pso_limiter is None:
            return []
        package = "redis" if is_redis(self.pso_limiter.get_secret_value()) else "psycopg"
        if find_spec(package):
            return []
        return [f"PSO_LIMITER needs the package {package}: pip install 'pso-pipeline[distributed]'"]

    @cached_property
    def platform_address(self) -> str:
        """The base address of the API, without a trailing slash."""
        return str(self.mews_platform_address).rstrip("/")


def is_in_postgres(warehouse: str) -> bool:
    """Return whether a warehouse is a DuckLake whose catalog is in PostgreSQL."""
    return warehouse.startswith(f"{DUCKLAKE_PREFIX}postgres:")


def is_object_storage(place: str) -> bool:
    """Return whether a place is in an object storage, `s3://…`, and not a path."""
    return place.startswith("s3://")


def is_redis(location: str) -> bool:
    """Return whether a location is the address of a Redis server."""
    return location.startswith(("redis:", "rediss:"))


def libpq_conninfo(location: str) -> str:
    """Return the keywords or the address that a location has for libpq; empty if it is not one in PostgreSQL."""
    if location.startswith(("postgres://", "postgresql://")):
        return location
    kind, _, conninfo = location.partition(":")
    return conninfo.strip() if kind == "postgres" else ""


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine: `localhost` or a loopback address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
