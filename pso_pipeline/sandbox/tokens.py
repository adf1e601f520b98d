"""Tokens of the sandbox: made from the seed, in the form of real ones, worth nothing anywhere else."""

import hashlib


def client_token(seed: int = 0) -> str:
    """Token of the one client application that a generated world knows."""
    return _token(f"client {seed}")


def portfolio_token(seed: int = 0) -> str:
    """Access token that reaches every enterprise of a generated world."""
    return _token(f"portfolio {seed}")


def enterprise_token(number: int, seed: int = 0) -> str:
    """Access token that reaches only the enterprise of this number (0 is the first)."""
    return _token(f"enterprise {number} {seed}")


def _token(purpose: str) -> str:
    digits = hashlib.sha256(f"pso sandbox token: {purpose}".encode()).hexdigest().upper()
    return f"{digits[:32]}-{digits[32:63]}"
