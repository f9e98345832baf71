"""How texts are written: scripts without blanks between words, and texts that were cut into words beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from seqweave.text.writing import Writing, WritingCounter

UNSPACED = {
    "Chinese": ["请给我第二百四十二号的东西，谢谢。", "我今天在图书馆看书。"],
    "Chinese with blanks between phrases": ["我不知道该怎么办 你说呢", "别担心 明天会更好的"],
    "Chinese with Latin names": ["我用 iPhone 打电话给 Alice。", "她在 Google 工作，住在北京。"],
    "Japanese": ["私は昨日、図書館で本を読みました。", "ありがとうございます。"],
    "half-width kana": ["ｱﾘｶﾞﾄｳｺﾞｻﾞｲﾏｽ"],
    "Thai": ["ฉันชอบกินข้าวผัดมาก", "พรุ่งนี้เราจะไปทะเลกัน เธอจะไปด้วยไหม"],
    "Lao": ["ຂ້ອຍມັກກິນເຂົ້າຫຼາຍ", "ມື້ອື່ນພວກເຮົາຈະໄປຕະຫຼາດ"],
    "Khmer": ["ខ្ញុំចូលចិត្តញ៉ាំបាយ", "ថ្ងៃស្អែកយើងនឹងទៅផ្សារ"],
    "Burmese": ["ကျွန်တော်ထမင်းစားချင်တယ်", "မနက်ဖြန်ဈေးကိုသွားမယ်။"],
    "one word each": ["猫", "狗", "鸟"],
    "rare Han": ["\U00020000\U00020001\U00020002"],
}
SPACED = {
    "English": ["I would like to have number two, please."],
    "Korean": ["나는 어제 도서관에서 책을 읽었다.", "감사합니다."],
    "Korean with some Han": ["나는 漢字를 조금 배웠다, 그래서 읽을 수 있다."],
    "Hindi": ["मैं कल पुस्तकालय गया था।"],
    "Arabic": ["ذهبت إلى المكتبة أمس"],
    "Chinese, cut into words": ["我 今天 在 图书馆 看 书 。", "请 给 我 第二 号"],
    "Japanese, cut into words": ["私 は 昨日 、 図書館 で 本 を 読み まし た"],
    "kana, cut into sounds": ["コ ン ニ チ ワ", "サ ヨ ナ ラ"],
    "Thai, cut into words": ["ฉัน ชอบ กิน ข้าว ผัด มาก", "พรุ่งนี้ เรา จะ ไป ทะเล กัน"],
    "English with a Chinese name": ["She was born in Beijing (北京) and went to school there."],
    "digits": ["1999-12-31", "20:15"],
    "nothing": ["", " "],
}


def writing_of(texts: Sequence[str]) -> Writing:
    counter = WritingCounter()
    for text in texts:
        counter.add(text)
    return counter.found()


@pytest.mark.parametrize("name", UNSPACED)
def test_words_without_blanks_are_found(name: str) -> None:
    found = writing_of(UNSPACED[name])
    assert found.is_unspaced
    assert found.is_chinese == (name.startswith(("Chinese", "one word", "rare Han")))


@pytest.mark.parametrize("name", SPACED)
def test_words_with_blanks_are_found(name: str) -> None:
    found = writing_of(SPACED[name])
    assert not found.is_unspaced
    assert not found.is_chinese


def test_counts_by_hand() -> None:
    # Letters: 我 用 打 电 话 of Han, the six of iPhone; a comma, digits and blanks are none. One blank between Han.
    assert writing_of(["我用 iPhone 13", "打 电话,"]) == Writing(11, {"Han": 5}, 1)
    assert writing_of(["ก้ไ", "\u3042ン一"]) == Writing(6, {"Thai": 3, "Kana": 2, "Han": 1}, 0)
    assert writing_of([]) == Writing(0, {}, 0)


def test_the_order_of_texts_decides_nothing() -> None:
    texts = [text for group in (*UNSPACED.values(), *SPACED.values()) for text in group]
    assert writing_of(texts) == writing_of(texts[::-1])


def test_scripts_are_named() -> None:
    assert writing_of(UNSPACED["Japanese"]).scripts == ["Kana", "Han"]
    assert writing_of(UNSPACED["Thai"]).scripts == ["Thai"]
    assert writing_of(SPACED["English"]).scripts == []
