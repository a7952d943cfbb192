"""Read the tensors of a PyTorch checkpoint (a zip with a pickle) without torch and without running its code.

The pickle may name three things only: an ordered dictionary, a float storage, and the function that lays a view
over a storage. Anything else is refused, so a checkpoint cannot call anything.
"""
from __future__ import annotations

import collections
import pickle
import zipfile
from typing import BinaryIO

import numpy as np

MAX_BYTES = 256 << 20


class _FloatStorage:
    """Stands for torch.FloatStorage, which is only named, never made."""


def _view(storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_ignored) -> np.ndarray:
    """What torch._utils._rebuild_tensor_v2 does: a view with sizes and strides, checked against the storage."""
    if any(n < 0 for n in (*size, *stride)) or offset < 0:
        raise ValueError("checkpoint: negative size")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else offset
    if last >= max(len(storage), 1):
        raise ValueError("checkpoint: a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, [4 * s for s in stride]).copy()


ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "FloatStorage"): _FloatStorage,
    ("torch._utils", "_rebuild_tensor_v2"): _view,
}


class _Reader(pickle.Unpickler):
    def __init__(self, data: BinaryIO, archive: zipfile.ZipFile, top: str) -> None:
        super().__init__(data)
        self.archive, self.top = archive, top

    def find_class(self, module: str, name: str):
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"checkpoint names {module}.{name}") from None

    def persistent_load(self, pid):
        kind, storage, key, _device, count = pid
        if kind != "storage" or storage is not _FloatStorage or not str(key).isdigit():
            raise pickle.UnpicklingError(f"checkpoint: storage {pid!r}")
        member = self.archive.getinfo(f"{self.top}/data/{key}")
        if member.file_size != 4 * count:
            raise pickle.UnpicklingError(f"checkpoint: storage {key} of {member.file_size} bytes for {count} floats")
        return np.frombuffer(self.archive.read(member), dtype="<f4")


def read(file: BinaryIO):
    """Whatever the checkpoint's pickle holds, tensors as arrays."""
    with zipfile.ZipFile(file) as archive:
        if sum(i.file_size for i in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"checkpoint: more than {MAX_BYTES} bytes")
        pkl = next(i for i in archive.infolist() if i.filename.endswith("/data.pkl"))
        with archive.open(pkl) as data:
            return _Reader(data, archive, pkl.filename.removesuffix("/data.pkl")).load()
