"""Brings recordings of public repositories, at the commits that `repositories.tsv` names.

Usage: fetch.py [--mirror DIR] [--pin] [DATASET ...]      (default: voice-open)

From local bare clones `DIR/<owner>+<name>[/repo][/.git]` where `--mirror` is given, else by git (a partial clone:
only the files that are wanted). Files land in the cache; each is compared with the SHA-256 that the data set's
`fetched.tsv` holds, and a file that differs stops the run. `--pin` adds to `fetched.tsv` what a new line names: for
whoever adds a repository. No media is ever put into this repository.

`repositories.tsv`: repository, commit, licence, files (a glob within one repository; `*` stays within one folder),
label, attack_family, generator. Of more than 24 files of one line, 24 are taken by the hash of their path, so that
nobody chose them.
"""
from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path

from tables import ROOT, WORK, read_table, write_table

MOST = 24
LONGEST = 4 << 20
PINNED = ["repository", "commit", "file", "sha256", "label", "attack_family", "generator", "licence"]


def git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "--git-dir", str(folder), *arguments], check=True, capture_output=True).stdout


def clone_of(repository: str, commit: str, mirror: Path | None) -> Path:
    name = repository.replace("/", "+")
    if mirror:
        for folder in (mirror / name / "repo" / ".git", mirror / name / "repo", mirror / name, mirror / f"{name}.git"):
            if (folder / "HEAD").is_file():
                return folder
        raise SystemExit(f"{repository}: no bare clone under {mirror}")
    folder = WORK / "repositories" / f"{name}.git"
    if not folder.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
        git(folder, "remote", "add", "origin", f"https://github.com/{repository}.git")
    git(folder, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit)
    return folder


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay within one folder, `[..]` is a set: as a shell has them."""
    out, i = "", 0
    while i < len(glob):
        if glob[i] == "[" and "]" in glob[i:]:
            end = glob.index("]", i)
            out, i = out + glob[i : end + 1], end
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(glob[i], re.escape(glob[i]))
        i += 1
    return re.compile(out + r"\Z")


def chosen(folder: Path, commit: str, glob: str) -> list[str]:
    listed = git(folder, "ls-tree", "-r", "-z", "--name-only", commit).decode("utf-8", "surrogateescape").split("\0")
    pattern = glob_pattern(glob)
    found = [p for p in listed if pattern.match(p)]
    return sorted(sorted(found, key=lambda p: hashlib.sha256(p.encode("utf-8", "surrogateescape")).digest())[:MOST])


def fetch(dataset: str, mirror: Path | None, pin: bool) -> list[dict[str, str]]:
    """Files on disk for every line of the data set, verified (with `pin`, new lines as they are now)."""
    home = ROOT / "datasets" / dataset
    pins = home / "fetched.tsv"
    pinned = read_table(pins) if pins.is_file() else []
    wanted = {(r["repository"], r["commit"], r["file"]): r["sha256"] for r in pinned}
    rows, seen, used, idle = [], set(), set(), []
    for line in read_table(home / "repositories.tsv"):
        place = WORK / "fetched" / dataset / line["repository"].replace("/", "+")
        pattern = glob_pattern(line["files"])
        # What is pinned stays as it is, and needs no clone once it is on disk.
        files = [r["file"] for r in pinned if (r["repository"], r["commit"]) == (line["repository"], line["commit"])
                 and pattern.match(r["file"])]
        if not files or not all((place / f).is_file() for f in files):
            folder = clone_of(line["repository"], line["commit"], mirror)
        if not files and pin:
            files = chosen(folder, line["commit"], line["files"])
        if not files:
            raise SystemExit(f"{line['repository']}: no file matches {line['files']}")
        before = len(rows)
        for file in files:
            to = place / file
            if not to.is_file():
                try:
                    blob = git(folder, "cat-file", "blob", f"{line['commit']}:{file}")
                except subprocess.CalledProcessError:  # a mirror may lack large files
                    if pin:
                        continue
                    raise SystemExit(f"{line['repository']}: has no {file}") from None
                if len(blob) > LONGEST:
                    continue
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(blob)
            digest = hashlib.sha256(to.read_bytes()).hexdigest()
            known = wanted.get((line["repository"], line["commit"], file))
            used.add((line["repository"], line["commit"], file))
            if known != digest and (known or not pin):
                to.unlink()
                raise SystemExit(f"{line['repository']}/{file}: is not the file that fetched.tsv names")
            if digest not in seen:  # one recording under two names counts once
                seen.add(digest)
                rows.append({**line, "file": file, "sha256": digest})
        if len(rows) == before:
            idle.append(f"{line['repository']} {line['files']}")
    if pin:
        write_table(pins, rows, PINNED)
        if idle:  # they would stop the next run, which finds no file of theirs pinned
            raise SystemExit(f"{dataset}: take these lines out, others bring the same recordings: {'; '.join(idle)}")
    elif used != set(wanted):
        raise SystemExit(f"{dataset}: fetched.tsv names files that did not come")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("datasets", nargs="*", default=["voice-open"], metavar="DATASET")
    args = parser.parse_args()
    for dataset in args.datasets:
        rows = fetch(dataset, args.mirror, args.pin)
        for label in ("bonafide", "spoof"):
            these = [r for r in rows if r["label"] == label]
            print(f"{dataset}: {len(these)} {label}, {len({r['repository'] for r in these})} repositories, "
                  f"{len({r['generator'] for r in these})} generators", file=sys.stderr)


if __name__ == "__main__":
    main()
