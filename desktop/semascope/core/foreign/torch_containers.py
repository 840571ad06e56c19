"""The two containers that torch.save has written: a zip archive, and before version 1.6 pickles followed by storages.

Says what the pickle in a file holds and where each storage lies. Every place is compared with the file's size before anyone
reads it. Imports no torch.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from semascope.core.foreign.archives import MOST_RATIO, SparingFile
from semascope.core.foreign.torch_pickle import Reading
from semascope.core.foreign.torch_words import Storage, Unreadable

_MOST_PICKLE = 16 << 20
_MOST_MEMBERS = 100_000
_ZIP = b"PK\x03\x04"
_LEGACY = 0x1950A86A20F9469CFC6C
"""The number that torch.save wrote first, in a pickle of its own."""


class Span(NamedTuple):
    """Where a storage lies.

    Attributes:
        begin: Its first byte in the file.
        size: In bytes, as its pickle claims and the file can hold.
        member: The compressed member of the archive that it must be unpacked from, or "".
    """

    begin: int
    size: int
    member: str = ""


class Contained(NamedTuple):
    """What a container holds.

    Attributes:
        value: The pickle's value: plain values and `StoredTensor`s.
        spans: The storages, by key.
        swapped: The numbers were written by a machine of the other byte order.
    """

    value: Any
    spans: Mapping[str, Span]
    swapped: bool = False


class Program(Exception):
    """The file is a TorchScript archive: code, with weights beside it."""


def contained(path: Path, skip: int) -> Contained:
    """What lies in the file behind its first `skip` bytes.

    Raises:
        Unreadable: It makes no sense.
        UnknownClass: It holds objects that are no tensors.
        Program: It holds code.
        OSError: It can't be read.
    """
    with SparingFile(path) as stream:
        stream.seek(skip)
        start = stream.read(len(_ZIP))
        if start == _ZIP:
            return _zipped(stream, skip)
        if start.startswith(b"\x80"):
            return _legacy(stream, skip)
    raise Unreadable("it is not a file that torch.save wrote")


# --- since version 1.6: a zip archive ------------------------------------------------------------------------------------


def _zipped(stream: SparingFile, skip: int) -> Contained:
    with zipfile.ZipFile(stream) as archive:
        members = _checked(archive, stream, skip)
        tops = [
            name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl") and name.count("/") == 1
        ]
        if len(tops) != 1:
            raise Unreadable("it is an archive, but none that torch.save wrote")
        top = tops[0]
        if top + "constants.pkl" in members or any(name.startswith(top + "code/") for name in members):
            raise Program
        reading = Reading(_small(archive, stream, members[top + "data.pkl"], _MOST_PICKLE))
        value = reading.next()
        order = _small(archive, stream, members[top + "byteorder"], 100) if top + "byteorder" in members else b"little"
        if order not in (b"little", b"big"):
            raise Unreadable("its byte order is not known")
        spans = {key: _span(members.get(f"{top}data/{key}"), storage) for key, storage in reading.storages.items()}
        return Contained(value, spans, order == b"big")


class _Member(NamedTuple):
    """A member of an archive, and where its bytes begin in the file."""

    info: zipfile.ZipInfo
    begin: int


def _checked(archive: zipfile.ZipFile, stream: SparingFile, skip: int) -> dict[str, _Member]:
    """The members by name, none of them encrypted, overlapping another, or reaching beyond the file."""
    infos = archive.infolist()
    if len(infos) > _MOST_MEMBERS or sum(info.file_size for info in infos) > MOST_RATIO * stream.size:
        raise Unreadable("it would unpack to far more than any SAE")
    members: dict[str, _Member] = {}
    end = skip
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.flag_bits & 0x2041 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable("it is encrypted, or packed in a way torch never does")
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.header_offset < end or info.filename in members or (stored and info.compress_size != info.file_size):
            raise Unreadable("its members overlap")
        begin = _data_begins(stream, info.header_offset)
        end = begin + info.compress_size
        if end > archive.start_dir:
            raise Unreadable("it is truncated")
        members[info.filename] = _Member(info, begin)
    return members


def _data_begins(stream: IO[bytes], header: int) -> int:
    """Where a member's bytes begin: behind its own header, whose extra field may differ from that in the directory."""
    stream.seek(header)
    head = stream.read(30)
    if len(head) < 30 or not head.startswith(_ZIP):
        raise Unreadable("it is damaged or truncated")
    return header + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


def _small(archive: zipfile.ZipFile, stream: IO[bytes], member: _Member, most: int) -> bytes:
    """The content of a small member. torch may leave a member's checksum out, so that of a stored one isn't looked at."""
    if member.info.file_size > most:
        raise Unreadable("its pickle is far longer than one that holds tensors")
    if member.info.compress_type == zipfile.ZIP_STORED:
        stream.seek(member.begin)
        return stream.read(member.info.file_size)
    with archive.open(member.info) as packed:
        return packed.read(member.info.file_size)


def _span(member: _Member | None, storage: Storage) -> Span:
    if member is None or member.info.file_size < storage.size:
        raise Unreadable("it is truncated, or a tensor in it is larger than its storage")
    packed = member.info.compress_type != zipfile.ZIP_STORED
    return Span(member.begin, storage.size, member.info.filename if packed else "")


# --- before: pickles, one after another, and then the storages ------------------------------------------------------------


def _legacy(stream: SparingFile, skip: int) -> Contained:
    stream.seek(skip)
    reading = Reading(stream.read(min(_MOST_PICKLE, stream.size - skip)))
    if reading.next() != _LEGACY:
        raise Unreadable("it is a pickle, but none that torch.save wrote")
    _, system, value, keys = (reading.next() for _ in range(4))
    swapped = isinstance(system, dict) and system.get("little_endian") is False
    if not isinstance(keys, list):
        raise Unreadable("its pickle makes no sense")
    spans: dict[str, Span] = {}
    at = skip + reading.at
    for key in keys:
        storage = reading.storages.get(key) if isinstance(key, str) else None
        if storage is None or key in spans:
            raise Unreadable("its pickle makes no sense")
        stream.seek(at)
        length = int.from_bytes(stream.read(8), "little")
        if length != storage.length or at + 8 + storage.size > stream.size:
            raise Unreadable("it is truncated, or a tensor in it is larger than its storage")
        spans[key] = Span(at + 8, storage.size)
        at += 8 + storage.size
    if spans.keys() != reading.storages.keys():
        raise Unreadable("it is truncated")
    return Contained(value, spans, swapped)
