"""Read the part of a TFLite file that the converter needs, without the TFLite or flatbuffers packages.

A TFLite file is a FlatBuffer. The reader below follows offsets only inside the file, counts what it follows,
and raises `BadTflite` instead of reading past the end, so a damaged package is an error and never a crash.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

MAX_BYTES = 64 << 20      # the largest model this project converts is 1.3 MB
MAX_ITEMS = 10_000        # tensors, operators or buffers of one graph
MAX_ELEMENTS = 16 << 20   # of one tensor

DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}


class BadTflite(ValueError):
    """The file is not a TFLite model that this reader accepts."""


class Buf:
    """Bounds-checked little-endian access."""

    def __init__(self, data: bytes):
        if len(data) > MAX_BYTES:
            raise BadTflite(f"file of {len(data)} bytes is over the limit of {MAX_BYTES}")
        self.data = data

    def num(self, fmt: str, at: int):
        size = struct.calcsize(fmt)
        if at < 0 or at + size > len(self.data):
            raise BadTflite(f"offset {at} lies outside the file")
        return struct.unpack_from("<" + fmt, self.data, at)[0]

    def slice(self, at: int, size: int) -> bytes:
        if at < 0 or size < 0 or at + size > len(self.data):
            raise BadTflite(f"range {at}+{size} lies outside the file")
        return self.data[at:at + size]


class Table:
    """One FlatBuffer table: fields are found through its vtable; absent fields have defaults."""

    def __init__(self, buf: Buf, at: int):
        self.buf, self.at = buf, at
        self.vtable = at - buf.num("i", at)
        self.vsize = buf.num("H", self.vtable)

    def _pos(self, index: int) -> int | None:
        slot = 4 + 2 * index
        if slot + 2 > self.vsize:
            return None
        offset = self.buf.num("H", self.vtable + slot)
        return self.at + offset if offset else None

    def num(self, index: int, fmt: str, default: int = 0):
        pos = self._pos(index)
        return default if pos is None else self.buf.num(fmt, pos)

    def _follow(self, index: int) -> int | None:
        pos = self._pos(index)
        return None if pos is None else pos + self.buf.num("I", pos)

    def table(self, index: int) -> "Table | None":
        at = self._follow(index)
        return None if at is None else Table(self.buf, at)

    def raw(self, index: int, itemsize: int, limit: int) -> bytes:
        at = self._follow(index)
        if at is None:
            return b""
        count = self.buf.num("I", at)
        if count > limit:
            raise BadTflite(f"vector of {count} items is over the limit of {limit}")
        return self.buf.slice(at + 4, count * itemsize)

    def text(self, index: int) -> str:
        return self.raw(index, 1, 4096).decode("utf-8", "replace")

    def ints(self, index: int) -> list[int]:
        return np.frombuffer(self.raw(index, 4, MAX_ITEMS), "<i4").tolist()

    def tables(self, index: int) -> "list[Table]":
        at = self._follow(index)
        if at is None:
            return []
        count = self.buf.num("I", at)
        if count > MAX_ITEMS:
            raise BadTflite(f"vector of {count} tables is over the limit of {MAX_ITEMS}")
        return [Table(self.buf, p + self.buf.num("I", p)) for p in range(at + 4, at + 4 + 4 * count, 4)]


@dataclass
class Tensor:
    name: str
    shape: list[int]
    dtype: type
    value: np.ndarray | None = None   # constants only


@dataclass
class Op:
    code: int
    inputs: list[int]
    outputs: list[int]
    options: Table | None = None


@dataclass
class Graph:
    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


def _tensor(t: Table, buffers: list[Table]) -> Tensor:
    kind = t.num(1, "b")
    if kind not in DTYPES:
        raise BadTflite(f"tensor type {kind} is not supported")
    if t.table(6) is not None:
        raise BadTflite("sparse tensors are not supported")
    dtype, shape, index = DTYPES[kind], t.ints(0), t.num(2, "I")
    elements = int(np.prod([max(d, 0) for d in shape], dtype=np.int64)) if shape else 1
    if any(d < 0 for d in shape) or elements > MAX_ELEMENTS or len(shape) > 4:
        raise BadTflite(f"tensor shape {shape} is not accepted")
    if index >= len(buffers):
        raise BadTflite(f"buffer {index} does not exist")
    data = buffers[index].raw(0, 1, MAX_BYTES)
    value = None
    if data:
        if len(data) != elements * np.dtype(dtype).itemsize:
            raise BadTflite(f"buffer {index} does not fit shape {shape}")
        value = np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(shape).astype(dtype)
    return Tensor(t.text(3), shape, dtype, value)


def read(data: bytes) -> Graph:
    """Parse the first and only subgraph."""
    buf = Buf(data)
    if buf.slice(4, 4) != b"TFL3":
        raise BadTflite("no TFL3 identifier")
    try:
        return _read(buf)
    except (struct.error, OverflowError) as e:
        raise BadTflite(str(e)) from e


def _read(buf: Buf) -> Graph:
    model = Table(buf, buf.num("I", 0))
    # builtin codes moved from a byte to an int; writers fill both, the larger one is right
    codes = [max(c.num(0, "b"), c.num(3, "i")) for c in model.tables(1)]
    subgraphs = model.tables(2)
    if len(subgraphs) != 1:
        raise BadTflite(f"{len(subgraphs)} subgraphs, expected 1")
    sub, buffers = subgraphs[0], model.tables(4)
    graph = Graph(inputs=sub.ints(1), outputs=sub.ints(2))
    graph.tensors = [_tensor(t, buffers) for t in sub.tables(0)]
    for o in sub.tables(3):
        index = o.num(0, "I")
        if index >= len(codes):
            raise BadTflite(f"operator code {index} does not exist")
        graph.ops.append(Op(codes[index], o.ints(1), o.ints(2), o.table(4)))
    used = [i for op in graph.ops for i in op.inputs + op.outputs] + graph.inputs + graph.outputs
    if any(i < -1 or i >= len(graph.tensors) for i in used):
        raise BadTflite("an operator names a tensor that does not exist")
    return graph
