"""The colours of both themes, by what they are for; and which text stands on which of them. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DARK: Mapping[str, str] = MappingProxyType(
    {
        # surfaces, from the photo's surround outwards; neutral, so that the eye judges colour truly
        "window": "#1b1b1b",
        "panel": "#232323",
        "field": "#2e2e2e",  # what is typed into or chosen from
        "field_hover": "#323232",
        "control": "#2e2e2e",  # what is pressed
        "control_hover": "#393939",
        "control_pressed": "#434343",
        "line": "#303030",  # the rare hairline between surfaces
        "groove": "#343434",  # behind progress and sliders
        "scroll": "#4d4d4d",
        "scroll_hover": "#6a6a6a",
        "tooltip": "#393939",
        # text
        "text": "#e6e6e6",
        "secondary": "#9a9a9a",
        "disabled": "#6a6a6a",
        # the one colour for action
        "accent": "#6ea8fe",
        "accent_hover": "#86b7ff",
        "accent_pressed": "#5c96ec",
        "accent_text": "#0f1620",
        "link": "#6ea8fe",
        "focus": "#6ea8fe",
        "selection": "#31507d",  # behind selected text and rows
        "selection_text": "#ffffff",
        # what went well, needs a look, went wrong
        "ok": "#8fc08f",
        "warning": "#e8a35c",
        "error": "#f28b7d",
        "problem": "#2b2b2b",  # the surface of an error's words
        # meanings that keep their colour everywhere
        "positive": "#4c9be8",
        "negative": "#e8934c",
        "actual": "#d8d8d8",
        # on top of a photo
        "chip": "#1b1b1b",
        "chip_text": "#ffffff",
    }
)

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "window": "#f2f2f2",
        "panel": "#fafafa",
        "field": "#e7e7e7",
        "field_hover": "#e0e0e0",
        "control": "#e7e7e7",
        "control_hover": "#dcdcdc",
        "control_pressed": "#d5d5d5",
        "line": "#e2e2e2",
        "groove": "#dcdcdc",
        "scroll": "#b4b4b4",
        "scroll_hover": "#8c8c8c",
        "tooltip": "#303030",
        "text": "#1b1b1b",
        "secondary": "#606060",
        "disabled": "#9c9c9c",
        "accent": "#1f5fbf",
        "accent_hover": "#2a6bcd",
        "accent_pressed": "#184f9f",
        "accent_text": "#ffffff",
        "link": "#1f5fbf",
        "focus": "#1f5fbf",
        "selection": "#c6dbf7",
        "selection_text": "#1b1b1b",
        "ok": "#2b6b2f",
        "warning": "#8f4a0c",
        "error": "#a8261c",
        "problem": "#efefef",
        "positive": "#1f6fbf",
        "negative": "#a85510",
        "actual": "#404040",
        "chip": "#1b1b1b",
        "chip_text": "#ffffff",
    }
)

TOOLTIP_TEXT = "#f2f2f2"  # tooltips are dark in both themes

PAIRS: tuple[tuple[str, str], ...] = (
    *((text, on) for text in ("text", "secondary", "ok", "warning", "error") for on in ("window", "panel")),
    *((text, on) for text in ("text", "secondary") for on in ("field", "field_hover", "control")),
    *((text, on) for text in ("text",) for on in ("control_hover", "control_pressed")),
    *((text, on) for text in ("text", "secondary", "error") for on in ("problem",)),
    *((meaning, "panel") for meaning in ("positive", "negative", "actual")),
    *((meaning, "window") for meaning in ("positive", "negative", "actual")),
    ("accent_text", "accent"),
    ("accent_text", "accent_hover"),
    ("accent_text", "accent_pressed"),
    ("link", "panel"),
    ("link", "window"),
    ("link", "field"),
    ("selection_text", "selection"),
    ("chip_text", "chip"),
)
"""(text token, surface token) that occur in the window; each must be readable in both themes."""


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two "#rrggbb" colours, 1..21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
