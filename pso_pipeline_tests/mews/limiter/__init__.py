"""Tests of the rate limiter with each of its stores."""
