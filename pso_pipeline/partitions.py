"""The one partitions definition: an enterprise (hotel) each, under its readable and permanent key."""

import warnings
from collections.abc import Collection

from dagster import BackfillPolicy, BetaWarning, DagsterInstance, DynamicPartitionsDefinition

# `backfill_policy` has been beta for years; a refresh of many partitions in one run needs it
warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function `asset`", category=BetaWarning)

ONE_RUN = BackfillPolicy.single_run()
"""A backfill of many enterprises is one run: starting a run costs seconds."""

ENTERPRISE_PARTITIONS = DynamicPartitionsDefinition(name="enterprise")
"""Keys are `mews.enterprises.partition_key`; none is ever taken away, so that history stays."""


def missing_partitions(instance: DagsterInstance, keys: Collection[str]) -> list[str]:
    """Tell which enterprises have no partition yet, in order."""
    known = set(instance.get_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name)))
    return sorted(set(keys) - known)


def add_partitions(instance: DagsterInstance, keys: Collection[str]) -> None:
    """Add a partition for each enterprise that has none yet."""
    if missing := missing_partitions(instance, keys):
        instance.add_dynamic_partitions(str(ENTERPRISE_PARTITIONS.name), missing)
