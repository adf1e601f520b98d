"""Tests that press the buttons of Dagster's web UI, in a real browser, on a real web server."""
