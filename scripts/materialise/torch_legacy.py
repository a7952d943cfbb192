"""Read the tensors of a PyTorch checkpoint in the format before 1.6 (a row of pickles, then raw storages) without torch
and without running its code. What the pickles may name is in `torch_zip`.
"""
from __future__ import annotations

import pickle
import struct
from typing import BinaryIO

import numpy as np
from torch_zip import ALLOWED, MAX_BYTES, _FloatStorage, _view

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Plain(pickle.Unpickler):
    """Numbers, strings and containers only."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"checkpoint names {module}.{name}")


class _Reader(pickle.Unpickler):
    """Storages come after the pickle that names them, so views are laid over arrays that are filled later."""

    def __init__(self, data: BinaryIO) -> None:
        super().__init__(data)
        self.storages: dict[str, np.ndarray] = {}
        self.bytes = 0

    def find_class(self, module: str, name: str):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Later
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"checkpoint names {module}.{name}") from None

    def persistent_load(self, pid):
        kind, storage, key, _device, count, view = pid
        if kind != "storage" or storage is not _FloatStorage or not str(key).isdigit() or view is not None or count < 0:
            raise pickle.UnpicklingError(f"checkpoint: storage {pid!r}")
        if key not in self.storages:
            self.bytes += 4 * count
            if self.bytes > MAX_BYTES:
                raise ValueError(f"checkpoint: more than {MAX_BYTES} bytes")
            self.storages[key] = np.zeros(count, dtype="<f4")
        return self.storages[key]


class _Later:
    """A tensor whose storage is not read yet."""

    def __init__(self, *arguments) -> None:
        self.arguments = arguments


def _settle(value):
    if isinstance(value, _Later):
        return _view(*value.arguments)
    if isinstance(value, dict):
        return {k: _settle(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_settle(v) for v in value)
    return value


def read(file: BinaryIO):
    """Whatever the checkpoint's pickle holds, tensors as arrays."""
    if _Plain(file).load() != MAGIC or _Plain(file).load() != PROTOCOL:
        raise ValueError("checkpoint: not of the format before torch 1.6")
    if not _Plain(file).load().get("little_endian"):
        raise ValueError("checkpoint: big-endian")
    reader = _Reader(file)
    value = reader.load()
    for key in _Plain(file).load():
        storage = reader.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != len(storage):
            raise ValueError(f"checkpoint: storage {key} of {count} floats for {len(storage)}")
        data = file.read(4 * count)
        if len(data) != 4 * count:
            raise ValueError("checkpoint: cut off")
        storage[:] = np.frombuffer(data, dtype="<f4")
    return _settle(value)
