"""Stage 2, with a GPU: the networks that are compared for face-blend, one after the other in a fixed time.

    python experiments.py --work .cache/train/vision --seconds 450 --workers 10

Worker processes make self-blended pairs without end; every finished pair goes into one pool that all experiments draw
from, so that no experiment waits for the processors. Fold 0, by person, recording or source, is never trained on.
Results are written as each experiment ends: `results.json` (tables and held-out scores; compared.py keeps the figures),
`model.pt` (`lite0`, for export.py), `lite0.pt`, `clip.pt`.

On a CPU the same code runs with a small `--batch` and `--pool`; give `--seconds` by the hour there.
"""
from __future__ import annotations

import argparse
import copy
import json
import mmap
import multiprocessing
import os
import time
import traceback
from pathlib import Path

import cv2
import numpy as np
import torch
from degrade import Plan
from networks import Clip, Lite0, clip, lite0
from sbi import SIZE, pair
from train import CONDITIONS, CROP_MARGIN, HELD_OUT, SHARE, auc, chances, descend, load

ROOT = Path(__file__).resolve().parents[3]
SLOTS = 200                      # finished pairs that a worker may have waiting
PAIR = (2, SIZE, SIZE, 3)
HELD = [*CONDITIONS, "mixed", "mixed"]   # a held-out face once in each
# experiment: its part of the time after the held-out pairs are made
PARTS = {"lite0": 0.42, "clip": 0.42, "lite0-patches": 0.16}


class Source:
    """Worker processes and the memory they share with this one."""

    def __init__(self, items: list[dict], workers: int, seed: int):
        self.train = [i for i in items if i["fold"] != HELD_OUT]
        self.held = [i for i in items if i["fold"] == HELD_OUT]
        self.workers, self.seed, self.parent = workers, seed, os.getpid()
        size = int(np.prod(PAIR))
        self.ring = np.frombuffer(mmap.mmap(-1, workers * SLOTS * size), np.uint8).reshape(workers, SLOTS, *PAIR)
        self.fixed = np.frombuffer(mmap.mmap(-1, len(self.held) * len(HELD) * size), np.uint8).reshape(len(self.held), len(HELD), *PAIR)
        # made and taken pairs of each worker, and the held-out ones that it has finished
        self.count = np.frombuffer(mmap.mmap(-1, workers * 3 * 8), np.int64).reshape(3, workers)
        context = multiprocessing.get_context("fork")
        self.processes = [context.Process(target=self.work, args=(w,), daemon=True) for w in range(workers)]
        for process in self.processes:
            process.start()

    def work(self, w: int) -> None:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        for i in range(w, len(self.held), self.workers):
            for j, name in enumerate(HELD):
                rng = np.random.default_rng([99, i, j])
                item, other = self.held[i], self.held[int(rng.integers(len(self.held)))]
                plan = Plan(CONDITIONS[name]) if name in CONDITIONS else Plan.draw(rng, item["grey"])
                self.fixed[i, j] = np.stack(pair(rng, item, other, CROP_MARGIN, plan, jitter=name not in CONDITIONS))
            self.count[2, w] += 1
        rng, p = np.random.default_rng([self.seed, w]), chances(self.train)
        while os.getppid() == self.parent:
            if self.count[0, w] - self.count[1, w] >= SLOTS:
                time.sleep(0.01)
                continue
            a, b = rng.choice(len(self.train), 2, p=p)
            try:
                self.ring[w, self.count[0, w] % SLOTS] = np.stack(pair(rng, self.train[a], self.train[b], CROP_MARGIN))
            except Exception:   # one picture must not end a worker
                traceback.print_exc()
                continue
            self.count[0, w] += 1

    def held_ready(self) -> bool:
        return int(self.count[2].sum()) >= len(self.held)

    def take(self) -> np.ndarray | None:
        """All pairs finished since the last call."""
        out = []
        for w in range(self.workers):
            made, taken = int(self.count[0, w]), int(self.count[1, w])
            if made > taken:
                out.append(self.ring[w, np.arange(taken, made) % SLOTS])
                self.count[1, w] = made
        return np.concatenate(out) if out else None


class Pool:
    """Pairs on the device; when it is full, new ones take the place of the oldest."""

    def __init__(self, source: Source, room: int, device: str):
        self.source, self.made = source, 0
        self.pairs = torch.empty((room, *PAIR), dtype=torch.uint8, device=device)

    def __len__(self) -> int:
        return min(self.made, len(self.pairs))

    def fill(self) -> None:
        fresh = self.source.take()
        if fresh is not None:
            at = torch.arange(self.made, self.made + len(fresh)) % len(self.pairs)
            self.pairs[at.to(self.pairs.device)] = torch.from_numpy(fresh).to(self.pairs.device)
            self.made += len(fresh)

    def batch(self, size: int) -> torch.Tensor:
        """[2 * size, 224, 224, 3] uint8: all bona fide ones, then their forged ones; pairs are mirrored alike."""
        pairs = self.pairs[torch.randint(len(self), (size,), device=self.pairs.device)]
        flip = torch.rand(size, device=pairs.device) < 0.5
        pairs[flip] = pairs[flip].flip(3)
        return pairs.transpose(0, 1).reshape(-1, *PAIR[1:])


@torch.no_grad()
def score(model, images: np.ndarray, device: str) -> np.ndarray:
    model.eval()
    out = []
    for i in range(0, len(images), 128):
        out.append(model(model.prepare(torch.from_numpy(images[i:i + 128]).to(device))).float().cpu().numpy())
    return np.concatenate(out)


def judge(model, source: Source, device: str) -> dict:
    """Held-out AUC by condition and kind, and how far the sources' bona fide scores lie apart."""
    n = len(source.held)
    bona = score(model, source.fixed[:, :, 0].reshape(-1, *PAIR[1:]), device).reshape(n, len(HELD))
    fake = score(model, source.fixed[:, :, 1].reshape(-1, *PAIR[1:]), device).reshape(n, len(HELD))
    kinds, names = (np.array([i[k] for i in source.held]) for k in ("kind", "source"))
    large = np.array([i["native_face"] >= 130 for i in source.held])
    parts = {"all": np.ones(n, bool), **{k: kinds == k for k in SHARE}, "130 px": large}
    table = {}
    for part, mine in parts.items():
        if mine.sum() >= 5:
            table[part] = {"faces": int(mine.sum())}
            for name in dict.fromkeys(HELD):
                columns = [j for j, h in enumerate(HELD) if h == name]
                table[part][name] = round(auc(bona[mine][:, columns].ravel(), fake[mine][:, columns].ravel()), 4)
    top = np.quantile(bona, 0.99)
    spread = {s: [int((names == s).sum()), round(float(np.median(bona[names == s])), 3),
                  round(float((bona[names == s] >= top).mean()), 4)] for s in sorted(set(names))}
    return {"auc": table, "paired": round(float((fake > bona).mean()), 4), "recall at 1 %": round(float((fake >= top).mean()), 4),
            "sources: faces, median bona fide score, share over the 1 % point": spread,
            "held": [[i["name"], i["group"]] for i in source.held],
            "bona": np.round(bona, 3).tolist(), "fake": np.round(fake, 3).tolist()}


def fit_head(model: Clip, pool: Pool, device: str, most: int = 6000, steps: int = 400) -> None:
    """The frozen network's linear head, from features of pairs that are looked at once."""
    model.eval()
    rows = []
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        for i in range(0, min(len(pool), most), 64):
            both = pool.pairs[i:i + 64].transpose(0, 1)
            rows.append(torch.stack([model.features(model.prepare(x)) for x in both]))
    x = torch.cat(rows, 1).float()
    y = torch.cat([torch.zeros(x.shape[1]), torch.ones(x.shape[1])]).to(device)
    x = x.flatten(0, 1)
    model.scale.running_mean.copy_(x.mean(0))
    model.scale.running_var.copy_(x.var(0))
    x = (x - x.mean(0)) / (x.var(0) + model.scale.eps).sqrt()
    w, b = torch.zeros(x.shape[1], device=device, requires_grad=True), torch.zeros(1, device=device, requires_grad=True)
    optim = torch.optim.Adam([w, b], lr=3e-3)
    for _ in range(steps):
        optim.zero_grad()
        # the penalty of a logistic regression with C = 1e-3, as a mean over the rows
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y) + 0.5e3 / len(x) * (w * w).sum()
        loss.backward()
        optim.step()
    with torch.no_grad():
        model.head.weight.copy_(w[None])
        model.head.bias.copy_(b)


def train(model, pool: Pool, seconds: float, device: str, batch: int, groups: list[dict], sam: float, least: int = 2) -> tuple:
    """The averaged model and what it saw; warm-up, then cosine over the time."""
    ema = copy.deepcopy(model).eval()
    params = [q for g in groups for q in g["params"]]
    optim = torch.optim.AdamW(groups, weight_decay=0.02)
    top = [g["lr"] for g in optim.param_groups]
    began, step, running, first = time.time(), 0, 0.0, pool.made
    while (done := (time.time() - began) / seconds) < 1 or step < least:
        for g, lr in zip(optim.param_groups, top):
            g["lr"] = lr * min(1, done / 0.05 + 0.02) * (0.5 + 0.5 * np.cos(np.pi * min(done, 1)))
        pool.fill()
        x = model.prepare(pool.batch(batch))
        y = torch.cat([torch.zeros(batch), torch.ones(batch)]).to(device)
        loss = descend(model, x, y, optim, params, sam, device)
        step += 1
        decay = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            theirs = dict(model.named_parameters()) | dict(model.named_buffers())
            for name, a in [*ema.named_parameters(), *ema.named_buffers()]:
                b = theirs[name]
                a.lerp_(b, 1 - decay) if a.is_floating_point() else a.copy_(b)
        running = 0.98 * running + 0.02 * loss.item() if step > 1 else loss.item()
        if step % 100 == 0:
            print(f"  step {step} loss {running:.3f} pool {pool.made} seconds {time.time() - began:.0f}", flush=True)
    return ema, {"steps": step, "pairs seen": step * batch, "pairs made meanwhile": pool.made - first,
                 "loss": round(running, 4), "seconds": round(time.time() - began)}


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--work", type=Path, default=ROOT / ".cache/train/vision")
    p.add_argument("--out", type=Path)
    p.add_argument("--start", type=Path, default=ROOT / "models/face-blend/model.onnx")
    p.add_argument("--clip", type=Path, default=ROOT / ".cache/models/synthetic-image.onnx")
    p.add_argument("--seconds", type=float, default=450)
    p.add_argument("--workers", type=int, default=10)
    p.add_argument("--batch", type=int, default=96, help="pairs")
    p.add_argument("--pool", type=int, default=45_000, help="pairs: 0.3 MB each on the device")
    p.add_argument("--faces", type=int, help="only so many, for a trial")
    p.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    args = p.parse_args()
    began, device = time.time(), "cuda" if torch.cuda.is_available() else "cpu"
    out = args.out or args.work
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = device == "cuda"
    items = load(args.work, lambda entry: True)
    if args.faces:
        items = [items[i] for i in np.random.default_rng(0).permutation(len(items))[:args.faces]]
    source = Source(items, args.workers, seed=11)   # before the GPU is touched: the workers are forks
    results: dict = {"device": device, "torch": torch.__version__, "training faces": len(source.train), "held": len(source.held),
                     "experiments": {}}
    print(results, flush=True)

    def keep(name: str, model, facts: dict) -> None:
        results["experiments"][name] = facts | judge(model, source, device)
        results["seconds"] = round(time.time() - began)
        part = out / "results.part"
        part.write_text(json.dumps(results))
        part.rename(out / "results.json")
        short = {k: v for k, v in results["experiments"][name].items() if k not in ("held", "bona", "fake")}
        print(name, json.dumps(short), f"{time.time() - began:.0f} s", flush=True)

    def save(file: str, states: dict) -> None:
        torch.save(states, out / (file + ".part"))
        (out / (file + ".part")).rename(out / (file + ".pt"))

    images = torch.from_numpy(np.stack([cv2.resize(i["rgb"], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
                                        for i in source.train[::max(1, len(source.train) // 128)]])).to(device)
    pool = Pool(source, args.pool, device)
    while not (source.held_ready() and len(pool) >= min(16 * args.batch, args.pool)):
        pool.fill()
        time.sleep(0.05)
        if time.time() - began > args.seconds:
            raise SystemExit("no time was left after the held-out pairs")
    print(f"held-out pairs ready after {time.time() - began:.0f} s", flush=True)
    small = lambda state: {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    states: dict = {}
    best = None

    def run_lite0(seconds: float, patches: bool) -> None:
        nonlocal best
        if not patches:
            model = lite0(args.start, images).to(device)
            keep("lite0 before", model, {})
        else:
            model = best if best is not None else lite0(args.start, images).to(device)
            model = copy.deepcopy(model)
            model.patches = True
        model.requires_grad_(True)
        rate = 2.5e-4 if patches else 4e-4
        model, facts = train(model, pool, seconds, device, args.batch, [{"params": list(model.parameters()), "lr": rate}], 0.05)
        name = "lite0-patches" if patches else "lite0"
        if not patches:
            best = model
            save("model", {"state": small(model.state_dict()), "pairs": facts["pairs seen"]})   # what export.py reads
        states[name] = small(model.state_dict())
        save("lite0", states)
        keep(name, model, facts)

    def run_clip(seconds: float) -> None:
        start = time.time()
        model = clip(args.clip).to(device)
        fit_head(model, pool, device)
        keep("clip frozen", model, {"seconds": round(time.time() - start)})
        frozen = model.state()
        save("clip", {"frozen": frozen})
        norms = [q for n, q in model.named_parameters() if q.requires_grad and not n.startswith("head")]
        groups = [{"params": norms, "lr": 5e-4}, {"params": list(model.head.parameters()), "lr": 2e-4}]
        model, facts = train(model, pool, max(1.0, seconds - (time.time() - start)), device, args.batch, groups, 0.0)
        save("clip", {"frozen": frozen, "tuned": model.state()})
        keep("clip norms tuned", model, facts)

    left = args.seconds - (time.time() - began) - (30 if args.seconds > 120 else 0)   # judging and saving take a few seconds each
    total = sum(PARTS[n] for n in args.only)
    for name in args.only:
        seconds = max(1.0, min(left * PARTS[name] / total, args.seconds - (time.time() - began) - 8))
        print(name, f"{seconds:.0f} s", flush=True)
        try:
            run_clip(seconds) if name == "clip" else run_lite0(seconds, name == "lite0-patches")
        except Exception:   # the others still run
            traceback.print_exc()
        if device == "cuda":
            print(f"  {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most", flush=True)
            torch.cuda.empty_cache()
    for process in source.processes:
        process.terminate()
    print(f"done after {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
