"""Attention as a matplotlib plot.

Draws on axes it is given, or on a new figure outside pyplot; never sets a global style, saves or
shows. Matplotlib is imported when something is drawn, so that importing seqweave stays quick.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seqweave.inspection.labels import check_shape, label_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Parts of the names of fonts with Hangul, Han or kana, the likeliest first.
CJK_FONTS = (
    "cjk kr", "noto sans kr", "nanumgothic", "malgun", "apple sd gothic", "nanum", "cjk", "han sans", "pingfang",
    "yahei", "hiragino", "yu gothic", "meiryo", "wenquanyi", "wqy", "simhei", "unifont", "unicode", "noto sans",
)  # fmt: skip


def plot_attention(
    weights: NDArray[np.floating], source_tokens: Sequence[str], target_tokens: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Draw attention weights (T, S), in 0 to 1, and return the axes.

    Source tokens run along the top, target tokens down the side. Save it with
    `axes.figure.savefig(...)`. Warns when no installed font has a character of the tokens.

    Raises:
        DataError: when the shape of `weights` is not (len(target_tokens), len(source_tokens)).
    """
    check_shape(weights.shape, len(source_tokens), len(target_tokens))
    columns, rows = [label_of(token) for token in source_tokens], [label_of(token) for token in target_tokens]
    if ax is None:
        from matplotlib.figure import Figure

        size = (1.8 + 0.38 * len(columns), 1.4 + 0.34 * len(rows))  # inches
        ax = Figure(figsize=size, layout="constrained").add_subplot()
    families = _font_families("".join(columns + rows))
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    ax.set_xticks(range(len(columns)), columns, fontfamily=families)
    ax.set_yticks(range(len(rows)), rows, fontfamily=families)
    ax.xaxis.tick_top()  # before the labels are turned: those at the top are others
    for tick in ax.get_xticklabels():
        if len(tick.get_text()) > 2:  # short ones are easier to read upright
            tick.set_rotation(90)
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0)
    ax.set_xlabel("source")
    ax.set_ylabel("target")
    return ax


def _font_families(text: str) -> list[str]:
    """Families that together have the characters of `text`, matplotlib's own first; warns of what is missing."""
    from matplotlib import font_manager, rcParams

    own = font_manager.findfont(font_manager.FontProperties())
    families = list(rcParams["font.family"])
    missing = _missing(own, set(text))
    for family, path in _candidates() if missing else ():
        rest = _missing(path, missing)
        if len(rest) < len(missing):
            families.append(family)
            missing = rest
        if not missing:
            break
    if missing:
        shown = " ".join(sorted(missing)[:10])
        warnings.warn(
            f"no installed font has glyphs for {shown} ({len(missing)} characters), so the plot shows boxes for them; "
            "install a font which has them, such as Noto Sans CJK (package fonts-noto-cjk)",
            stacklevel=3,
        )
    return families


def _missing(path: str, characters: Iterable[str]) -> set[str]:
    from matplotlib.font_manager import get_font

    font = get_font(path)
    return {character for character in characters if not font.get_char_index(ord(character))}


def _candidates() -> list[tuple[str, str]]:
    """(family, file) of installed regular fonts whose name is in `CJK_FONTS`, the likeliest first."""
    from matplotlib.font_manager import fontManager

    ranked: dict[str, tuple[int, str]] = {}
    for entry in fontManager.ttflist:
        name = entry.name.lower()
        rank = next((rank for rank, part in enumerate(CJK_FONTS) if part in name), None)
        if rank is not None and entry.style == "normal" and entry.weight in (400, "normal", "regular"):
            ranked.setdefault(entry.name, (rank, entry.fname))
    return [(family, path) for family, (_, path) in sorted(ranked.items(), key=lambda item: (item[1][0], item[0]))]
