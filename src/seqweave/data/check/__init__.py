"""What is in a file of pairs, and what is wrong with it, before a model is trained on it.

`check_data` passes over each file once, and a few times more where it must learn a vocabulary to count items. Texts
are not kept: a text is its 64-bit BLAKE2b hash, so with n pairs the chance that two different texts are taken for the
same is about n^2 / 2^65 (one in a million for 5 million pairs), and memory is about 100 bytes per usable pair.

- `reasons.py`: each kind of dropped record in words, with the command that mends it;
- `over_long.py`: what `train` would leave out as too long;
- `looks.py`: the list of looks, each of which may become a `Concern`; a new one is a small class and its place there;
- `measures.py`: lengths, repeats, and what files share.
"""

from __future__ import annotations

from seqweave.data.check.result import Concern, Conflict, DataCheck, FeatureColumn, Leakage, LeftOut, Lengths
from seqweave.data.check.run import check_data

__all__ = ["Concern", "Conflict", "DataCheck", "FeatureColumn", "Leakage", "LeftOut", "Lengths", "check_data"]
