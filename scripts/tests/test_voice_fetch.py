"""fetch.py against a repository made here: what is chosen, what is verified, what is refused."""
from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

VOICE = Path(__file__).resolve().parents[1] / "train" / "voice"
sys.path.append(str(VOICE))
# By its file: the vision recipe has a fetch.py too.
spec = importlib.util.spec_from_file_location("voice_fetch", VOICE / "fetch.py")
fetch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fetch)


@pytest.fixture()
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of one repository with two folders, and a mirror of it."""
    tree = tmp_path / "tree"
    for folder, count in (("real", 2), ("made", 30)):
        (tree / folder).mkdir(parents=True)
        for i in range(count):
            (tree / folder / f"{i}.wav").write_bytes(f"{folder}{i}".encode())
    (tree / "made" / "copy.wav").write_bytes(b"made0")
    run = lambda *a: subprocess.run(["git", "-C", str(tree), "-c", "user.name=t", "-c", "user.email=t@t", *a], check=True, capture_output=True)
    run("init", "-q")
    run("add", ".")
    run("commit", "-qm", "x")
    commit = run("rev-parse", "HEAD").stdout.decode().strip()
    mirror = tmp_path / "mirror" / "some+one"
    subprocess.run(["git", "clone", "-q", "--bare", str(tree), str(mirror)], check=True)
    data = tmp_path / "datasets" / "d"
    data.mkdir(parents=True)
    lines = [f"some/one\t{commit}\tMIT\treal/*.wav\tbonafide\t-\t-", f"some/one\t{commit}\tMIT\tmade/*.wav\tspoof\tTTS\tG"]
    (data / "repositories.tsv").write_text("repository\tcommit\tlicence\tfiles\tlabel\tattack_family\tgenerator\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(fetch, "ROOT", tmp_path)
    monkeypatch.setattr(fetch, "WORK", tmp_path / "work")
    return tmp_path


def test_pinned_files_come_again_and_twins_count_once(home: Path) -> None:
    rows = fetch.fetch("d", home / "mirror", True)
    assert sum(r["label"] == "bonafide" for r in rows) == 2
    assert 23 <= sum(r["label"] == "spoof" for r in rows) <= fetch.MOST
    assert len({r["sha256"] for r in rows}) == len(rows)
    assert fetch.fetch("d", home / "mirror", False) == rows
    assert (home / "work/fetched/d/some+one/real/0.wav").read_bytes() == b"real0"


def test_what_is_on_disk_needs_no_clone_and_pins_stay(home: Path) -> None:
    rows = fetch.fetch("d", home / "mirror", True)
    assert fetch.fetch("d", home / "nothing here", False) == rows
    assert fetch.fetch("d", home / "nothing here", True) == rows
    (home / "work/fetched/d/some+one/real/0.wav").unlink()
    with pytest.raises(SystemExit, match="no bare clone"):
        fetch.fetch("d", home / "nothing here", False)


def test_a_line_that_is_no_longer_listed_must_be_repinned(home: Path) -> None:
    fetch.fetch("d", home / "mirror", True)
    table = home / "datasets/d/repositories.tsv"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if "real/" not in line) + "\n")
    with pytest.raises(SystemExit, match="did not come"):
        fetch.fetch("d", home / "mirror", False)
    fetch.fetch("d", home / "mirror", True)
    assert fetch.fetch("d", home / "mirror", False)


def test_a_file_that_is_not_the_pinned_one_stops_the_run(home: Path) -> None:
    fetch.fetch("d", home / "mirror", True)
    on_disk = home / "work/fetched/d/some+one/real/0.wav"
    on_disk.write_bytes(b"another")
    with pytest.raises(SystemExit, match="real/0.wav"):
        fetch.fetch("d", home / "mirror", False)
    assert not on_disk.exists()


def test_a_glob_stays_in_its_folder() -> None:
    pattern = fetch.glob_pattern("a.b/[x-z]*.wav")
    assert pattern.match("a.b/x1.wav")
    assert not pattern.match("a.b/x/1.wav") and not pattern.match("acb/x1.wav") and not pattern.match("a.b/w1.wav")
    assert not pattern.match("a.b/x1.wav.txt")


def test_nothing_reserved_is_listed() -> None:
    shared = Path(__file__).resolve().parents[3].parent / "shared/data/reserved.tsv"
    if not shared.is_file():
        pytest.skip("the list of reserved repositories is not here")
    reserved = {line.split("\t")[1].strip() for line in shared.read_text().splitlines()}
    from tables import read_table

    for dataset in ("voice-open", "voice-demo"):
        for row in read_table(Path(__file__).resolve().parents[2] / "datasets" / dataset / "repositories.tsv"):
            assert row["repository"] not in reserved and row["generator"] not in reserved
