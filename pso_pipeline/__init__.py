"""Mews product service orders, from the Connector API to a BI snapshot, run by Dagster."""

__version__ = "0.1.0"
