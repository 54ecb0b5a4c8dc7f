"""Parts of a robot's URDF for tools that would otherwise carry the whole robot along."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from xml.etree import ElementTree

from retarget.robot.robot import Robot

Element = ElementTree.Element


def arms_urdf(robot: Robot) -> str:
    """Both arms: the joints between the root and the wrist frames, all others held or left out."""
    root = ElementTree.parse(robot.urdf_path).getroot()
    above = {_link(joint, "child"): joint for joint in root.iter("joint") if "type" in joint.attrib}
    chosen: dict[str, Element] = {}
    for hand in robot.sides:
        link = hand.wrist_frame
        while link in above:
            joint = copy.deepcopy(above[link])
            if joint.get("name") not in robot.joint_names:
                joint.set("type", "fixed")
            chosen[str(joint.get("name"))] = joint
            link = _link(joint, "parent")
    return _robot(root, link, chosen.values())


def hand_urdf(robot: Robot, side: int) -> str:
    """One hand: everything below its wrist frame, which is the root."""
    root = ElementTree.parse(robot.urdf_path).getroot()
    joints = [joint for joint in root.iter("joint") if "type" in joint.attrib]
    chosen: list[Element] = []
    links = [robot.sides[side].wrist_frame]
    for link in links:
        below = [joint for joint in joints if _link(joint, "parent") == link]
        chosen += below
        links += [_link(joint, "child") for joint in below]
    return _robot(root, links[0], chosen)


def _link(joint: Element, end: str) -> str:
    found = joint.find(end)
    return "" if found is None else str(found.get("link"))


def _robot(root: Element, first: str, joints: Iterable[Element]) -> str:
    chosen = list(joints)
    names = {first, *(_link(joint, "child") for joint in chosen)}
    out = Element("robot", name="part")
    # for MuJoCo, ignored by others: it would drop frames on fixed joints
    compiler = ElementTree.SubElement(ElementTree.SubElement(out, "mujoco"), "compiler")
    compiler.attrib.update(fusestatic="false", balanceinertia="true")
    for link in root.iter("link"):
        if link.get("name") in names:
            bare = copy.deepcopy(link)
            for tag in ("visual", "collision"):
                for shape in bare.findall(tag):
                    bare.remove(shape)
            out.append(bare)
    out.extend(chosen)
    return ElementTree.tostring(out, encoding="unicode")
