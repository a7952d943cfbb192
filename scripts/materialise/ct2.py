"""A bounded reader of CTranslate2's `model.bin`: names, shapes and raw bytes, never code.

Layout (little endian): version u32; spec name (u16 length, zero-terminated); spec revision u32;
number of variables u32; then for each variable its name, rank u8, dimensions u32, type u8,
number of bytes u32 and the bytes. Aliases that may follow are not needed here.
"""
from __future__ import annotations

import hashlib
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

VERSION = 6
TYPES = {0: np.dtype("<f4"), 1: np.dtype("<i1"), 2: np.dtype("<i2"), 3: np.dtype("<i4"), 4: np.dtype("<f2")}
# A Whisper base file stays far below each of these; a damaged or hostile one must not get past them.
MAX_VARIABLES = 4096
MAX_NAME = 256
MAX_RANK = 4
MAX_BYTES = 256 << 20


class Ct2Error(ValueError):
    """The file is not a CTranslate2 model this reader accepts."""


class Model(NamedTuple):
    spec: str
    revision: int
    variables: dict[str, np.ndarray]


def _exact(f: BinaryIO, n: int) -> bytes:
    data = f.read(n)
    if len(data) != n:
        raise Ct2Error(f"file ends early: wanted {n} bytes, got {len(data)}")
    return data


def _number(f: BinaryIO, fmt: str) -> int:
    return struct.unpack("<" + fmt, _exact(f, struct.calcsize("<" + fmt)))[0]


def _string(f: BinaryIO) -> str:
    length = _number(f, "H")
    if not 1 <= length <= MAX_NAME:
        raise Ct2Error(f"name of {length} bytes")
    raw = _exact(f, length)
    if raw[-1] != 0 or 0 in raw[:-1]:
        raise Ct2Error("name is not one zero-terminated string")
    try:
        return raw[:-1].decode("ascii")
    except UnicodeDecodeError as e:
        raise Ct2Error("name is not ASCII") from e


def read(f: BinaryIO, prefix: str = "") -> Model:
    """Read a model, keeping only the variables whose name starts with `prefix`."""
    version = _number(f, "I")
    if version != VERSION:
        raise Ct2Error(f"binary version {version}, this reads {VERSION}")
    spec, revision, count = _string(f), _number(f, "I"), _number(f, "I")
    if count > MAX_VARIABLES:
        raise Ct2Error(f"{count} variables")
    variables: dict[str, np.ndarray] = {}
    for _ in range(count):
        name = _string(f)
        rank = _number(f, "B")
        if rank > MAX_RANK:
            raise Ct2Error(f"{name}: rank {rank}")
        shape = tuple(_number(f, "I") for _ in range(rank))
        kind, size = _number(f, "B"), _number(f, "I")
        if kind not in TYPES:
            raise Ct2Error(f"{name}: type {kind}")
        want = TYPES[kind].itemsize
        for d in shape:
            want *= d
        if size != want or size > MAX_BYTES:
            raise Ct2Error(f"{name}: {size} bytes for shape {shape}")
        data = _exact(f, size)
        if name in variables:
            raise Ct2Error(f"{name} occurs twice")
        if name.startswith(prefix):
            variables[name] = np.frombuffer(data, dtype=TYPES[kind]).reshape(shape)
    return Model(spec, revision, variables)


def digest(variables: dict[str, np.ndarray]) -> str:
    """SHA-256 over the tensors in order of their names: two publishers' files compare by content."""
    h = hashlib.sha256()
    for name in sorted(variables):
        a = variables[name]
        h.update(f"{name} {a.dtype.str} {','.join(map(str, a.shape))}\n".encode())
        h.update(a.tobytes())
    return h.hexdigest()
