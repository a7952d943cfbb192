"""Exact search within 31 bits over 10 million 256-bit hashes: Seamline's index beside faiss, in one run.

usage: campaign_index.py PATH/TO/index_bench [--entries N] [--queries N] [--folder DIR] [--out FILE]

Hashes come in groups of 1 to 12 that lie within 12 bits of each other, as the frames of clips do. A third of the
queries are entries with up to 31 bits turned over, a third with 32 to 60, a third are random. Both sides search with
two threads. faiss's flat index is exact; its multi-hash index is exact only as far as its flips reach, so its recall is
measured too. Needs benches/campaign-requirements.txt.
"""
import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

RADIUS = 31
THREADS = 2


def turn_over(hashes, bits, rng):
    """Turns over exactly `bits[i]` bits of hash i."""
    out = hashes.copy()
    for i, n in enumerate(bits):
        for k in rng.choice(256, size=n, replace=False):
            out[i, k // 8] ^= 1 << (k % 8)
    return out


def make_data(entries, queries, rng):
    sizes = rng.integers(1, 13, size=entries // 6)
    sizes = sizes[np.cumsum(sizes) <= entries]
    base = rng.integers(0, 256, size=(len(sizes), 32), dtype=np.uint8)
    data = np.repeat(base, sizes, axis=0)
    rest = rng.integers(0, 256, size=(entries - len(data), 32), dtype=np.uint8)
    data = np.concatenate([data, rest])
    for _ in range(6):   # at most six turned bits each, so any two of a group within twelve
        at = rng.integers(0, 256, size=len(data))
        data[np.arange(len(data)), at // 8] ^= (1 << (at % 8)).astype(np.uint8)
    data = data[rng.permutation(len(data))]
    third = queries // 3
    near = turn_over(data[rng.integers(0, len(data), size=third)], rng.integers(0, RADIUS + 1, size=third), rng)
    beside = turn_over(data[rng.integers(0, len(data), size=third)], rng.integers(RADIUS + 1, 61, size=third), rng)
    far = rng.integers(0, 256, size=(queries - 2 * third, 32), dtype=np.uint8)
    asked = np.concatenate([near, beside, far])
    return data, asked[rng.permutation(len(asked))]


def hits_of(limits, ids, query):
    return set(ids[limits[query]:limits[query + 1]].tolist())


def measure_faiss(data, asked, flat_queries, multi_queries):
    faiss.omp_set_num_threads(THREADS)
    rows = {}
    start = time.perf_counter()
    flat = faiss.IndexBinaryFlat(256)
    flat.add(data)
    built = time.perf_counter() - start
    few = asked[:flat_queries]
    start = time.perf_counter()
    # faiss's binary range search takes what is strictly below the radius.
    limits, _, ids = flat.range_search(few, RADIUS + 1)
    rows["faiss_flat"] = {"build_s": built, "lookups_per_s": len(few) / (time.perf_counter() - start), "recall": 1.0,
                          "queries": len(few)}
    truth = [hits_of(limits, ids, q) for q in range(len(few))]
    del flat
    # Hashes of 16 bits with one flip visit what our sixteen chunks visit: 16 * 16 bits, each with 17 buckets.
    start = time.perf_counter()
    multi = faiss.IndexBinaryMultiHash(256, 16, 16)
    multi.nflip = 1
    multi.add(data)
    built = time.perf_counter() - start
    some = asked[:multi_queries]
    start = time.perf_counter()
    limits, _, ids = multi.range_search(some, RADIUS + 1)
    took = time.perf_counter() - start
    n = min(len(few), len(some))
    found = sum(len(truth[q] & hits_of(limits, ids, q)) for q in range(n))
    wanted = sum(len(t) for t in truth[:n])
    rows["faiss_multi_hash"] = {"build_s": built, "lookups_per_s": len(some) / took,
                                "recall": found / wanted if wanted else None, "queries": len(some)}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=30_000)
    parser.add_argument("--flat-queries", type=int, default=100)
    parser.add_argument("--multi-queries", type=int, default=1_000)
    parser.add_argument("--folder", help="where to put the data (2 GB); a temporary folder by default")
    parser.add_argument("--out")
    args = parser.parse_args()
    rng = np.random.default_rng(20261127)
    folder = Path(args.folder or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    data, asked = make_data(args.entries, args.queries, rng)
    data.tofile(folder / "hashes")
    asked.tofile(folder / "queries")
    command = [args.program, folder / "hashes", folder / "queries", str(RADIUS), folder / "index"]
    ours = subprocess.run(command, env={**os.environ, "RAYON_NUM_THREADS": str(THREADS)}, check=True,
                          capture_output=True, text=True)
    shutil.rmtree(folder / "index")
    report = {"entries": args.entries, "radius": RADIUS, "threads": THREADS, "load_average": os.getloadavg()[0],
              "faiss_version": faiss.__version__, "seamline": json.loads(ours.stdout)}
    report.update(measure_faiss(data, asked, args.flat_queries, args.multi_queries))
    if not args.folder:
        shutil.rmtree(folder)
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        Path(args.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
