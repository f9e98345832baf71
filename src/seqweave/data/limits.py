"""Which pairs have too many items to be trained on, or none."""

from __future__ import annotations


def unusable(source_items: int, target_items: int, max_source_length: int, max_target_length: int) -> str | None:
    """Why a pair with so many items is left out of training, or None: the first that applies, source first.

    `source_without_items`, `source_too_long`, `target_without_items`, `target_too_long`.
    """
    for side, items, most in (("source", source_items, max_source_length), ("target", target_items, max_target_length)):
        if items == 0:
            return f"{side}_without_items"
        if items > most:
            return f"{side}_too_long"
    return None
