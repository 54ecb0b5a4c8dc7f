"""A URDF read and checked: the tree of links and joints, and the XML of it that parsers accept.

Everything is looked at before a parser sees it, which would end the process on a chain of ten
thousand links, or print lines of its own about a cylinder without a radius.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from retarget.core.errors import ModelError
from retarget.core.reading import read_bytes

_MOST_BYTES = 64 * 2**20
_MOST_LINKS = 5000
_LIMITED = ("revolute", "continuous", "prismatic")
_LONGEST_CHAIN = 500  # joints from the root to a link
_DEEPEST = 50  # elements within elements
_FARTHEST = 1e3  # [m] or [rad]: no robot's joint lies farther from the one before
_TYPES = ("revolute", "continuous", "prismatic", "fixed", "floating", "planar")
_SHAPES = {"box": ("size",), "cylinder": ("radius", "length"), "capsule": ("radius", "length")}
_SHAPES |= {"sphere": ("radius",), "mesh": ()}
_NUMERIC = {"lower", "upper", "velocity", "radius", "length", "size", "xyz", "rpy", "scale"}


# what Python takes beside it (1_000) other parsers do not
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|infinity|nan)", re.A | re.I)


@dataclass(frozen=True)
class URDF:
    """The links and joints of a URDF.

    Attributes:
        path: the file.
        mimic: by joint: the joint it follows, multiplier and offset.
        no_velocity: movable joints whose velocity limit is missing or 0, as many CAD programs
            write it: unknown.
    """

    path: Path
    mimic: dict[str, tuple[str, float, float]]
    no_velocity: tuple[str, ...]
    _root: ElementTree.Element

    @classmethod
    def read(cls, path: str | Path) -> URDF:
        """Read and check a file, in whatever encoding it says it has.

        Raises:
            ModelError: no such file, no XML, no tree of links and joints, or a number that is none.
        """
        path = Path(path)
        root = _parse(path)
        reader = _Reader(path, root)
        reader.check()
        return cls(path, reader.mimic, tuple(reader.no_velocity), root)

    def kinematics(self, *, collision: bool = False) -> str:
        """The XML of links and joints alone, in UTF-8; with the links' collision shapes or without.

        Raises:
            ModelError: a collision shape is of unknown kind or size.
        """
        root = ElementTree.Element("robot", name=self._root.get("name") or "robot")
        for link in self._root.findall("link"):
            copy = ElementTree.SubElement(root, "link", name=link.get("name", ""))
            for shape in link.findall("collision") if collision else ():
                self._check_shape(link.get("name", ""), shape)
                copy.append(deepcopy(shape))
                for element in copy[-1].iter():
                    element.attrib = _plain(element.attrib)
        for joint in self._root.findall("joint"):
            copy = ElementTree.SubElement(root, "joint", dict(joint.attrib))
            for tag in ("origin", "parent", "child", "axis", "limit"):
                found = joint.find(tag)
                unused = tag == "limit" and joint.get("type") not in _LIMITED
                if found is not None and not unused:
                    inner = ElementTree.SubElement(copy, tag, _plain(found.attrib))
                    if tag == "limit":  # nothing here needs the effort, but parsers insist on it
                        inner.attrib = {"velocity": "0", **inner.attrib, "effort": "0"}
        return ElementTree.tostring(root, encoding="unicode")

    def visuals(self) -> Iterator[tuple[str, list[ElementTree.Element]]]:
        """Every link with the elements of its visual shapes, unchecked."""
        for link in self._root.findall("link"):
            yield link.get("name", ""), link.findall("visual")

    def materials(self) -> dict[str, ElementTree.Element]:
        """Materials that links refer to by name."""
        return {found.get("name", ""): found for found in self._root.findall("material")}

    def _check_shape(self, link: str, shape: ElementTree.Element) -> None:
        geometry = shape.find("geometry")
        kind = None if geometry is None or len(geometry) == 0 else geometry[0]
        if kind is None or kind.tag not in _SHAPES:
            said = "no geometry" if kind is None else f"a geometry of unknown kind {kind.tag!r}"
            raise ModelError(self.path, f"link {link!r}: a collision has {said}", key=link)
        sizes = [(name, 3 if name == "size" else 1) for name in _SHAPES[kind.tag]]
        if kind.tag == "mesh" and not kind.get("filename"):
            raise ModelError(self.path, f"link {link!r}: a collision names no mesh", key=link)
        for element, name, count in (
            *((kind, name, count) for name, count in sizes),
            *((origin, name, 3) for origin in shape.findall("origin") for name in ("xyz", "rpy")),
            *((mesh, "scale", 3) for mesh in shape.findall("geometry/mesh")),
        ):
            text = element.get(name)
            if text is None and element.tag in ("origin", "mesh"):
                continue
            numbers = _numbers(text or "", count)
            sized = element is kind and name != "scale"  # a mesh may be mirrored
            if numbers is None or (sized and min(numbers) <= 0.0):
                raise ModelError(
                    self.path, f"link {link!r}: a {kind.tag} has {name} {text!r}", key=link
                )


def _parse(path: Path) -> ElementTree.Element:
    """The root element, its nesting bounded while it is read."""
    data = read_bytes(path, _MOST_BYTES, "a URDF", ModelError)
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    depth = 0
    root: ElementTree.Element | None = None
    try:
        for start in range(0, len(data), 2**16):
            parser.feed(data[start : start + 2**16])
            for found in parser.read_events():
                element: Any = found[1]
                root = element if root is None else root
                depth += 1 if found[0] == "start" else -1
                if depth > _DEEPEST:
                    raise ModelError(
                        path, f"has elements nested more than {_DEEPEST} deep, expected a URDF"
                    )
        parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise ModelError(path, f"is not valid XML: {error}") from error
    if root is None:
        raise ModelError(path, "is not valid XML: it is empty")
    if root.tag != "robot":
        raise ModelError(path, f"is no URDF: its root is <{root.tag[:50]}>, expected <robot>")
    return root


class _Reader:
    """Checks of a URDF's tree."""

    def __init__(self, path: Path, root: ElementTree.Element) -> None:
        self._path, self._root = path, root
        self.mimic: dict[str, tuple[str, float, float]] = {}
        self.no_velocity: list[str] = []

    def check(self) -> None:
        links = self._names("link")
        joints = self._names("joint")
        if not links:
            raise ModelError(self._path, "has no links")
        parents: dict[str, str] = {}
        for name, joint in joints.items():
            self._check_joint(name, joint)
            ends = []
            for tag in ("parent", "child"):
                found = joint.find(tag)
                link = "" if found is None else found.get("link", "")
                if link not in links:
                    said = f"joint {name!r} has the {tag} {link!r}, which is no link"
                    raise ModelError(self._path, said, key=name, value=link)
                ends.append(link)
            parent, child = ends
            if child in parents:
                said = f"link {child!r} is the child of two joints, {name!r} the second"
                raise ModelError(self._path, said, key=name)
            parents[child] = parent
        self._check_tree(links, parents)

    def _names(self, tag: str) -> dict[str, ElementTree.Element]:
        found: dict[str, ElementTree.Element] = {}
        for element in self._root.findall(tag):
            name = element.get("name", "")
            if not name:
                raise ModelError(self._path, f"has a {tag} without a name")
            if name in found:
                raise ModelError(self._path, f"has two {tag}s named {name!r}", key=name)
            found[name] = element
        if len(found) > _MOST_LINKS:
            said = f"has {len(found)} {tag}s, expected at most {_MOST_LINKS}"
            raise ModelError(self._path, said)
        return found

    def _check_tree(self, links: dict[str, ElementTree.Element], parents: dict[str, str]) -> None:
        roots = [name for name in links if name not in parents]
        if len(roots) != 1:
            said = ", ".join(map(repr, roots[:5])) or "none"
            raise ModelError(self._path, f"must have one root link, got {said}")
        depth = {roots[0]: 0}
        for name in links:
            chain = []
            while name not in depth:
                chain.append(name)
                name = parents[name]
                if len(chain) > len(links):
                    raise ModelError(self._path, f"its links form a circle at {name!r}", key=name)
            for k, link in enumerate(reversed(chain)):
                depth[link] = depth[name] + k + 1
        longest = max(depth.values())
        if longest > _LONGEST_CHAIN:
            said = f"has a chain of {longest} joints, expected at most {_LONGEST_CHAIN}"
            raise ModelError(self._path, said)

    def _check_joint(self, name: str, joint: ElementTree.Element) -> None:
        kind = joint.get("type", "")
        if kind not in _TYPES:
            said = f"joint {name!r} is of type {kind!r}, expected {', '.join(_TYPES)}"
            raise ModelError(self._path, said, key=name, value=kind)
        origin, axis, limit = (joint.find(tag) for tag in ("origin", "axis", "limit"))
        for element, key in ((origin, "xyz"), (origin, "rpy"), (axis, "xyz")):
            text = None if element is None else element.get(key)
            if element is None or text is None:
                continue
            numbers = _numbers(text, 3)
            if numbers is None or max(map(abs, numbers)) > _FARTHEST:
                said = f"joint {name!r} has {element.tag} {key} {text!r}, expected 3 numbers"
                raise ModelError(self._path, said, key=name, value=text)
            if element is axis and kind != "fixed" and not any(numbers):
                raise ModelError(self._path, f"joint {name!r} has an axis of no length", key=name)
        self._check_limit(name, kind, limit)
        tag = joint.find("mimic")
        if tag is not None:
            values = _numbers(f"{tag.get('multiplier', '1')} {tag.get('offset', '0')}", 2)
            if values is None:
                said = f"joint {name!r} has a mimic tag that is not numeric"
                raise ModelError(self._path, said, key=name)
            self.mimic[name] = (tag.get("joint", ""), values[0], values[1])

    def _check_limit(self, name: str, kind: str, limit: ElementTree.Element | None) -> None:
        if kind not in _LIMITED:
            return
        if limit is None and kind != "continuous":
            raise ModelError(self._path, f"joint {name!r} has no limit", key=name)
        values: dict[str, float] = {}
        for key, text in () if limit is None else limit.attrib.items():
            if key not in ("lower", "upper", "velocity", "effort"):
                continue
            # what is infinite is not known: a velocity, an effort, where a continuous joint ends
            unknown = key in ("velocity", "effort") or kind == "continuous"
            number = _numbers(text, 1, infinite=unknown)
            if number is None:
                said = f"joint {name!r} has the limit {key} {text!r}, expected a number"
                raise ModelError(self._path, said, key=name, value=text)
            values[key] = number[0]
        if values.get("velocity", 0.0) < 0.0:
            said = f"joint {name!r} has the velocity limit {values['velocity']:g}, expected no less"
            raise ModelError(self._path, f"{said} than 0", key=name, value=values["velocity"])
        if kind != "continuous" and values.get("lower", 0.0) > values.get("upper", 0.0):
            said = f"{values.get('lower', 0.0):g} to {values.get('upper', 0.0):g}"
            raise ModelError(self._path, f"joint {name!r} has the limits {said}", key=name)
        if values.get("velocity", 0.0) in (0.0, math.inf):
            self.no_velocity.append(name)


def _plain(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes with their numbers written as every parser takes them: no blanks around, finite.

    An infinite one is a velocity that nobody knows, which is 0, or a limit of a continuous joint.
    """
    plain = dict(attributes)
    for key in plain.keys() & _NUMERIC:
        words = plain[key].split()
        if all(map(_NUMBER.fullmatch, words)):
            numbers = map(float, words)
            plain[key] = " ".join(repr(x) if math.isfinite(x) else "0" for x in numbers)
    return plain


def _numbers(text: str, count: int, *, infinite: bool = False) -> list[float] | None:
    """Numbers between blanks; None where they are not ``count``, or not finite."""
    words = text.split()
    if not all(_NUMBER.fullmatch(word) for word in words):
        return None
    numbers = [float(word) for word in words]
    if len(numbers) != count or any(map(math.isnan, numbers)):
        return None
    return numbers if infinite or all(map(math.isfinite, numbers)) else None
