"""What waveform_nets.py trains on, on one device, and the file its results go to."""
from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch

import figures
from augment import SAMPLES, augment


class Data:
    """Clips on the device; `rows`, `clip`, `degraded` and `spoof` as figures.py wants them."""

    def __init__(self, folder: Path, device: torch.device, tiny: bool) -> None:
        rows = json.loads((folder / "clips.json").read_text())
        if tiny:  # two of each fold and class, so that every code path has both classes
            seen: dict = {}
            for r in rows:
                key = (r["fold"], r["label"])
                r["rank"] = seen[key] = seen.get(key, 0) + 1
            rows = [r for r in rows if r["rank"] <= 2]
        self.rows, self.device = rows, device
        self.audio = torch.from_numpy(np.load(folder / "audio.npy")).to(device)
        self.spoof = np.array([r["label"] == "spoof" for r in rows])
        self.fold = np.array([r["fold"] for r in rows])
        at, length, clip, degraded = [], [], [], []
        for i, r in enumerate(rows):
            for k in range(r["windows"]):
                at.append(r["start"] + k * SAMPLES)
                length.append(min(SAMPLES, r["plain"] - k * SAMPLES))
            at.append(r["start"] + r["plain"])
            length.append(r["degraded"])
            clip += [i] * (r["windows"] + 1)
            degraded += [False] * r["windows"] + [True]
        self.clip, self.degraded = np.array(clip), np.array(degraded)
        self.at, self.length = torch.tensor(at, device=device), torch.tensor(length, device=device)
        self.start = torch.tensor([[r["start"], r["start"] + r["plain"]] for r in rows], device=device)
        self.size = torch.tensor([[r["plain"], r["degraded"]] for r in rows], device=device)
        self.label = torch.tensor(self.spoof, device=device).float()
        self.folds = torch.tensor(self.fold, device=device)
        names = np.array([figures.family(r) for r in rows])
        _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
        share = counts[index] ** -0.5
        for c in (False, True):
            share[self.spoof == c] /= share[self.spoof == c].sum()
        self.share = torch.tensor(share / 2, device=device)
        self.names = names
        self.copies = None
        if (folder / "copies.json").exists():
            self.add_copies(json.loads((folder / "copies.json").read_text()), np.load(folder / "copies.npy"))

    def add_copies(self, copies: list[dict], audio: np.ndarray) -> None:
        """Vocoded bona fide speech (copies.py): drawn in training alone, after the clips. Each weighs as its clip does."""
        copies = [c for c in copies if c["clip"] < len(self.rows)]
        clip = torch.tensor([c["clip"] for c in copies], device=self.device)
        start = torch.tensor([c["start"] for c in copies], device=self.device)[:, None] + len(self.audio)
        size = torch.tensor([c["size"] for c in copies], device=self.device)[:, None]
        self.audio = torch.cat([self.audio, torch.from_numpy(audio).to(self.device)])
        self.start = torch.cat([self.start, start.expand(-1, 2)])
        self.size = torch.cat([self.size, size.expand(-1, 2)])
        self.label = torch.cat([self.label, torch.ones(len(copies), device=self.device)])
        self.folds = torch.cat([self.folds, self.folds[clip]])
        self.copied = [c["clip"] for c in copies]
        self.copies = self.share[clip] / self.share[clip].sum()

    def draw(self, count: int, copies: float = 0.0) -> torch.Tensor:
        """Clips by family; `copies` is the part of the spoofed half that is vocoded bona fide speech."""
        share = self.share
        if copies:
            spoof = self.label[: len(share)] > 0
            share = torch.cat([torch.where(spoof, share * (1 - copies), share), self.copies * copies / 2])
        return torch.multinomial(share, count, replacement=True)

    def cut(self, at: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """[n, 48000]: pieces, repeated where they are short."""
        index = at[:, None] + torch.arange(SAMPLES, device=self.device)[None] % length[:, None]
        return self.audio[index].float() / 32767

    def batch(self, clips: torch.Tensor) -> torch.Tensor:
        """A random piece of each clip (one in four of its degraded copy) after a random channel."""
        n = len(clips)
        which = (torch.rand(n, device=self.device) < 0.25).long()
        at, size = self.start[clips, which], self.size[clips, which]
        short = (torch.rand(n, device=self.device) * 1.7 + 1.2) * 16000
        full = torch.rand(n, device=self.device) > 0.25
        length = torch.minimum(torch.where(full, torch.full_like(size, SAMPLES), short.long()), size)
        at = at + (torch.rand(n, device=self.device) * (size - length + 1).float()).long()
        return augment(self.cut(at, length))

    @torch.no_grad()
    def each(self, run, take: np.ndarray | None = None, size: int = 192) -> torch.Tensor:
        """`run` of the stored windows in `take` (all if None), in order."""
        index = torch.tensor(np.flatnonzero(take) if take is not None else np.arange(len(self.clip)), device=self.device)
        return torch.cat([run(self.cut(self.at[i], self.length[i])).float() for i in index.split(size)])


class Results:
    """Scores, weights and notes in one file that is rewritten as results come."""

    def __init__(self, path: Path) -> None:
        self.path, self.arrays, self.notes = path, {}, {"log": [], "figures": {}}
        if path.exists():
            with np.load(path, allow_pickle=False) as z:
                self.arrays = {k: z[k] for k in z.files if k != "notes"}
                self.notes = json.loads(str(z["notes"]))

    def log(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        print(line, flush=True)
        self.notes["log"].append(line)

    def score(self, data: Data, name: str, values: np.ndarray) -> float:
        m = figures.measure(data, values)
        self.arrays["score/" + name] = values.astype(np.float32)
        self.notes["figures"][name] = {k: round(v, 4) for k, v in m.items()}
        self.log(f"{name}: merit {figures.merit(m):.4f} {self.notes['figures'][name]}")
        return float(np.nan_to_num(figures.merit(m)))  # a tiny run has figures of nothing

    def state(self, name: str, tensors: dict[str, np.ndarray], only: bool = False) -> None:
        self.arrays = {k: v for k, v in self.arrays.items()
                       if not k.startswith("state/" if only else f"state/{name}/")}
        self.arrays.update({f"state/{name}/{k}": v for k, v in tensors.items()})

    def save(self) -> None:
        part = self.path.with_suffix(".part")
        with open(part, "wb") as f:
            np.savez(f, notes=np.array(json.dumps(self.notes)), **self.arrays)
        part.replace(self.path)
