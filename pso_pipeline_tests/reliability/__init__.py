"""Tests of refreshes that are killed, compete or fail, with real processes and real HTTP."""
