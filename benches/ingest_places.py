"""Where the parts of ingest.py happen: recordings made by recipe, the program in a folder of its own, real servers."""
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

LIGHT = ("--detectors", "perth")


def sound(seed, seconds=1, rate=16_000, channels=1):
    """A recording that is like no other: noise, as a file's bytes."""
    data = random.Random(seed).randbytes(2 * rate * channels * seconds)
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * rate * channels, 2 * channels, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + form
    return head + b"data" + struct.pack("<I", len(data)) + data


def tone(path, *how):
    path.write_bytes(sound(*how))


def silence(path, seconds, rate=16_000):
    """A long recording that takes no disk: its zeros are a hole in the file."""
    head = sound(0, 0, rate)
    size = 2 * rate * seconds
    head = head[:4] + struct.pack("<I", 36 + size) + head[8:40] + struct.pack("<I", size)
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(len(head) + size)


def memory_mb(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


class Place:
    def __init__(self, binary, dir):
        self.binary, self.dir = str(Path(binary).resolve()), Path(dir)
        (self.dir / "in").mkdir()

    def args(self, *args):
        return [self.binary, *map(str, args), "--store", "s.db"]

    def run(self, *args):
        return subprocess.run(self.args(*args), cwd=self.dir, capture_output=True, text=True)

    def start(self, *args, **more):
        return subprocess.Popen(self.args(*args), cwd=self.dir, stderr=subprocess.PIPE, text=True, **more)

    def verdicts(self):
        path = self.dir / "out.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line)["path"] for line in lines]

    def serve(self, *more):
        process = self.start("serve", "--listen", "127.0.0.1:0", "--quiet", *more)
        for line in process.stderr:
            if "listening on http://" in line:
                threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
                return process, line.split("http://")[1].strip()
        raise SystemExit("the server did not start")


class Servers:
    """A real PostgreSQL and a real nats-server on loopback, in a folder of their own."""

    def __init__(self, dir):
        self.dir, self.bin = Path(dir), max(Path("/usr/lib/postgresql").glob("*/bin"))
        self.running = []
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        if self.as_user:
            shutil.chown(self.dir, "postgres", "postgres")
        self.run("initdb", "-U", "seamline", "-A", "trust", "--locale=C", "-E", "UTF8", "-D", self.dir / "data")
        db, broker = self.port(), self.port()
        self.start([*self.as_user, str(self.bin / "postgres"), "-D", str(self.dir / "data"), "-p", str(db),
                    "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="], db)
        self.start(["nats-server", "-a", "127.0.0.1", "-p", str(broker), "-js", "-sd", str(self.dir / "nats")], broker)
        self.run("createdb", "-h", "127.0.0.1", "-p", str(db), "-U", "seamline", "seen")
        self.store = f"postgres://seamline@127.0.0.1:{db}/seen"
        self.queue = f"nats://127.0.0.1:{broker}"

    def run(self, program, *args):
        subprocess.run([*self.as_user, str(self.bin / program), *map(str, args)], check=True, capture_output=True, cwd=self.dir)

    @staticmethod
    def port():
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def start(self, command, port):
        self.running.append(subprocess.Popen(command, cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(600):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0 and self.ready(port):
                    return
            time.sleep(0.1)
        raise SystemExit(f"{command[0]} did not start")

    def ready(self, port):
        if len(self.running) > 1:
            return True
        return subprocess.run([str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0

    def end(self):
        for p in reversed(self.running):
            p.send_signal(signal.SIGINT)
            p.wait()
