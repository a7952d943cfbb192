"""Brings the pictures and clips of public repositories that a data set names, and verifies each by its hash.

Usage: fetch.py [--mirror DIR] [--pin] [DATASET ...]      (default: imagery-open)

The same tables, rules and code as the voice recipe (scripts/train/voice/fetch.py): `repositories.tsv` names
repository, commit, licence and files, `fetched.tsv` pins each file. Files land in the ignored cache; no media is ever
put into this repository. Further columns of `repositories.tsv` here: `family` (of the generator; for bona fide
pictures `photo` or `art`), `tiles` (see pictures.py) and `group` (what counts as one source).
"""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

VOICE = Path(__file__).resolve().parents[1] / "voice"


def shared():
    """The voice recipe's module, loaded under a name of its own."""
    sys.path.append(str(VOICE))
    spec = importlib.util.spec_from_file_location("voice_fetch", VOICE / "fetch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WORK = module.WORK.parent / "imagery"
    return module


if __name__ == "__main__":
    module = shared()
    if not any(a in ("imagery-open", "faces-open", "faces-demo", "faces-recordings", "talking-open") for a in sys.argv[1:]):
        sys.argv.append("imagery-open")
    module.main()
