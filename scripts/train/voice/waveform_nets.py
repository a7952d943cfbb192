"""Stage 3b: networks on waveforms, trained on the same clips and folds as the frozen head; out-of-fold scores of each.

Usage: waveform_nets.py [--waves DIR] [--out DIR] [--seconds N] [--part whisper lcnn raw] [--only NAME ...] [--until MARK] [--tiny]

The models of all folds and the one of all clips are trained side by side: a batch is drawn and degraded once, and each
model learns from the clips of its own folds alone. Scores of every window are written at several steps (of averaged
weights), in the order of model.load. Finished experiments are not run again. Nothing here chooses for the product:
fuse.py does, from these scores. Uses a GPU where there is one.
"""
from __future__ import annotations

import argparse
import copy
import math
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from nets import Lcnn, Raw, Whisper
from waveform_data import Data, Results

FOLDS = 6
STRENGTH = 2.4  # C times the number of windows, of the frozen head
MARKS = (0.25, 0.5, 0.75, 1.0)
# (name, layers, what trains: stored windows, also random channels, also vocoded copies; strength)
HEADS = [("frozen4", 4, "stored", STRENGTH), ("frozen4-channels", 4, "channels", STRENGTH),
         ("frozen4-channels-strong", 4, "channels", 4 * STRENGTH), ("frozen4-copies", 4, "copies", STRENGTH),
         ("frozen4-copies-strong", 4, "copies", 4 * STRENGTH), ("frozen3", 3, "stored", STRENGTH),
         ("frozen3-channels", 3, "channels", STRENGTH), ("frozen2", 2, "stored", STRENGTH),
         ("frozen2-channels", 2, "channels", STRENGTH), ("frozen1-channels", 1, "channels", STRENGTH)]
# (name, layers, what is tuned, learning rate of the last layer)
TUNED = [("tune4", 4, "layers", 3e-5), ("tune2", 2, "layers", 5e-5), ("norms4", 4, "norms", 5e-4),
         ("tune4-fast", 4, "layers", 1.2e-4), ("tune2-fast", 2, "layers", 2e-4), ("tune3", 3, "layers", 6e-5),
         ("norms2", 2, "norms", 1e-3), ("tune1", 1, "layers", 1e-4), ("tune4-again", 4, "layers", 3e-5)]
LCNN = [("lfcc-lcnn16", dict(width=16)), ("bands-lcnn16", dict(width=16, bands=80, cepstra=False)),
        ("lfcc-lcnn32", dict(width=32)), ("lfcc-lcnn16-again", dict(width=16)),
        ("bands-lcnn32", dict(width=32, bands=80, cepstra=False)),
        ("bands-lcnn16-copies", dict(width=16, bands=80, cepstra=False)),
        ("bands-lcnn16-more-copies", dict(width=16, bands=80, cepstra=False)),
        ("bands-lcnn16-again", dict(width=16, bands=80, cepstra=False)),
        ("bands-lcnn8", dict(width=8, bands=80, cepstra=False))]
COPIES = {"bands-lcnn16-copies": 0.25, "bands-lcnn16-more-copies": 0.5}  # part of the spoofed half, from copies.py
RAW = [("raw32", dict(width=32)), ("raw32-again", dict(width=32)), ("raw16", dict(width=16)), ("raw48", dict(width=48))]


class TimeUp(Exception):
    pass


class Run:
    """What every experiment needs."""

    def __init__(self, data: Data, results: Results, waves: Path, end: float, tiny: bool, until: float) -> None:
        self.data, self.results, self.waves, self.end, self.tiny, self.until = data, results, waves, end, tiny, until

    def check(self) -> None:
        if time.time() > self.end:
            raise TimeUp


def averaged(average: torch.nn.Module, model: torch.nn.Module, keep: float) -> None:
    """average = keep * average + (1 - keep) * model, running statistics of the normalisation included."""
    pairs = [(a, b.detach()) for a, b in zip(average.parameters(), model.parameters()) if b.requires_grad]
    pairs += [(a, b) for a, b in zip(average.buffers(), model.buffers()) if a.is_floating_point() and "running" in a.kind]
    mine = [a for a, _ in pairs]
    with torch.no_grad():
        torch._foreach_mul_(mine, keep)
        torch._foreach_add_(mine, [b for _, b in pairs], alpha=1 - keep)


def twin(model: torch.nn.Module) -> torch.nn.Module:
    out = copy.deepcopy(model).eval()
    for name, b in out.named_buffers():
        b.kind = name
    for p in out.parameters():
        p.grad = None
    return out


def others(fold: torch.Tensor, f: int, count: int) -> torch.Tensor:
    """`count` places of a batch that are not of fold `f`: one size always, for which kernels are planned once."""
    foreign = fold == f
    index = torch.argsort(foreign.int(), stable=True)[:count]
    return torch.where(foreign[index], index[:1], index)


def side_by_side(run: Run, name: str, models: list, groups, steps: int, batch: int, half: bool, penalty=None,
                 copies: float = 0.0) -> tuple[float, dict]:
    """Train a model a fold and one of everything (the last); the best mark by merit and the last model's state there."""
    data, device = run.data, run.data.device
    twins = [twin(m) for m in models]
    optimisers = [torch.optim.AdamW(groups(m), weight_decay=0.01) for m in models]
    rates = [[g["lr"] for g in o.param_groups] for o in optimisers]
    marks = {max(1, round(steps * m)): m for m in MARKS if m <= run.until}
    best, state, start = -1.0, {}, time.time()
    for step in range(1, max(marks) + 1):
        run.check()
        now = min(1.0, step / (0.05 * steps)) * (0.525 + 0.475 * math.cos(math.pi * step / steps))
        clips = data.draw(batch, copies)
        x, y, fold = data.batch(clips), data.label[clips], data.folds[clips]
        for f, (model, optimiser) in enumerate(zip(models, optimisers)):
            mine = others(fold, f, round(0.7 * batch))
            model.train()
            torch.backends.cudnn.allow_tf32 = True  # off again for scores: those must be of float32, as at run time
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
                loss = F.binary_cross_entropy_with_logits(model(x[mine]).float(), y[mine])
            if penalty is not None:
                loss = loss + penalty(model)
            for group, rate in zip(optimiser.param_groups, rates[f]):
                group["lr"] = rate * now
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            averaged(twins[f], model, min(0.99, step / (step + 9)))
        if step in (1, 10, 100):
            run.results.log(f"{name}: step {step}, loss {loss.item():.3f}, {time.time() - start:.1f} s")
        torch.backends.cudnn.allow_tf32 = False
        if step in marks:
            score = np.zeros(len(data.clip))
            for f in range(FOLDS):
                test = data.fold[data.clip] == f
                score[test] = data.each(twins[f], test).cpu().numpy()
            merit = run.results.score(data, f"{name}@{marks[step]}", score)
            if merit > best or not state:
                best, state = merit, {k: v.detach().cpu().clone() for k, v in twins[-1].state_dict().items()}
            run.results.save()
    return best, state


def small(run: Run, name: str, make, options: dict, seed: int) -> None:
    """A network from scratch."""
    torch.manual_seed(seed)
    models = [make(**options).to(run.data.device) for _ in range(FOLDS + 1)]

    def groups(model):
        return [{"params": list(model.parameters()), "lr": 1.5e-3}]

    steps, batch = (2, 8) if run.tiny else (1200, 128)
    copies = COPIES.get(name, 0.0)
    if copies and run.data.copies is None:
        raise RuntimeError("no copies: run copies.py")
    _, state = side_by_side(run, name, models, groups, steps, batch, half=False, copies=copies)
    run.results.state(name, {k: v.numpy() for k, v in state.items() if "filters" not in k or make is Raw})


def regression(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, strength: float) -> tuple[torch.Tensor, ...]:
    """(mean, scale, weights, bias) of model.regression's objective: `strength` is C times the number of windows."""
    mean, scale = x.mean(dim=0), x.std(dim=0, unbiased=False) + 1e-6
    z = (x - mean) / scale
    w = torch.zeros(x.shape[1] + 1, device=x.device, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], max_iter=120, history_size=20, line_search_fn="strong_wolfe", tolerance_change=1e-7)

    def closure():
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(z @ w[:-1] + w[-1], y, weight=weight)
        loss = loss + w[:-1].square().sum() / (2 * strength)
        loss.backward()
        return loss

    optimiser.step(closure)
    w = w.detach()
    return mean, scale, w[:-1], w[-1]


def window_weights(names: np.ndarray, spoof: np.ndarray, device: torch.device) -> torch.Tensor:
    """model.weights with its usual power."""
    _, index, counts = np.unique(names, return_inverse=True, return_counts=True)
    out = counts[index] ** -0.5
    for c in (False, True):
        out[spoof == c] /= out[spoof == c].sum()
    return torch.tensor(out * len(out) / 2, device=device, dtype=torch.float32)


class Frozen:
    """Pooled features of the untouched layers, of the stored windows, of `channels` random channels of every clip and,
    where copies.py made some, of every vocoded copy through a random channel."""

    def __init__(self, run: Run, channels: int) -> None:
        with np.load(run.waves / "whisper.npz") as z:
            self.weights = {k: z[k] for k in z.files}
        data, start = run.data, time.time()
        torch.manual_seed(0)
        net = Whisper(self.weights, 4).to(data.device).eval()
        stored = data.each(lambda wave: (run.check(), net.features(wave))[1], size=64)
        everything, blocks = torch.arange(len(data.label), device=data.device), []
        clips, copies = everything[: len(data.rows)], len(data.label) - len(data.rows)
        with torch.no_grad():
            for part in [*clips.split(128)] * channels + [*everything[len(clips) :].split(128)]:
                run.check()
                blocks.append(net.features(data.batch(part)))
        self.run, self.heads, self.stored = run, {}, len(stored)
        self.x = torch.cat([stored, *blocks])
        of_copies = np.array(data.copied if copies else [], dtype=int)
        self.clip = np.concatenate([data.clip, np.tile(np.arange(len(data.rows)), channels), of_copies])
        self.spoof = np.concatenate([data.spoof[self.clip[: len(self.clip) - copies]], np.ones(copies, bool)])
        self.names = np.concatenate([data.names[self.clip[: len(self.clip) - copies]], np.repeat("g:copies", copies)])
        self.part = np.repeat([0, 1, 2], [len(stored), channels * len(data.rows), copies])
        run.results.log(f"features of {len(self.x)} windows: {time.time() - start:.1f} s")

    def head(self, columns: int, fold: int, what: str, strength: float = STRENGTH) -> tuple[torch.Tensor, ...]:
        key, data = (columns, fold, what, strength), self.run.data
        if key in self.heads:
            return self.heads[key]
        take = (data.fold[self.clip] != fold) & (self.part <= ("stored", "channels", "copies").index(what))
        weight = window_weights(self.names[take], self.spoof[take], data.device)
        index = torch.tensor(np.flatnonzero(take), device=data.device)
        y = torch.tensor(self.spoof[take], device=data.device).float()
        self.heads[key] = regression(self.x[index, :columns], y, weight, strength)
        return self.heads[key]

    def experiment(self, name: str, layers: int, what: str, strength: float) -> None:
        """The frozen head out of fold: the reference, and what degraded copies alone bring."""
        if f"score/{name}" in self.run.results.arrays:
            return
        data, columns = self.run.data, layers * 1024
        score = np.zeros(len(data.clip))
        for fold in range(FOLDS):
            self.run.check()
            mean, scale, w, bias = self.head(columns, fold, what, strength)
            test = data.fold[data.clip] == fold
            z = (self.x[: self.stored][torch.tensor(test, device=data.device), :columns] - mean) / scale
            score[test] = (z @ w + bias).cpu().numpy()
        self.run.results.score(data, name, score)
        self.run.results.save()


def tune(run: Run, frozen: Frozen, name: str, layers: int, what: str, rate: float) -> None:
    """The first layers from Whisper's weights, the head from its regression on the same folds."""
    torch.manual_seed(sum(map(ord, name)))
    models = []
    for fold in range(FOLDS + 1):
        run.check()
        model = Whisper(frozen.weights, layers).to(run.data.device)
        model.mean, model.scale, w, bias = (t.clone() for t in frozen.head(layers * 1024, fold, "channels"))
        with torch.no_grad():
            model.head.weight.copy_(w[None])
            model.head.bias.copy_(bias[None])
        for part in (model.conv1, model.conv2):
            part.requires_grad_(False)
        if what == "norms":
            for layer in model.layers:
                for key, p in layer.named_parameters():
                    p.requires_grad_("norm" in key or key.endswith("bias"))
        models.append(model)

    def groups(model):
        out = [{"params": [p for p in layer.parameters() if p.requires_grad], "lr": rate * 0.7 ** (layers - 1 - i),
                "weight_decay": 0.0} for i, layer in enumerate(model.layers)]
        return out + [{"params": list(model.head.parameters()), "lr": 2e-4, "weight_decay": 0.0}]

    def penalty(model):
        return model.head.weight.square().sum() / (2 * STRENGTH)

    steps, batch = (2, 4) if run.tiny else (400, 80)
    half = run.data.device.type == "cuda"
    merit, state = side_by_side(run, name, models, groups, steps, batch, half, penalty)
    if merit > run.results.notes.get("best_merit", -1.0):  # one encoder's weights are kept, not all
        run.results.notes.update(best=name, best_merit=merit)
        run.results.state(name, packed(state, Whisper(frozen.weights, layers).state_dict()), only=True)


def packed(state: dict, base: dict) -> dict[str, np.ndarray]:
    """Differences from Whisper's own weights: matrices as int8 with a scale a row, all else as float32."""
    out = {}
    for k, v in state.items():
        if k in ("mel", "positions") or k.startswith("conv"):
            continue
        d = v - base[k] if k.startswith("layers.") else v
        if d.ndim == 2 and k.startswith("layers."):
            step = d.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
            out[k + "/int8"], out[k + "/step"] = torch.round(d / step).to(torch.int8).numpy(), step.numpy()
        else:
            out[k] = d.numpy()
    return out


def unpacked(arrays: dict[str, np.ndarray], base: dict) -> dict:
    """The inverse of `packed`: a state of Whisper."""
    out = dict(base)
    for k in {k.split("/")[0] for k in arrays}:
        d = arrays[k] if k in arrays else arrays[k + "/int8"].astype(np.float32) * arrays[k + "/step"]
        d = torch.from_numpy(np.asarray(d))
        out[k] = base[k] + d if k.startswith("layers.") else d
    return out


def part(run: Run, name: str, only: list[str]) -> None:
    results = run.results

    def guarded(label: str, work) -> None:
        if label in results.notes.setdefault("done", {}) or only and label not in only:
            return
        start = time.time()
        try:
            work()
            results.notes["done"][label] = round(time.time() - start, 1)
            results.log(f"{label}: {time.time() - start:.1f} s")
        except TimeUp:
            results.log(f"{label}: time is up after {time.time() - start:.1f} s")
            raise
        except Exception:
            results.log(f"{label}: {traceback.format_exc()}")
        finally:
            results.save()

    if name == "whisper":
        frozen = Frozen(run, 1 if run.tiny else 8)
        for label, layers, what, strength in HEADS:
            if what != "copies" or run.data.copies is not None:
                guarded(label, lambda: frozen.experiment(label, layers, what, strength))
        for options in TUNED:
            guarded(options[0], lambda: tune(run, frozen, *options))
        return
    for seed, (label, options) in enumerate(LCNN if name == "lcnn" else RAW):
        guarded(label, lambda: small(run, label, Lcnn if name == "lcnn" else Raw, options, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(__file__).resolve().parent / "../../../.cache/train/voice"
    parser.add_argument("--waves", type=Path, default=cache / "waves")
    parser.add_argument("--out", type=Path, default=cache / "nets")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--part", nargs="+", choices=("whisper", "lcnn", "raw"), default=["whisper", "lcnn", "raw"])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="of a part, these experiments alone")
    parser.add_argument("--until", type=float, choices=MARKS, default=1.0, help="stop at this share of the steps")
    parser.add_argument("--tiny", action="store_true", help="a few clips and steps, to try the code")
    args = parser.parse_args()
    end = time.time() + args.seconds
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    args.out.mkdir(parents=True, exist_ok=True)
    data = Data(args.waves, device, args.tiny)
    for name in args.part:
        results = Results(args.out / f"{name}.npz")
        results.log(f"{name} on {device}: {len(data.rows)} clips, {len(data.clip)} windows, torch {torch.__version__}")
        results.save()
        try:
            part(Run(data, results, args.waves, end, args.tiny, args.until), name, args.only)
        except TimeUp:
            pass
        results.save()


if __name__ == "__main__":
    main()
