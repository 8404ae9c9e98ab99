"""The look in one place: colours of both themes for Streamlit and for the figures, type, spacing. No Streamlit here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

#: Fonts that every system has and that draw Vietnamese without falling back letter by letter.
FONT: Final = (
    "-apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'DejaVu Sans', "
    "'Helvetica Neue', Arial, sans-serif"
)
CODE_FONT: Final = "ui-monospace, 'Cascadia Mono', 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme. `series` is safe for the three common kinds of colour blindness (after Okabe and Ito),
    darkened on light ground so that a thin line keeps a contrast of at least 3 to 1."""

    ground: str
    raised: str
    sidebar: str
    border: str
    grid: str
    ink: str
    soft_ink: str
    accent: str
    good: str
    warning: str
    bad: str
    shade: str
    series: tuple[str, ...]
    ramp: tuple[str, ...]


LIGHT: Final = Palette(
    ground="#ffffff",
    raised="#f5f7fa",
    sidebar="#f5f7fa",
    border="#dfe4ea",
    grid="#e9edf1",
    ink="#1b2733",
    soft_ink="#5a6776",
    accent="#0b6e8a",
    good="#1a7f4e",
    warning="#a86200",
    bad="#c0392b",
    shade="rgba(11,110,138,.12)",
    series=("#0072b2", "#d55e00", "#008f68", "#b0528c", "#9a7400", "#3b8fc4", "#5a6776", "#7a3fb0"),
    ramp=("#f3f8fa", "#cfe3ea", "#9fcad8", "#62a9bf", "#2b86a2", "#0b6e8a", "#08495c"),
)
DARK: Final = Palette(
    ground="#11171d",
    raised="#1a222b",
    sidebar="#161d25",
    border="#2c3845",
    grid="#242e39",
    ink="#e6ebf0",
    soft_ink="#9aa7b4",
    accent="#4fb3cf",
    good="#4cc38a",
    warning="#e0a040",
    bad="#ff7b6b",
    shade="rgba(79,179,207,.16)",
    series=("#56b4e9", "#f0894a", "#3fc79a", "#dd8fbf", "#e6c229", "#8fb8de", "#9aa7b4", "#b48ee6"),
    ramp=("#1a222b", "#1a2f3a", "#1c3f4d", "#205264", "#24677d", "#2a7d97", "#3193b0"),
)


def palette(is_dark: bool) -> Palette:
    return DARK if is_dark else LIGHT


def streamlit_options() -> dict[str, Any]:
    """The theme as Streamlit options; whoever serves the screens sets them before start."""
    options: dict[str, Any] = {
        "theme.font": FONT,
        "theme.headingFont": FONT,
        "theme.codeFont": CODE_FONT,
        "theme.baseFontSize": 14,
        "theme.baseRadius": "6px",
        "theme.buttonRadius": "6px",
        "theme.headingFontSizes": ["1.6rem", "1.2rem", "1.02rem", "1rem", "0.9rem", "0.85rem"],
        "theme.headingFontWeights": [600, 600, 600, 600, 600, 600],
        "theme.metricValueFontSize": "1.5rem",
        "theme.metricValueFontWeight": 600,
        "theme.showWidgetBorder": True,
        "theme.showSidebarBorder": True,
        "theme.paddingTop": "1.5rem",
        "theme.paddingBottom": "3rem",
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        options |= _theme_options(f"theme.{name}", colours)
    return options


def _theme_options(section: str, colours: Palette) -> dict[str, Any]:
    return {
        f"{section}.primaryColor": colours.accent,
        f"{section}.backgroundColor": colours.ground,
        f"{section}.secondaryBackgroundColor": colours.raised,
        f"{section}.textColor": colours.ink,
        f"{section}.linkColor": colours.accent,
        f"{section}.borderColor": colours.border,
        f"{section}.dataframeBorderColor": colours.border,
        f"{section}.dataframeHeaderBackgroundColor": colours.raised,
        f"{section}.greenColor": colours.good,
        f"{section}.orangeColor": colours.warning,
        f"{section}.redColor": colours.bad,
        f"{section}.chartCategoricalColors": list(colours.series),
        f"{section}.sidebar.backgroundColor": colours.sidebar,
        f"{section}.sidebar.secondaryBackgroundColor": colours.ground,
    }
