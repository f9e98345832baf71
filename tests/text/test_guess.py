from __future__ import annotations

import pytest

from seqweave.config import Units
from seqweave.data.builtin import date_pairs
from seqweave.text.tokenizers import guess_units

SAMPLES: dict[str, tuple[Units, list[str]]] = {
    "letters": ("char", ["aberration", "zebra", "cat", "o'neill"] * 50),
    "phones": ("space", ["AE B ER EY SH AH N", "Z IY B R AH", "K AE T", "OW N IY L"] * 50),
    "commands": ("space", ["jump twice", "walk and run left", "jump", "look around right thrice"] * 50),
    "actions": ("space", ["I_JUMP I_JUMP", "I_WALK I_TURN_LEFT I_RUN", "I_JUMP"] * 50),
    "sentences": ("subword", [f"Two young man{i} are standing near the house{i % 70}." for i in range(300)]),
    "Korean sentences": ("subword", [f"나는 오늘 학교{i}에 친구와 함께 걸어서 {i % 9}번 갔다." for i in range(300)]),
    "Korean words": ("char", ["가다", "먹었다", "아름다운", "하늘"] * 50),
    "names": ("char", [f"Anna{i} Maria{i * 7}" for i in range(300)]),
    "Chinese": ("char", ["今天天气很好我们去公园散步吧。", "他昨天买了一本书。"] * 50),
    "Japanese": ("char", ["今日は天気がいいので公園を散歩しましょう。", "本を買った。"] * 50),
    "dates": ("char", [source for source, _ in date_pairs(400, 1)]),
    "ISO dates": ("char", [target for _, target in date_pairs(400, 1)]),
    "nothing": ("char", []),
    "blank texts": ("char", ["", "  "]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_guess(name: str) -> None:
    expected, texts = SAMPLES[name]
    units, reason = guess_units(texts, "source")
    assert units == expected, reason
    assert reason
    assert not reason.endswith(".")


def test_the_reason_names_the_figures() -> None:
    assert guess_units(SAMPLES["commands"][1], "source")[1] == "10 distinct items separated by blanks"
    assert guess_units([], "target")[1] == "the target sample has no text"
