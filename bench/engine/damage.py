"""Ways to damage the settings and the weights of a network, as bytes: what a disk or a wrong hand may do."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

LENGTH = 8  # bytes of a safetensors file that say how long its header is
NUMBERS = (0, 1, 2, 3, 7, 8, 255, 2**16, 2**20, 2**20 + 1, 2**31, 2**32 - 1, 2**53, 2**53 + 1, 2**63, 2**64, 10**30)
OTHERS: tuple[Any, ...] = (*NUMBERS, -1, 1.5, 1e300, True, False, None, "", "x", "F32", [], {}, [[1]], {"a": [1]})

Damage = Callable[[bytes, random.Random], bytes]


def turned_bits(data: bytes, draw: random.Random) -> bytes:
    """Some bits are others."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8, 64])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def turned_bits_of_the_header(data: bytes, draw: random.Random) -> bytes:
    """The same in the header alone, or in how long it is."""
    end = LENGTH + int.from_bytes(data[:LENGTH], "little")
    begin = draw.choice([0, LENGTH])
    return data[:begin] + turned_bits(data[begin:end], draw) + data[end:]


def cut(data: bytes, draw: random.Random) -> bytes:
    """Only the beginning is there, or only the end."""
    place = draw.choice([draw.randrange(len(data)), draw.randrange(min(len(data), 40)), len(data) - 1])
    return data[:place] if draw.random() < 0.8 else data[place:]


def longer(data: bytes, draw: random.Random) -> bytes:
    """Something stands behind, before or between."""
    more = draw.randbytes(draw.choice([1, 4, 1000]))
    place = draw.choice([0, len(data), draw.randrange(len(data))])
    return data[:place] + more + data[place:]


def noise(data: bytes, draw: random.Random) -> bytes:
    """A part is something else."""
    begin = draw.randrange(len(data))
    size = min(draw.choice([1, 8, 64, 4096]), len(data) - begin)
    return data[:begin] + draw.randbytes(size) + data[begin + size :]


def other_header_length(data: bytes, draw: random.Random) -> bytes:
    """The header says that it is as long as it is not."""
    true = int.from_bytes(data[:LENGTH], "little")
    length = draw.choice([0, 1, true - 1, true + 1, len(data) - 8, len(data) - 7, 2**32, 2**63, 2**64 - 1, 2**64 - 8])
    return length.to_bytes(LENGTH, "little") + data[LENGTH:]


def deep(data: bytes, draw: random.Random) -> bytes:
    """The header is a list of lists of lists, or an object of objects."""
    levels = draw.choice([31, 32, 33, 1000, 100_000])
    text = draw.choice(["[" * levels, "[" * levels + "]" * levels, '{"a":' * levels, '{"a":[' * levels])
    return with_header(data, ('{"a":' + text + "}").encode())


def other_tensor(data: bytes, draw: random.Random) -> bytes:
    """A tensor has another shape, type or place, or another name."""
    header = json.loads(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])
    name = draw.choice([name for name in header if name != "__metadata__"])
    facts: dict[str, Any] = header[name]
    match draw.randrange(7):
        case 0:
            facts["shape"] = another_shape(facts["shape"], draw)
        case 1:
            facts["data_offsets"] = [draw.choice([*facts["data_offsets"], *OTHERS]) for _ in range(2)]
        case 2:
            facts[draw.choice(list(facts))] = draw.choice(OTHERS)
        case 3:
            del facts[draw.choice(list(facts))]
        case 4:
            header[draw.choice(list(header))] = header.pop(name)
        case 5:
            del header[name]
        case _:  # another shape that has its numbers, which are those of others
            facts["shape"] = another_shape(facts["shape"], draw)
            numbers = 4
            for size in facts["shape"]:
                numbers *= size if isinstance(size, int) else 1
            begin = draw.choice([0, facts["data_offsets"][0]])
            facts["data_offsets"] = [begin, begin + numbers]
    return with_header(data, json.dumps(header).encode())


def another_shape(shape: list[int], draw: random.Random) -> list[Any]:
    """One axis is another one, or more or fewer are there."""
    other: list[Any] = list(shape)
    match draw.randrange(5):
        case 0 if other:
            other[draw.randrange(len(other))] = draw.choice(OTHERS)
        case 1 if other:
            other[draw.randrange(len(other))] += draw.choice([-1, 1])
        case 2 if other:
            other.pop()
        case 3:
            other.reverse()
        case _:
            other += [1] * draw.randint(1, 6)
    return other


def with_header(data: bytes, header: bytes) -> bytes:
    """The same numbers behind another header."""
    end = LENGTH + int.from_bytes(data[:LENGTH], "little")
    return len(header).to_bytes(LENGTH, "little") + header + data[end:]


def other_setting(text: bytes, draw: random.Random) -> bytes:
    """Settings have other values, mostly of the same kind, or are not there."""
    settings: dict[str, Any] = json.loads(text)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        name = draw.choice(list(settings))
        value = settings[name]
        same_kind = [other for other in settings.values() if type(other) is type(value)]
        choices = draw.choice([same_kind, list(OTHERS), list(NUMBERS) if type(value) is int else same_kind])
        settings[name] = (not value) if isinstance(value, bool) and draw.random() < 0.5 else draw.choice(choices)
        if draw.random() < 0.1:
            del settings[name]
    return json.dumps(draw.choice([settings, {"model": settings}])).encode()


def deep_settings(text: bytes, draw: random.Random) -> bytes:
    """The settings are nested."""
    levels = draw.choice([1, 20, 40, 100_000])
    return draw.choice([b'{"model":', b"[", b'{"a":[']) * levels + text + draw.choice([b"", b"}" * levels])


OF_WEIGHTS: dict[str, Damage] = {
    "bits of weights": turned_bits,
    "bits of the header": turned_bits_of_the_header,
    "weights cut": cut,
    "weights longer": longer,
    "noise in weights": noise,
    "header's length": other_header_length,
    "deep header": deep,
    "other tensor": other_tensor,
}
OF_SETTINGS: dict[str, Damage] = {
    "bits of settings": turned_bits,
    "settings cut": cut,
    "settings longer": longer,
    "noise in settings": noise,
    "other setting": other_setting,
    "deep settings": deep_settings,
}


def damaged(settings: bytes, weights: bytes, draw: random.Random) -> tuple[str, bytes, bytes]:
    """What was done, and both after it; now and then both are damaged."""
    kinds = draw.choice(
        [[draw.choice([*OF_WEIGHTS])], [draw.choice([*OF_SETTINGS])], ["other tensor", "other setting"]]
    )
    for kind in kinds:
        if kind in OF_WEIGHTS:
            weights = OF_WEIGHTS[kind](weights, draw)
        else:
            settings = OF_SETTINGS[kind](settings, draw)
    return " and ".join(kinds), settings, weights
