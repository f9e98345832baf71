"""The special entries of every vocabulary, and how entries are shown to people.

Ids 0 to 3 are pad, unk, bos and eos in every vocabulary. Inside a vocabulary they are stored under
`ENTRIES`, names with a blank before the `>`: no item of text, in any kind of unit, can have a blank
after another character, so `<eos>`, or even `<eos >`, in a text is ordinary text and needs no escaping.
"""

from __future__ import annotations

from tokenizers.pre_tokenizers import ByteLevel

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
"""Names of the specials, as shown to people."""
ENTRIES = ("<pad >", "<unk >", "<bos >", "<eos >")
"""Names of the specials inside a vocabulary."""
UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What an unknown item becomes in decoded text."""
BLANK_MARK = "\N{LOWER ONE EIGHTH BLOCK}"
"""How a blank is shown in the name of an item."""


def display_name(entry: str) -> str:
    """The name of an item for people: blanks are shown as a low block, so that they can be seen."""
    return entry.replace(" ", BLANK_MARK)


def byte_names() -> dict[str, str]:
    """From the characters that stand for bytes in byte-level entries to names for people.

    Printable ASCII is shown as itself, a blank as in `display_name`, other bytes as `<0xE4>`.
    """
    names = {}
    for value, entry in enumerate(byte_entries()):
        printable = 0x21 <= value <= 0x7E
        names[entry] = chr(value) if printable else BLANK_MARK if value == 0x20 else f"<0x{value:02X}>"
    return names


def byte_entries() -> list[str]:
    """The 256 characters that stand for bytes, in the order of the bytes (the table of GPT-2).

    Printable Latin-1 characters stand for their own byte; the others, in order, for U+0100 and up.
    """
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    entries = [chr(value if value in own else next(others)) for value in range(256)]
    assert sorted(entries) == sorted(ByteLevel.alphabet())
    return entries
