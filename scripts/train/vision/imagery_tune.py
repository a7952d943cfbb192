"""Imagery, with CUDA: do more views help, which layers, and what does tuning CLIP's layer norms bring?

    python imagery_tune.py --encoder features.onnx --seconds 400

Everything is judged out of fold as imagery_train.py has it (families of generators, bona fide sources and whatever
shares a repository held out together), on the stored pictures (view 0) and on degraded ones (from view 1). Each line of
`tune.json` is one setting: a logistic regression of the frozen features, or with a rate of the norms the layer norms
trained together with the same head and the same penalty. `states.npz` has norms, head and scores out of fold of the
settings. The run that the card reports is imagery_compared.json; nothing but its choice of layers is shipped.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from imagery import LONGEST, SIZE, WORK, decode, read_pictures
from imagery_calibrate import NOMINAL, equal, quantile
from imagery_features import chosen, degraded, seed_of
from imagery_train import auc, folds_of, weights_of
from networks import Clip, clip
from pixels import fit, resize
from torch.nn import functional as F

VIEWS, EVALUATED, KEPT = 12, (0, 1, 2), 2
C = 1e-3
# In the order in which they are tried while time is left. Name: layers, what of the picture, C, rate of the norms, rate of
# the head, passes over all pictures, seed
SETTINGS = {
    "layer 8": ((8,), "whole", C, 0, 0, 0, 0),
    "norms 1e-3, 12 passes": ((8,), "whole", C, 1e-3, 1e-3, 12, 0),
    "layer 6": ((6,), "whole", C, 0, 0, 0, 0),
    "layer 10": ((10,), "whole", C, 0, 0, 0, 0),
    "layers 6 and 8": ((6, 8), "whole", C, 0, 0, 0, 0),
    "layers 6, 8 and 10": ((6, 8, 10), "whole", C, 0, 0, 0, 0),
    "layer 8, C 1e-4": ((8,), "whole", 1e-4, 0, 0, 0, 0),
    "layer 8, C 1e-2": ((8,), "whole", 1e-2, 0, 0, 0, 0),
    "layer 8, native crop": ((8,), "crop", C, 0, 0, 0, 0),
    "norms 3e-4, 12 passes": ((8,), "whole", C, 3e-4, 1e-3, 12, 0),
    "native crop, norms 1e-3, 12 passes": ((8,), "crop", C, 1e-3, 1e-3, 12, 0),
    "norms 3e-3, 12 passes": ((8,), "whole", C, 3e-3, 1e-3, 12, 0),
    "norms 1e-3, 30 passes": ((8,), "whole", C, 1e-3, 1e-3, 30, 0),
    "layers 6 and 8, norms 1e-3, 12 passes": ((6, 8), "whole", C, 1e-3, 1e-3, 12, 0),
    "norms 1e-3, 12 passes, seed 1": ((8,), "whole", C, 1e-3, 1e-3, 12, 1),
    "layer 10, norms 1e-3, 12 passes": ((10,), "whole", C, 1e-3, 1e-3, 12, 0),
}


def alarms(score: np.ndarray, source: np.ndarray) -> tuple[float, np.ndarray]:
    """The 99 % point, every source weighing the same, and what is over it when it is set without its own source."""
    share, over = equal(source), np.zeros(len(score), bool)
    for s in set(source):
        rest = source != s
        over[~rest] = score[~rest] >= quantile(score[rest], share[rest], 1 - NOMINAL)
    return quantile(score, share, 1 - NOMINAL), over


def crop_of(rgb: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """A square of SIZE at the scale of the reduced picture: from the middle, or anywhere."""
    rgb = fit(rgb, LONGEST)
    h, w = rgb.shape[:2]
    if min(h, w) < SIZE:
        scale = SIZE / min(h, w)
        rgb = resize(rgb, max(SIZE, round(w * scale)), max(SIZE, round(h * scale)), "bicubic")
        h, w = rgb.shape[:2]
    y, x = ((h - SIZE) // 2, (w - SIZE) // 2) if rng is None else (rng.integers(h - SIZE + 1), rng.integers(w - SIZE + 1))
    return rgb[y:y + SIZE, x:x + SIZE]


def make_views(part: int, parts: int, pictures: list[dict], files: Path, work: Path, shape, until: float) -> None:
    """Every parts-th picture, all pictures in one view before the next view."""
    cv2.setNumThreads(1)
    whole, crop, done = (np.memmap(work / n, t, "r+", shape=s) for n, t, s in (
        ("whole.u8", np.uint8, shape), ("crop.u8", np.uint8, shape), ("done.u8", np.uint8, shape[:2])))
    memory = {}
    for v in range(shape[0]):
        for i in range(part, len(pictures), parts):
            if time.time() > until:
                return
            name = pictures[i]["name"]
            if i not in memory:
                memory[i] = decode((files / name).read_bytes())
            rgb = degraded(memory[i], seed_of(name, v)) if v else memory[i]
            whole[v, i] = resize(fit(rgb, LONGEST), SIZE, SIZE, "bicubic")
            # views that are evaluated are cut as a user's picture would be
            crop[v, i] = crop_of(rgb, None if v in EVALUATED else np.random.default_rng(seed_of(name, v) + 1))
            done[v, i] = 1


def regression(x, y, w, c: float):
    """(mean, deviation, weight, bias), the standardiser not folded in: scikit-learn's objective, on the device of x."""
    w = w / w.sum()
    mean = (w[:, None] * x).sum(0)
    std = (w[:, None] * (x - mean) ** 2).sum(0).sqrt() + 1e-6
    z = (x - mean) / std
    weight, bias = torch.zeros(x.shape[1], device=x.device, requires_grad=True), torch.zeros((), device=x.device, requires_grad=True)
    penalty = 1 / (2 * c)
    n = regression.pictures
    best = torch.optim.LBFGS([weight, bias], max_iter=150, history_size=20, line_search_fn="strong_wolfe")

    def closure():
        best.zero_grad()
        loss = (w * F.binary_cross_entropy_with_logits(z @ weight + bias, y, reduction="none")).sum() + penalty / n * weight.square().sum()
        loss.backward()
        return loss
    best.step(closure)
    return mean, std, weight.detach(), bias.detach()


class Judge:
    """Weighed AUC by content and recall at the 99 % point, from scores out of fold [pictures, evaluated views]."""

    def __init__(self, pictures: list[dict]):
        self.pictures = pictures
        self.y = np.array([p["label"] == "spoof" for p in pictures])
        self.face = np.array([bool(p["face"]) for p in pictures])
        self.source = np.array([p["source"] for p in pictures])
        self.w = weights_of(pictures)

    def __call__(self, s: np.ndarray) -> dict:
        out = {}
        for v in range(s.shape[1]):
            one = {}
            for name, these in (("all", np.ones_like(self.face)), ("other", ~self.face), ("face", self.face)):
                a, b = these & ~self.y, these & self.y
                one[name] = round(auc(s[a, v], s[b, v], self.w[a], self.w[b]), 4)
            for name, these in (("other", ~self.face), ("face", self.face)):
                a, b = these & ~self.y, these & self.y
                at, wrong = alarms(s[a, v], self.source[a])
                one["recall_" + name] = round(float((s[b, v] >= at).mean()), 4)
                one["alarms_" + name] = round(float(wrong.mean()), 4)
            out[f"view {v}"] = one
        return out


@torch.no_grad()
def features(model: Clip, images: torch.Tensor, batch: int = 512) -> torch.Tensor:
    out = []
    for i in range(0, len(images), batch):
        out.append(model.features(Clip.prepare(images[i:i + batch])))
    return torch.cat(out)


def tune(model: Clip, views, y, w, learn: np.ndarray, head, setting, batch: int, until: float):
    """Trains the norms of `model` in place, and the head from `head`; returns the head."""
    layers, _, c, rate, head_rate, passes, seed = setting
    device = views.device
    mean, std, weight, bias = head
    weight, bias = weight.clone().requires_grad_(True), bias.clone().requires_grad_(True)
    norms = [p for k, part in model.tuned().items() if k != "head" for p in part.parameters()]
    best = torch.optim.AdamW([{"params": norms, "lr": rate}, {"params": [weight, bias], "lr": head_rate * 0.1}], weight_decay=0)
    steps = max(1, passes * len(learn) // batch)
    slope = torch.optim.lr_scheduler.OneCycleLR(best, [rate, head_rate * 0.1], total_steps=steps, pct_start=0.15)
    rng = np.random.default_rng(seed)
    p = w[learn] / w[learn].sum()
    n = regression.pictures
    for _ in range(steps):
        if time.time() > until:
            break
        pick = rng.choice(learn, batch, p=p)
        view = rng.integers(0, len(views), batch)
        x = views[torch.from_numpy(view).to(device), torch.from_numpy(pick).to(device)]
        with torch.autocast(device.type, torch.bfloat16, device.type == "cuda"):
            f = model.features(Clip.prepare(x))
        z = F.dropout((f.float() - mean) / std, 0.1)
        loss = F.binary_cross_entropy_with_logits(z @ weight + bias, y[torch.from_numpy(pick).to(device)])
        loss = loss + 1 / (2 * c * n) * weight.square().sum()
        best.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(norms, 1.0)
        best.step()
        slope.step()
    return mean, std, weight.detach(), bias.detach()


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=WORK)
    p.add_argument("--encoder", type=Path)
    p.add_argument("--out", type=Path)
    p.add_argument("--seconds", type=float, default=400)
    p.add_argument("--workers", type=int, default=8)
    p.add_argument("--views", type=int, default=VIEWS)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--limit", type=int, help="a trial: so many pictures")
    args = p.parse_args()
    began = time.time()
    end = began + args.seconds
    out = args.out or args.work / "tune"
    out.mkdir(parents=True, exist_ok=True)
    faces = json.loads((args.work / "faces.json").read_text())
    pictures = [q | {"face": faces[q["name"]][0]} for q in chosen(read_pictures(args.work))][:args.limit]
    shape = (args.views, len(pictures), SIZE, SIZE, 3)
    for name, s in (("whole.u8", shape), ("crop.u8", shape), ("done.u8", shape[:2])):
        np.memmap(out / name, np.uint8, "w+", shape=s)
    until = began + 0.42 * args.seconds
    crew = [mp.get_context("fork").Process(target=make_views, args=(k, args.workers, pictures, args.work / "pictures", out, shape, until))
            for k in range(args.workers)]
    [c.start() for c in crew]
    [c.join() for c in crew]
    done = np.memmap(out / "done.u8", np.uint8, "r", shape=shape[:2])
    complete = int(done.all(1).sum())
    print(f"{complete} views of {len(pictures)} pictures, {time.time() - began:.0f} s", flush=True)

    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    views = {n: torch.from_numpy(np.array(np.memmap(out / f"{n}.u8", np.uint8, "r", shape=shape)[:complete])).to(device) for n in ("whole", "crop")}
    for name in ("whole.u8", "crop.u8", "done.u8"):
        (out / name).unlink()
    judge = Judge(pictures)
    y = torch.from_numpy(judge.y.astype(np.float32)).to(device)
    fold, w = folds_of(pictures), judge.w
    regression.pictures = len(pictures)
    tested = [v for v in EVALUATED if v < complete]
    results, states, frozen = {}, {"names": np.array([q["name"] for q in pictures]), "fold": fold}, {}

    def save():
        (out / "tune.json").write_text(json.dumps({"views": complete, "pictures": len(pictures), "settings": results}, indent=1))
        np.savez(out / "states.npz", **states)

    def frozen_features(layers, what) -> torch.Tensor:
        """[views, pictures, d]; one pass for all layers that are compared."""
        for layer in layers:
            if (layer, what) not in frozen:
                model = clip(args.encoder, (6, 8, 10) if what == "whole" else (8,)).to(device).eval()
                f = torch.stack([features(model, views[what][v]) for v in range(complete)])
                d = f.shape[-1] // len(model.used)
                for k, one in enumerate(model.used):
                    frozen[one, what] = f[:, :, k * d:(k + 1) * d]
        return torch.cat([frozen[layer, what] for layer in layers], 2)

    def head_of(x, learn, c, some=None):
        x = x[:some, torch.from_numpy(learn).to(device)]
        k = len(x)
        weight = torch.from_numpy(np.tile(w[learn], k).astype(np.float32)).to(device)
        return regression(x.reshape(-1, x.shape[-1]), y[torch.from_numpy(learn).to(device)].repeat(k), weight, c)

    score = lambda head, x: ((x - head[0]) / head[1]) @ head[2] + head[3]
    def final(name: str) -> None:
        """The setting, trained on every picture: its norms and head, and its features of the first views."""
        layers, what, c, rate = SETTINGS[name][:4]
        everything = np.arange(len(pictures))
        head = head_of(frozen_features(layers, what), everything, c)
        model = clip(args.encoder, layers).to(device).eval()
        if rate:
            head = tune(model, views[what], y, w, everything, head, SETTINGS[name], args.batch, end - 4)
            for key, part in model.tuned().items():
                if key != "head":
                    states[f"{name}|{key}.weight"], states[f"{name}|{key}.bias"] = (v.detach().cpu().numpy().astype(np.float16) for v in (part.weight, part.bias))
        mean, std, weight, bias = (v.cpu().numpy() for v in head)
        states[f"{name}|head"], states[f"{name}|bias"] = weight / std, bias - (weight / std) @ mean
        save()

    score = lambda head, x: ((x - head[0]) / head[1]) @ head[2] + head[3]
    merit = lambda r: sum(r[f"view {v}"]["other"] + 0.5 * r[f"view {v}"]["recall_other"] for v in tested)
    for name, setting in SETTINGS.items():
        layers, what, c, rate = setting[:4]
        start = time.time()
        if end - start < 60:
            break
        x = frozen_features(layers, what)
        if not (out / "frozen.npz").is_file() and (8, "whole") in frozen:
            np.savez(out / "frozen.npz", layer_8=frozen[8, "whole"][:KEPT].cpu().numpy().astype(np.float16))
        shown = min(complete, 4)
        oof = np.full((len(pictures), shown), np.nan, np.float32)
        other = oof.copy()
        for k in sorted(set(fold)):
            learn, held = np.flatnonzero(fold != k), torch.from_numpy(np.flatnonzero(fold == k)).to(device)
            head = head_of(x, learn, c)
            if not rate:
                oof[fold == k] = score(head, x[:shown, held]).T.cpu().numpy()
                other[fold == k] = score(head_of(x, learn, c, 2), x[:shown, held]).T.cpu().numpy()
            else:
                model = clip(args.encoder, layers).to(device).eval()
                head = tune(model, views[what], y, w, learn, head, setting, args.batch, end - 40)
                new = torch.stack([features(model, views[what][v]) for v in range(shown)])
                oof[fold == k] = score(head, new[:, held]).T.cpu().numpy()
                other[fold == k] = score(head_of(new, learn, c), new[:, held]).T.cpu().numpy()
            if time.time() > end - 40:
                break
        if np.isnan(oof).any():
            break
        states[f"{name}|oof"] = oof
        results[name] = {"seconds": round(time.time() - start, 1), **judge(oof[:, tested])}
        results[name + (", head fitted again" if rate else ", two views")] = judge(other[:, tested])
        print(name, json.dumps(results[name]), flush=True)
        save()
    tuned = sorted((n for n in results if n in SETTINGS and SETTINGS[n][3]), key=lambda n: -merit(results[n]))
    for name in ["layer 8", *tuned[:3]]:
        if name in results and time.time() < end - 8:
            final(name)
            print("trained on everything:", name, flush=True)
    print(f"{time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
