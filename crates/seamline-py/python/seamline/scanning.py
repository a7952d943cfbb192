"""`seamline scan`, its JSON Lines turned into dictionaries. Their fields are described in docs/report.md."""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from .seamline_native import find_program

Path = str | os.PathLike[str]


class ScanError(Exception):
    """The scan itself failed; a clip that cannot be judged is no error but a verdict, not_assessable."""


def scan(path: Path, **options: Any) -> dict[str, Any]:
    """Judges one clip: `{"run": ..., "evidence": [...], "verdict": ...}`. Options are those of `scan_many`."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"{os.fspath(path)} is a folder: use scan_many")
    for clip in scan_many([path], **options):
        return clip
    raise ScanError(f"{os.fspath(path)}: no verdict came back")


def scan_many(
    paths: Iterable[Path],
    *,
    detectors: Iterable[str] = (),
    profile: Literal["fast", "thorough"] = "fast",
    jobs: int | None = None,
    trust_list: Path | None = None,
    program: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Judges files and folders; yields each clip as it is done. Only these detectors, by id, where any are named."""
    found = program or find_program()
    if found is None:
        raise ScanError("no seamline program: set SEAMLINE_BIN, or put it on PATH")
    command = [os.fspath(found), "scan", "--out", "-", "--quiet", "--profile", profile]
    named = ",".join(detectors)
    command += ["--detectors", named] if named else []
    command += ["--jobs", str(jobs)] if jobs is not None else []
    command += ["--trust-list", os.fspath(trust_list)] if trust_list is not None else []
    command += ["--", *(os.fspath(path) for path in paths)]
    return _clips(command)


def _clips(command: list[str]) -> Iterator[dict[str, Any]]:
    # Its errors go to a file: a pipe that nobody reads while the verdicts come could fill and stop the program.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise ScanError(f"{command[0]}: {error.strerror}") from error
        with child:
            try:
                run: dict[str, Any] = {}
                evidence: list[dict[str, Any]] = []
                for line in child.stdout or ():
                    record = json.loads(line)
                    match record.pop("type"):
                        case "begin":
                            run = record
                        case "evidence":
                            evidence.append(record)
                        case "verdict":
                            yield {"run": run, "evidence": evidence, "verdict": record}
                            evidence = []
            finally:
                # Also where the caller stops half-way.
                if child.poll() is None and child.stdout and not child.stdout.closed:
                    child.stdout.close()
                    child.terminate()
        # 1 says that some clip could not be assessed, which its verdict says too.
        if child.returncode not in (0, 1):
            errors.seek(0)
            said = errors.read().strip().splitlines()
            raise ScanError(said[-1] if said else f"the program ended with {child.returncode}")
