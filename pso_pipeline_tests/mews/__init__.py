"""Tests of the API client, over real HTTP on loopback."""
