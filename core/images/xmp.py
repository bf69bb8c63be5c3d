"""XMP packets: carried along, freed of what no longer holds, and the home of our own provenance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.dom import Node, minidom
from xml.parsers.expat import ExpatError

NAMESPACE = "urn:memorynet:provenance:1.0#"
_PREFIX = "memorynet"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_NOTE = "http://ns.adobe.com/xmp/note/"

# These describe pictures that hang behind the first one in the source file (gain maps, motion clips,
# depth maps); they are not written, and a packet that still announces them sends readers astray.
_LOST_NAMESPACES = frozenset(
    [
        "http://ns.adobe.com/hdr-gain-map/1.0/",
        "http://ns.google.com/photos/1.0/container/",
        "http://ns.google.com/photos/1.0/container/item/",
        "http://ns.google.com/photos/1.0/camera/",
        "http://ns.google.com/photos/1.0/image/",
        "http://ns.google.com/photos/1.0/depthmap/",
        "http://ns.apple.com/HDRGainMap/1.0/",
        _NOTE,
    ]
)
_GPS_NAME = re.compile(r"^gps|latitude$|longitude$|altitude$", re.IGNORECASE)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_BYTES = 16 << 20
_MAX_DEPTH = 100
"""The DOM walks itself recursively; no honest packet comes near this."""


@dataclass(frozen=True, slots=True)
class Packet:
    xmp: bytes | None
    source_kept: bool  # False when the source's packet could not be read
    gps_removed: bool


class _Unreadable(ValueError):
    pass


def _parse(xmp: bytes) -> minidom.Document:
    data = xmp.strip(b"\0 \t\r\n")
    if len(data) > _MAX_BYTES or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _Unreadable("a packet with declarations of its own, or of absurd size")
    try:
        document = minidom.parseString(data)
    except (ExpatError, ValueError, RecursionError, LookupError) as error:
        raise _Unreadable(str(error)) from error
    level: list[minidom.Node] = list(document.childNodes)
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in node.childNodes]
    if level:
        raise _Unreadable(f"more than {_MAX_DEPTH} elements inside each other")
    if not document.getElementsByTagNameNS(_RDF, "RDF"):
        raise _Unreadable("no rdf:RDF in it")
    return document


def _new_document() -> minidom.Document:
    return minidom.parseString(f'<x:xmpmeta xmlns:x="{_META}"><rdf:RDF xmlns:rdf="{_RDF}"/></x:xmpmeta>')


def _elements(document: minidom.Document) -> Iterator[minidom.Element]:
    yield from list(document.getElementsByTagName("*"))


def _attributes(element: minidom.Element) -> list[minidom.Attr]:
    items = element.attributes
    found = [items.item(i) for i in range(items.length)] if items else []
    return [item for item in found if isinstance(item, minidom.Attr)]


def _name(node: minidom.Element | minidom.Attr) -> tuple[str, str]:
    return node.namespaceURI or "", node.localName or node.nodeName


def _drop(document: minidom.Document, unwanted: set[tuple[str, str]] | None, gps: bool) -> bool:
    """Remove properties by name (None: those of :data:`_LOST_NAMESPACES`, ours, thumbnails) or all GPS."""

    def is_unwanted(node: minidom.Element | minidom.Attr) -> bool:
        space, local = _name(node)
        if space in (_RDF, _META, _XMLNS):
            return False
        if gps:
            return bool(_GPS_NAME.search(local))
        return unwanted is not None and ((space, local) in unwanted or (space, "*") in unwanted)

    found = False
    for element in _elements(document):
        for attribute in _attributes(element):
            if is_unwanted(attribute):
                element.removeAttributeNode(attribute)
                found = True
        parent = element.parentNode
        if parent is not None and parent.nodeType == Node.ELEMENT_NODE and is_unwanted(element):
            parent.removeChild(element)
            found = True
    return found


def _set_upright(document: minidom.Document) -> None:
    for element in _elements(document):
        attribute = element.getAttributeNodeNS(_TIFF, "Orientation")
        if attribute is not None:
            attribute.value = "1"
        if _name(element) == (_TIFF, "Orientation"):
            for child in list(element.childNodes):
                element.removeChild(child)
            element.appendChild(document.createTextNode("1"))


def _add_provenance(document: minidom.Document, provenance: Mapping[str, str]) -> None:
    rdf = document.getElementsByTagNameNS(_RDF, "RDF")[0]
    prefix = rdf.prefix or "rdf"
    description = document.createElementNS(_RDF, f"{prefix}:Description")
    description.setAttributeNS(_RDF, f"{prefix}:about", "")
    description.setAttributeNS(_XMLNS, f"xmlns:{_PREFIX}", NAMESPACE)
    for key, value in provenance.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", key):
            raise ValueError(f"provenance key {key!r} is no XML name")
        description.setAttributeNS(NAMESPACE, f"{_PREFIX}:{key}", _NOT_XML.sub("\ufffd", str(value)))
    rdf.appendChild(description)


def for_output(xmp: bytes | None, provenance: Mapping[str, str] | None, strip_gps: bool) -> Packet:
    """The packet for a written picture: upright, without stale parts, with ``provenance`` in it."""
    source_kept = True
    document: minidom.Document | None = None
    if xmp:
        try:
            document = _parse(xmp)
        except _Unreadable:
            source_kept = False
    gps_removed = False
    if document is not None:
        stale = {(space, "*") for space in _LOST_NAMESPACES} | {(NAMESPACE, "*"), (_XMP, "Thumbnails")}
        _drop(document, stale, gps=False)
        if strip_gps:
            gps_removed = _drop(document, None, gps=True)
        _set_upright(document)
    elif provenance:
        document = _new_document()
    if document is None:
        return Packet(None, source_kept, gps_removed)
    if provenance:
        _add_provenance(document, provenance)
    root = document.documentElement
    assert root is not None
    body = root.toxml().encode("utf-8")
    packet = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>' + body + b'<?xpacket end="w"?>'
    return Packet(packet, source_kept, gps_removed)


def read_provenance(xmp: bytes | None) -> dict[str, str] | None:
    """The provenance :func:`for_output` put into a packet; None when there is none."""
    if not xmp or NAMESPACE.encode() not in xmp:
        return None
    try:
        document = _parse(xmp)
    except _Unreadable:
        return None
    found: dict[str, str] = {}
    for element in _elements(document):
        for attribute in _attributes(element):
            space, local = _name(attribute)
            if space == NAMESPACE:
                found[local] = attribute.value
        space, local = _name(element)
        if space == NAMESPACE:  # another program may have turned the attributes into elements
            found[local] = "".join(
                child.data for child in element.childNodes if isinstance(child, minidom.Text)
            )
    return found or None


def has_gps(xmp: bytes | None) -> bool:
    if not xmp:
        return False
    try:
        document = _parse(xmp)
    except _Unreadable:
        return False
    return _drop(document, None, gps=True)
