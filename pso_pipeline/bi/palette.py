"""The colours of figures in the report and in Superset: what is canceled has one colour everywhere.

The report takes each colour as a CSS variable of its name, light or dark; Superset has only light ones. The accents and
the series can be distinguished in every common form of colour blindness, and each has a contrast of 3:1 or more.
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ground": "#f4f5f6",
    "card": "#ffffff",
    "ink": "#1b2129",
    "muted": "#57606b",
    "line": "#dfe3e7",
    "shade": "#eef0f2",
    "accent": "#0b62a8",
    "canceled": "#c4560d",
    "neutral": "#b3bac2",
    "greyed": "#7d868f",
    "series-1": "#1b2129",
    "series-2": "#0072b2",
    "series-3": "#c4560d",
    "series-4": "#007a5e",
    "series-5": "#a3489a",
}
"""Colours on a light ground: surfaces, texts, and the marks of figures."""

DARK: Mapping[str, str] = {
    "ground": "#11151a",
    "card": "#1a2027",
    "ink": "#e9edf1",
    "muted": "#a6b0ba",
    "line": "#323a44",
    "shade": "#252c35",
    "accent": "#5fb0ee",
    "canceled": "#ef9350",
    "neutral": "#5d6773",
    "greyed": "#8b95a0",
    "series-1": "#e9edf1",
    "series-2": "#5fb0ee",
    "series-3": "#ef9350",
    "series-4": "#3ec39d",
    "series-5": "#d98fd0",
}
"""The same colours on a dark ground."""

OUTCOMES: Mapping[str, str] = {
    "Served": "accent",
    "Canceled": "canceled",
    "Unresolved": "greyed",
    "Still open": "neutral",
}
"""What became of an order, with the name of its colour; in the order in which figures stack them."""


def css_variables(colours: Mapping[str, str]) -> str:
    """Write colours as the declarations of CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
