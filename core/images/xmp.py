"""XMP packets: carried along, freed of what no longer holds, and the home of our own provenance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.dom import Node, minidom
from xml.parsers.expat import ExpatError

from core.images import place

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
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_BYTES = 16 << 20
_MAX_TAGS = 50_000
"""The DOM takes a kilobyte and 20 µs for each."""
_MAX_DEPTH = 100
"""The DOM walks itself recursively; no honest packet comes near this."""


@dataclass(frozen=True, slots=True)
class Packet:
    xmp: bytes | None
    source_kept: bool  # False when the source's packet could not be read


class _Unreadable(ValueError):
    pass


def _parse(xmp: bytes) -> minidom.Document:
    data = xmp.strip(b"\0 \t\r\n")
    if len(data) > _MAX_BYTES or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _Unreadable("a packet with declarations of its own, or of absurd size")
    if data.count(b"<") > _MAX_TAGS or data.count(b"=") > _MAX_TAGS:
        raise _Unreadable(f"a packet of more than {_MAX_TAGS:,} elements or attributes")
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


def _drop(document: minidom.Document, is_unwanted: Callable[[str, str], bool]) -> None:
    """Remove properties by namespace and name."""

    def goes(node: minidom.Element | minidom.Attr) -> bool:
        space, local = _name(node)
        return space not in (_RDF, _META, _XMLNS) and is_unwanted(space, local)

    for element in _elements(document):
        for attribute in _attributes(element):
            if goes(attribute):
                element.removeAttributeNode(attribute)
        parent = element.parentNode
        if parent is not None and parent.nodeType == Node.ELEMENT_NODE and goes(element):
            parent.removeChild(element)


def _is_stale(space: str, local: str) -> bool:
    return space in _LOST_NAMESPACES or space == NAMESPACE or (space, local) == (_XMP, "Thumbnails")


def _drop_places(document: minidom.Document) -> None:
    _drop(document, lambda space, local: not place.xmp_name_is_harmless(space, local))
    asides: list[Any] = [document]  # the stubs tell each node's children apart; here all are alike
    while asides:
        node = asides.pop()
        for child in list(node.childNodes):
            if child.nodeType in (Node.COMMENT_NODE, Node.PROCESSING_INSTRUCTION_NODE):
                node.removeChild(child)
            else:
                asides.append(child)
    for element in _elements(document):
        about = element.getAttributeNodeNS(_RDF, "about")
        if about is not None:
            about.value = ""


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
    """The packet for a written picture: upright, without stale parts, with ``provenance`` in it.

    ``strip_gps`` takes out all that can name a place, see :mod:`core.images.place`.
    """
    source_kept = True
    document: minidom.Document | None = None
    if xmp:
        try:
            document = _parse(xmp)
        except _Unreadable:
            source_kept = False
    if document is not None:
        _drop(document, _is_stale)
        if strip_gps:
            _drop_places(document)
        _set_upright(document)
    elif provenance:
        document = _new_document()
    if document is None:
        return Packet(None, source_kept)
    if provenance:
        _add_provenance(document, provenance)
    root = document.documentElement
    assert root is not None
    body = root.toxml().encode("utf-8")
    packet = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>' + body + b'<?xpacket end="w"?>'
    return Packet(packet, source_kept)


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


@dataclass(frozen=True, slots=True)
class XmpPlaces:
    gps: bool = False
    other: bool = False  # fields that can name a place, or that nobody here knows
    captions: bool = False


def places(xmp: bytes | None) -> XmpPlaces:
    """What of a packet can name a place, as far as the packet can be read."""
    if not xmp:
        return XmpPlaces()
    try:
        document = _parse(xmp)
    except _Unreadable:
        return XmpPlaces()
    _drop(document, _is_stale)
    gps = other = captions = False
    for element in _elements(document):
        for space, local in (_name(element), *map(_name, _attributes(element))):
            if space in (_RDF, _META, _XMLNS):
                continue
            captions = captions or place.xmp_name_is_caption(local)
            if not place.xmp_name_is_harmless(space, local):
                is_gps = place.xmp_name_is_gps(space, local)
                gps, other = gps or is_gps, other or not is_gps
    return XmpPlaces(gps, other, captions)
