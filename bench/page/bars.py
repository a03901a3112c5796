"""Horizontal bars as an SVG file: shown where the Markdown page is shown, also in the dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 760, 190, 120
ROW, BAR, TITLE, GAP = 20, 13, 26, 14
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.t,.ours{font-weight:700;fill:#1f2328}"
    ".u{fill:#1f6feb}.s{fill:#9ec5fe}.f .u{fill:#57606a}.f .s{fill:#afb8c1}.f text{font-style:italic}"
    "@media(prefers-color-scheme:dark){text{fill:#9198a1}.t,.ours{fill:#f0f6fc}.s{fill:#1b4b91}.f .s{fill:#6e7681}}"
)


@dataclass(frozen=True)
class Bar:
    """`parts`: lengths that are put end to end; `kind`: "ours", "floor" or ""."""

    name: str
    parts: "tuple[float, ...]"
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Panel:
    title: str
    bars: "Sequence[Bar]"


def svg(panels: "Sequence[Panel]") -> str:
    """Each panel has a scale of its own."""
    height = sum(TITLE + ROW * len(panel.bars) + GAP for panel in panels)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
             f"<style>{STYLE}</style>"]  # fmt: skip
    top = 0
    for panel in panels:
        parts.append(f'<text class="t" x="0" y="{top + 16}">{escape(panel.title)}</text>')
        longest = max((sum(bar.parts) for bar in panel.bars), default=0) or 1
        for n, bar in enumerate(panel.bars):
            parts.append(_bar(bar, top + TITLE + n * ROW, (WIDTH - LEFT - RIGHT) / longest))
        top += TITLE + ROW * len(panel.bars) + GAP
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Bar, top: int, scale: float) -> str:
    name = ' class="ours"' if bar.kind == "ours" else ""
    found = ['<g class="f">' if bar.kind == "floor" else "<g>",
             f'<text{name} x="{LEFT - 8}" y="{top + 11}" text-anchor="end">{escape(bar.name)}</text>']  # fmt: skip
    at = float(LEFT)
    for part, colour in zip(bar.parts, "us", strict=False):
        found.append(f'<rect class="{colour}" x="{at:.1f}" y="{top}" width="{part * scale:.1f}" height="{BAR}"/>')
        at += part * scale
    found.append(f'<text{name} x="{at + 6:.1f}" y="{top + 11}">{escape(bar.label)}</text></g>')
    return "".join(found)
