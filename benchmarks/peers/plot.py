"""The plot for the README: CPU per case at 32 in flight, one bar per peer, a logarithmic scale.

Bars on a logarithmic scale have no natural foot. Theirs is the left edge, at a power of ten below the smallest value;
what is to be read is where they end, and the number beside it. The line through an end goes from the lowest to the
highest round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from benchmarks.peers.figures import Data

WIDTH, LEFT, RIGHT = 760, 190, 150
TOP, ROW, GAP, BOTTOM = 64, 24, 34, 44
INK, SOFT, PAPER = "#1f2328", "#656d76", "#ffffff"
OURS, LIMIT, OTHERS = "#0969da", "#8c959f", "#c9d1d9"
TITLE = "CPU per governed case, client and database server, 32 cases in flight"

Scale = Callable[[float], float]
"""Milliseconds -> where they lie, in pixels."""


def as_svg(run: Data) -> str:
    rows: Sequence[Data] = [row for row in run["rows"] if "many" in row["loads"]]
    if not rows:
        raise ValueError("There is nothing to plot: no peer has come so far.")
    databases = list(dict.fromkeys(row["database"] for row in rows))
    low = math.floor(math.log10(min(row["loads"]["many"]["cpu_ms"][1] for row in rows)))
    high = math.ceil(math.log10(max(row["loads"]["many"]["cpu_ms"][2] for row in rows)))
    bottom = TOP + ROW * len(rows) + GAP * len(databases)
    height = bottom + BOTTOM

    def x(value: float) -> float:
        share = (math.log10(value) - low) / max(high - low, 1)
        return LEFT + max(share, 0.0) * (WIDTH - LEFT - RIGHT)

    parts = [_text(16, 26, TITLE, size=15, weight="600"), _text(16, 46, "milliseconds, logarithmic", fill=SOFT)]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{bottom}" stroke="#eaeef2"/>')
        parts.append(_text(at, bottom + 18, f"{10.0**power:g}", fill=SOFT, anchor="middle"))
    y = float(TOP)
    for database in databases:
        y += GAP
        parts.append(_text(16, y - 10, database, weight="600"))
        for row in (one for one in rows if one["database"] == database):
            parts += _bar(row, x, y)
            y += ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="13">\n<title>{escape(TITLE)}</title>\n'
        f"<desc>{escape('; '.join(_said(row) for row in rows))}</desc>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(row: Data, x: Scale, y: float) -> list[str]:
    middle, low, high = row["loads"]["many"]["cpu_ms"]
    fill = {"interlock": OURS, "raw": LIMIT}.get(row["adapter"], OTHERS)
    end, line = x(middle), y + ROW / 2 - 3
    return [
        _text(LEFT - 8, y + 13, row["title"], anchor="end", weight="600" if row["adapter"] == "interlock" else "400"),
        f'<rect class="bar" x="{LEFT}" y="{y:.1f}" width="{end - LEFT:.1f}" height="{ROW - 6}" rx="2" fill="{fill}"/>',
        f'<line x1="{x(low):.1f}" y1="{line:.1f}" x2="{x(high):.1f}" y2="{line:.1f}" stroke="{INK}"/>',
        _text(max(end, x(high)) + 6, y + 13, f"{middle:.2f} ms"),
    ]


def _said(row: Data) -> str:
    return f"{row['title']} on {row['database']}: {row['loads']['many']['cpu_ms'][0]:.2f} ms"


def _text(
    x: float, y: float, text: str, *, size: int = 13, fill: str = INK, anchor: str = "start", weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{fill}">{escape(text)}</text>'
    )
