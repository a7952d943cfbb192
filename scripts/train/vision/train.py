"""Stage 2: fine-tune EfficientNet-Lite0 on self-blended pairs that are made on the fly.

    python train.py --minutes 40 --workers 2            # two CPU cores: fewer pairs, backbone partly frozen
    python train.py --minutes 6 --workers 15 --batch 96  # with CUDA, found by itself

Fold 0 (by identity) is never trained on; calibrate.py uses it. Resumable: a finished `model.pt` is kept.
"""
from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from degrade import Plan
from efficientnet_lite0 import EfficientNetLite0
from PIL import Image
from sbi import pair
from torch.utils.data import DataLoader, IterableDataset

HELD_OUT = 0
CROP_MARGIN = 1.8
SHARE = {"portrait": 0.2, "photo": 0.55, "video": 0.25}   # or the net takes every style but portraits for a forgery


def load(work: Path, keep) -> list[dict]:
    items = []
    for entry in json.loads((work / "crops/crops.json").read_text()):
        if keep(entry):
            entry["rgb"] = np.asarray(Image.open(work / "crops" / entry["name"]).convert("RGB"))
            entry["points"] = np.asarray(entry["points"], np.float32)
            items.append(entry)
    return items


def chances(items: list[dict]) -> np.ndarray:
    """Kinds in fixed shares; within a kind each source by the root of its size, each person or recording alike."""
    p = np.zeros(len(items))
    of = lambda key: np.array([i[key] for i in items])
    kinds, sources, groups = of("kind"), of("source"), of("group")
    for kind, share in SHARE.items():
        mine = kinds == kind
        if not mine.any():
            continue
        names = sorted(set(sources[mine]))
        sizes = {s: np.sqrt((mine & (sources == s)).sum()) for s in names}
        for s in names:
            there = sorted(set(groups[mine & (sources == s)]))
            for g in there:
                faces = np.flatnonzero(mine & (sources == s) & (groups == g))
                p[faces] += share * sizes[s] / sum(sizes.values()) / len(there) / len(faces)
    # large faces carry the fine structure of a seam
    p *= np.array([2.0 if i["native_face"] >= 130 else 1.0 for i in items])
    return p / p.sum()


def tensor(images) -> torch.Tensor:
    """uint8 HWC pictures to the net's input: (x - 127) / 128."""
    return (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() - 127) / 128


class Pairs(IterableDataset):
    """Endless pairs; every worker has its own random stream."""

    def __init__(self, items: list[dict], seed: int):
        self.items, self.seed = items, seed
        self.p = chances(items)

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        while True:
            a, b = rng.choice(len(self.items), 2, p=self.p)
            yield np.stack(pair(rng, self.items[a], self.items[b], CROP_MARGIN))


CONDITIONS = {
    "clean": [], "jpeg50": [("jpeg", 50)],
    "crf23": [("x264", 23, [(1, 0), (0, 1)])], "crf28": [("x264", 28, [(1, 0), (0, 1)])],
    "crf33": [("x264", 33, [(1, 0), (0, 1)])],
}


def validation(items: list[dict], name: str, repeat: int, seed: int = 99):
    """Fixed pairs of the held-out identities: a named condition, or a random degradation each."""
    rng = np.random.default_rng(seed)
    for item in items:
        for _ in range(repeat):
            other = items[int(rng.integers(len(items)))]
            plan = Plan(CONDITIONS[name]) if name in CONDITIONS else Plan.draw(rng, item["grey"])
            yield pair(rng, item, other, CROP_MARGIN, plan, jitter=name not in CONDITIONS)


@torch.no_grad()
def score(model, images, device) -> np.ndarray:
    model.eval()
    out = []
    for i in range(0, len(images), 64):
        out.append(model(tensor(images[i:i + 64]).to(device)).float().cpu().numpy())
    return np.concatenate(out)


def auc(bona, spoof) -> float:
    both = np.concatenate([bona, spoof])
    rank = both.argsort().argsort() + 1.0
    return float((rank[len(bona):].sum() - len(spoof) * (len(spoof) + 1) / 2) / (len(bona) * len(spoof)))


def backward(model, x, y, device) -> torch.Tensor:
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        logit = model(x)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit.float(), y * 0.96 + 0.02)
    loss.backward()
    return loss.detach()


@torch.no_grad()
def climb(params, rho: float) -> list[tuple]:
    """Move every parameter along its gradient, together by `rho`; returns the moves to undo them."""
    grads = [(q, q.grad) for q in params if q.grad is not None]
    length = torch.sqrt(sum((g * g).sum() for _, g in grads)) + 1e-12
    moves = [(q, g * (rho / length)) for q, g in grads]
    for q, move in moves:
        q.add_(move)
    return moves


def descend(model, x, y, optim, params, sam: float, device) -> torch.Tensor:
    """One step on a batch; with `sam` > 0 by sharpness-aware minimisation, as in the SBI paper: the gradient at the worst
    point nearby."""
    model.train()
    optim.zero_grad(set_to_none=True)
    loss = backward(model, x, y, device)
    if sam > 0:
        moves = climb(params, sam)
        optim.zero_grad(set_to_none=True)
        backward(model, x, y, device)
        with torch.no_grad():
            for q, move in moves:
                q.sub_(move)
    torch.nn.utils.clip_grad_norm_(params, 2.0)
    optim.step()
    return loss


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, default=Path(__file__).resolve().parents[3] / ".cache/train/vision")
    p.add_argument("--out", type=Path)
    p.add_argument("--backbone", type=Path)
    p.add_argument("--start", type=Path, help="a model.pt to go on from; its held-out people must be the same")
    p.add_argument("--minutes", type=float, default=40)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--batch", type=int, default=16, help="pairs")
    p.add_argument("--lr", type=float, default=4e-4)
    p.add_argument("--sam", type=float, default=0.0, help="radius of sharpness-aware minimisation; doubles a step")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--repeat", type=int, default=3)
    args = p.parse_args()
    out = args.out or args.work
    if (out / "model.pt").is_file():
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    train, held = (load(args.work, k) for k in (lambda e: e["fold"] != HELD_OUT, lambda e: e["fold"] == HELD_OUT))
    print(device, len(train), "training faces,", len(held), "held out", flush=True)
    model = EfficientNetLite0()
    if not args.start:
        model.load_backbone(torch.load(args.backbone or args.work / "backbone.pth", map_location="cpu"))
    earlier = torch.load(args.start, map_location="cpu") if args.start else {"pairs": 0}
    if args.start:
        model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in earlier["state"].items()})
    if device == "cpu":   # the first blocks stay as they are: a third of the time of a step
        for part in (model._conv_stem, model._bn0, model._blocks[0], model._blocks[1], model._blocks[2]):
            part.requires_grad_(False)
    model.to(device)
    ema = copy.deepcopy(model).eval()
    params = [q for q in model.parameters() if q.requires_grad]
    optim = torch.optim.AdamW(params, lr=args.lr, weight_decay=0.02)
    loader = iter(DataLoader(Pairs(train, args.seed), batch_size=args.batch, num_workers=args.workers,
                             prefetch_factor=4 if args.workers else None, pin_memory=device == "cuda"))
    began, step, running = time.time(), 0, 0.0
    while True:
        done = (time.time() - began) / (args.minutes * 60)
        if done >= 1:
            break
        for group in optim.param_groups:   # warm-up, then cosine over the time budget
            group["lr"] = args.lr * min(1, done / 0.03 + 0.02) * (0.5 + 0.5 * np.cos(np.pi * done))
        batch = next(loader).to(device, non_blocking=True)
        x = ((batch.permute(1, 0, 4, 2, 3).flatten(0, 1)).float() - 127) / 128
        y = torch.cat([torch.zeros(len(batch)), torch.ones(len(batch))]).to(device)
        loss = descend(model, x, y, optim, params, args.sam, device)
        step += 1
        decay = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for a, b in zip(ema.state_dict().values(), model.state_dict().values()):
                a.lerp_(b, 1 - decay) if a.is_floating_point() else a.copy_(b)
        running = 0.98 * running + 0.02 * loss.item() if step > 1 else loss.item()
        if step % 200 == 0:
            print(f"step {step} pairs {step * args.batch} loss {running:.3f} minutes {(time.time() - began) / 60:.1f}",
                  flush=True)
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"state": {k: v for k, v in ema.state_dict().items()},
                "pairs": earlier["pairs"] + step * args.batch, "minutes": args.minutes, "device": device}, out / "model.part")
    (out / "model.part").rename(out / "model.pt")
    for name in ("clean", "mixed") if args.repeat else ():
        made = list(validation(held, name, args.repeat))
        bona, spoof = score(ema, [a for a, _ in made], device), score(ema, [b for _, b in made], device)
        print(f"held-out {name}: AUC {auc(bona, spoof):.3f} paired {np.mean(spoof > bona):.3f}", flush=True)


if __name__ == "__main__":
    main()
