"""Changes of text files: lines and elements gone, doubled, renamed; numbers extreme; encodings."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from random import Random

_NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]{2,}")
_EXTREMES: tuple[bytes, ...] = (b"0", b"-1", b"1", b"nan", b"inf", b"-inf", b"1e999", b"1e308")
_EXTREMES = (*_EXTREMES, b"1e-300", b"-0.0", b"99999999999999999999", b"1e5", b"0x10", b"1_0", b"")
_EXTREMES = (*_EXTREMES, b"true", b'"a"', b"[]", b"{}", b"1,5", b"2", b"1e3", b"0.001", b"null")


def change_text(data: bytes, random: Random) -> bytes:
    """Any text file, changed in one to three ways."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = _CHANGES[random.randrange(len(_CHANGES))](data, random)
    return data


def change_urdf(data: bytes, random: Random) -> bytes:
    """A URDF, its elements changed, or its text."""
    if random.random() < 0.35:
        return change_text(data, random)
    try:
        root = ET.fromstring(data)
    except ET.ParseError:
        return change_text(data, random)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        _ELEMENT_CHANGES[random.randrange(len(_ELEMENT_CHANGES))](root, random)
    return ET.tostring(root)


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True) or [b""]


def _number(data: bytes, random: Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    at = random.choice(found)
    return data[: at.start()] + random.choice(_EXTREMES) + data[at.end() :]


def _line_gone(data: bytes, random: Random) -> bytes:
    lines = _lines(data)
    at = random.randrange(len(lines))
    del lines[at : at + random.choice((1, 1, 2, 10))]
    return b"".join(lines)


def _line_doubled(data: bytes, random: Random) -> bytes:
    lines = _lines(data)
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    lines.insert(to if random.random() < 0.5 else at, lines[at])
    return b"".join(lines)


def _renamed(data: bytes, random: Random) -> bytes:
    found = list(_WORD.finditer(data))
    if not found:
        return data
    at, other = random.choice(found), random.choice(found)
    new = random.choice(
        (b"", at[0] + b"_", at[0].upper(), other[0], b"x" * 10_000, b"a b", b"\xc3\xa4")
    )
    if random.random() < 0.3:
        return data.replace(at[0], new)
    return data[: at.start()] + new + data[at.end() :]


def _quoted(data: bytes, random: Random) -> bytes:
    """A string with odd contents."""
    found = list(re.finditer(rb'"[^"\n]*"', data))
    if not found:
        return data
    at = random.choice(found)
    odd = (
        b'""',
        b'"../../../etc/passwd"',
        b'"/dev/zero"',
        b'"\\u0000"',
        b'"\\n"',
        b'"."',
        b"7",
        b"[]",
    )
    odd = (*odd, b"{}", b'"' + b"x" * 5000 + b'"', b'["a"]', b'"\xff"', b'"\\ud800"', b"true")
    return data[: at.start()] + random.choice(odd) + data[at.end() :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _deep(data: bytes, random: Random) -> bytes:
    """Nested very deep, at a place where a value stands or at the end."""
    count = random.choice((100, 3000, 100_000))
    opening, closing = random.choice(
        ((b"[", b"]"), (b"{", b"}"), (b'{"a":', b"}"), (b"<a>", b"</a>"))
    )
    deep = opening * count + (closing * count if random.random() < 0.7 else b"")
    found = list(_NUMBER.finditer(data))
    if found and random.random() < 0.7:
        at = random.choice(found)
        return data[: at.start()] + deep + data[at.end() :]
    return data + b"\na = " + deep


def _encoded(data: bytes, random: Random) -> bytes:
    text = data.decode("utf-8", "replace")
    which = random.randrange(7)
    if which == 0:
        return b"\xef\xbb\xbf" + data
    if which == 1:
        return text.encode("utf-16")
    if which == 2:
        return text.encode("utf-32")
    if which == 3:
        return data.replace(b"\n", b"\r")
    if which == 4:
        return data.replace(b"\n", b"\r\n")
    at = random.randrange(len(data) + 1)
    return (
        data[:at]
        + random.choice((b"\0", b"\xff", b"\xed\xa0\x80", b"\x1b[2J", b"\x0b"))
        + data[at:]
    )


def _huge(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((b" ", b"9", b"\n", b"#", b"[")) * 300_000 + data[at:]


def _empty(data: bytes, random: Random) -> bytes:
    return random.choice(
        (b"", b"\n", b"\0", b"{}", b"[]", b"null", b"<robot/>", b"<?xml?>", b"a=1")
    )


def _character(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    new = random.choice((b"[", b"]", b'"', b"'", b"=", b"\n", b".", b"#", b"<", b">", b"&", b"-"))
    return data[:at] + new + data[at + random.choice((0, 1)) :]


_CHANGES = (
    _number,
    _number,
    _number,
    _number,
    _number,
    _line_gone,
    _line_gone,
    _line_doubled,
    _renamed,
    _renamed,
    _quoted,
    _quoted,
    _cut,
    _deep,
    _encoded,
    _huge,
    _empty,
    _character,
    _character,
)

_TEXTS = ("", "nan", "inf", "-1", "0", "1e308", "1e-300", "a", "0 0", "0 0 0 0", "1 2 3", "nan 0 0")
_TEXTS = (*_TEXTS, "1e999 0 0", "0 0 0", "fixed", "revolute", "continuous", "prismatic", "floating")
_TEXTS = (*_TEXTS, "planar", "mimic", "1,0,0", "0x1", " 1 ", "L_hand_base_link", "pelvis", "1e5")


def _element(root: ET.Element, random: Random, tag: str | None = None) -> ET.Element:
    found = list(root.iter(tag)) or [root]
    return random.choice(found)


def _value(root: ET.Element, random: Random) -> None:
    for _ in range(20):
        element = _element(root, random)
        if element.attrib:
            element.set(random.choice(list(element.attrib)), random.choice(_TEXTS))
            return


def _joint_value(root: ET.Element, random: Random) -> None:
    """What a joint says of its kind, axis, limits, origin, mimicry."""
    joint = _element(root, random, "joint")
    part = random.choice(
        ("joint", "origin", "axis", "limit", "mimic", "parent", "child", "dynamics")
    )
    if part == "joint":
        joint.set(random.choice(("type", "name")), random.choice(_TEXTS))
        return
    names = {"origin": ("xyz", "rpy"), "axis": ("xyz",), "parent": ("link",), "child": ("link",)}
    names |= {
        "limit": ("lower", "upper", "velocity", "effort"),
        "dynamics": ("damping", "friction"),
    }
    names |= {"mimic": ("joint", "multiplier", "offset")}
    element = joint.find(part)
    if element is None:
        element = ET.SubElement(joint, part)
    element.set(random.choice(names[part]), random.choice(_TEXTS))


def _swapped(root: ET.Element, random: Random) -> None:
    """One joint's parent or child is another's: circles, two parents, parts cut off."""
    first, second = _element(root, random, "joint"), _element(root, random, "joint")
    which = random.choice(("parent", "child"))
    one, other = first.find(which), second.find(random.choice((which, "parent", "child")))
    if one is not None and other is not None:
        one.set("link", other.get("link", ""))


def _gone(root: ET.Element, random: Random) -> None:
    parent = _element(root, random)
    if len(parent):
        parent.remove(random.choice(list(parent)))


def _doubled(root: ET.Element, random: Random) -> None:
    parent = _element(root, random)
    parent = parent if len(parent) else root
    if len(parent):
        parent.append(random.choice(list(parent)))


def _attribute_gone(root: ET.Element, random: Random) -> None:
    element = _element(root, random)
    if element.attrib:
        del element.attrib[random.choice(list(element.attrib))]


def _retagged(root: ET.Element, random: Random) -> None:
    _element(root, random).tag = random.choice(("link", "joint", "robot", "sensor", "x"))


def _mesh(root: ET.Element, random: Random) -> None:
    """A shape that is read from a file, or has an odd size."""
    link = _element(root, random, "link")
    holder = ET.SubElement(link, random.choice(("visual", "collision")))
    shape = ET.SubElement(holder, "geometry")
    places = (
        "missing.stl",
        "package://x/y.dae",
        "/dev/zero",
        "/etc/hostname",
        "file:///etc/passwd",
        "",
    )
    which = random.randrange(4)
    if which == 0:
        ET.SubElement(shape, "mesh", filename=random.choice(places), scale=random.choice(_TEXTS))
    elif which == 1:
        ET.SubElement(shape, "sphere", radius=random.choice(_TEXTS))
    elif which == 2:
        ET.SubElement(shape, "cylinder", radius=random.choice(_TEXTS), length=random.choice(_TEXTS))
    else:
        ET.SubElement(shape, "box", size=random.choice(_TEXTS))


_ELEMENT_CHANGES = (
    _value,
    _value,
    _value,
    _joint_value,
    _joint_value,
    _joint_value,
    _joint_value,
    _swapped,
    _swapped,
    _gone,
    _gone,
    _doubled,
    _attribute_gone,
    _attribute_gone,
    _retagged,
    _mesh,
)
