"""Parts of ingest.py that ask a running server: latency, slow and many uploads, malformed requests, memory."""
import base64
import http.client
import json
import random
import socket
import threading
import time

from ingest_places import LIGHT, memory_mb, sound, tone


def form(clip, name="a.wav", boundary="seam"):
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + clip + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def connect(address, timeout=60):
    host, port = address.split(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def upload(address, clip):
    c = connect(address, 300)
    body, kind = form(clip)
    c.request("POST", "/v1/clips", body, {"content-type": kind})
    answer = c.getresponse()
    answer.read()
    return answer.status


def latency(place, rate=200, seconds=20):
    for n in range(400):
        tone(place.dir / "in" / f"{n:04}.wav", 10_000 + n)
    some = place.run("watch", "in", "--once", "--settle", "0.1", "-w", 2, "--quiet", *LIGHT)
    assert some.returncode == 0, some.stderr
    for n in range(400):
        tone(place.dir / "in" / f"more-{n:04}.wav", 20_000 + n, 4)
    process, address = place.serve("-w", 1, "--rate", 100_000, *LIGHT)
    lines = "".join(json.dumps({"path": f"in/more-{n:04}.wav"}) + "\n" for n in range(400))
    (place.dir / "more.ndjson").write_text(lines)
    assert place.run("ingest", "more.ndjson", "--submit-only", *LIGHT).returncode == 0
    host, port = address.split(":")
    c = http.client.HTTPConnection(host, int(port))
    c.request("GET", "/v1/clips?limit=200")
    clips = [x["sha256"] for x in json.loads(c.getresponse().read())["clips"]]
    times, lock, bad = [], threading.Lock(), []

    def client(n, threads):
        c = http.client.HTTPConnection(host, int(port))
        rng, due = random.Random(n), time.monotonic() + n / rate
        end = time.monotonic() + seconds
        while due < end:
            time.sleep(max(0, due - time.monotonic()))
            # From when it was due: a server that keeps one waiting does not keep the next ones out of the figures.
            c.request("GET", "/v1/reports/" + rng.choice(clips))
            answer = c.getresponse()
            answer.read()
            with lock:
                times.append((time.monotonic() - due) * 1e3)
                bad.extend([answer.status] if answer.status != 200 else [])
            due += threads / rate

    threads = [threading.Thread(target=client, args=(n, 8)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    c.request("GET", "/v1/jobs?state=queued&limit=1")
    busy = bool(json.loads(c.getresponse().read())["jobs"])
    process.terminate()
    process.wait()
    times.sort()
    at = lambda q: round(times[int(len(times) * q)], 2)
    return {"requests": len(times), "per_second": rate, "refused": len(bad), "p50_ms": at(0.5), "p95_ms": at(0.95),
            "p99_ms": at(0.99), "scanning_to_the_end": busy}


def uploads(place, fast=200, slow=32):
    """Uploads at once, while slow clients keep theirs open."""
    process, address = place.serve("-w", 1, "--uploads", fast + slow, "--rate", 100_000, *LIGHT)
    host, port = address.split(":")
    over, lines = threading.Event(), []
    body, kind = form(sound(1, 60))
    for _ in range(slow):
        s = socket.create_connection((host, int(port)))
        s.sendall(f"POST /v1/clips HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body[:200])
        lines.append(s)

    def trickle():
        at = 200
        while not over.wait(0.1):
            for s in lines:
                s.sendall(body[at:at + 100])
            at += 100

    trickling = threading.Thread(target=trickle)
    trickling.start()
    times, statuses, lock = [], [], threading.Lock()

    def one(n):
        clip, began = sound(40_000 + n, 3), time.monotonic()
        status = upload(address, clip)
        with lock:
            times.append(time.monotonic() - began)
            statuses.append(status)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(fast)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    over.set()
    trickling.join()
    [s.close() for s in lines]
    times.sort()
    deadline = time.monotonic() + 600
    while True:
        c = connect(address)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        done = int(text.split('seamline_jobs{state="done"} ')[1].split()[0])
        if done >= fast or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    process.kill()
    process.wait()
    check = place.run("store", "check").stdout.strip()
    return {"fast": fast, "slow": slow, "taken": statuses.count(202), "p50_s": round(times[len(times) // 2], 2),
            "most_s": round(times[-1], 2), "done": done, "store_check": check}


def malformed(place, seconds=60):
    """Requests to the two ways in for clips that are wrong in some way, one after the other."""
    process, address = place.serve("--no-work", "--rate", 1_000_000, "--uploads", 1_000, "--max-upload-mb", 1, *LIGHT)
    host, port = address.split(":")
    rng, answers, server_errors, end = random.Random(11), {}, [], time.monotonic() + seconds
    noise = lambda most: rng.randbytes(rng.randrange(most))
    odd = lambda: rng.choice([b"", b"-1", b"0", b"1", b"18446744073709551616", b"1e3", b"\xff\xfe", noise(40).replace(b"\r", b"").replace(b"\n", b"")])

    def multipart():
        body, kind = form(noise(300), boundary=rng.choice(["seam", "", "a" * 80, "x y", "--"]))
        body = bytearray(body)
        for _ in range(rng.randrange(6)):
            at = rng.randrange(len(body))
            body[at:at + rng.randrange(9)] = noise(9)
        body = bytes(body[:rng.choice([len(body), rng.randrange(len(body) + 1)])])
        kind = rng.choice([kind, kind, "multipart/form-data", "text/plain", "multipart/form-data; boundary=other"]).encode()
        return b"POST /v1/clips", [(b"content-type", kind)], body

    def pieces():
        headers = [(b"tus-resumable", rng.choice([b"1.0.0", b"1.0.0", b"0.2", odd()]))]
        metadata = rng.choice([b"filename " + base64.b64encode(noise(30)), b"claim", odd(), b"," * rng.randrange(50), b"a " + odd(), b"x" * 60_000])
        for name, value in [(b"upload-length", odd()), (b"upload-offset", odd()), (b"upload-metadata", metadata),
                            (b"content-type", rng.choice([b"application/offset+octet-stream", odd()]))]:
            if rng.random() < 0.7:
                headers.append((name, value))
        path = rng.choice([b"/v1/uploads", b"/v1/uploads/" + b"0" * 64, b"/v1/uploads/..%2f..%2fs.db", b"/v1/uploads/" + begun])
        return rng.choice([b"POST ", b"PATCH ", b"HEAD ", b"DELETE ", b"GET "]) + path, headers, noise(200)

    begun = b"1" * 64
    while time.monotonic() < end:
        first, headers, body = rng.choice([multipart, pieces])()
        length = rng.choice([len(body), len(body), len(body), rng.randrange(len(body) + 1)])
        request = first + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n" % length
        request += b"".join(n + b": " + v + b"\r\n" for n, v in headers) + b"\r\n" + body[:length]
        with socket.create_connection((host, int(port)), timeout=10) as s:
            s.sendall(request)
            answer = b""
            try:
                while b"\r\n\r\n" not in answer and (more := s.recv(65536)):
                    answer += more
            except ConnectionResetError:
                pass
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
        answers[status] = answers.get(status, 0) + 1
        if status == 201:  # what was really begun is sent to as well
            begun = answer.lower().split(b"location: /v1/uploads/")[1][:64]
        if status >= 500:
            server_errors.append(request[:400].decode(errors="replace"))
    alive, taken = process.poll() is None, upload(address, sound(7))
    process.kill()
    process.wait()
    return {"seconds": seconds, "requests": sum(answers.values()), "answers": {str(k): v for k, v in sorted(answers.items())},
            "server_errors": server_errors[:5], "alive": alive, "then_taken": taken == 202}


def memory(place, jobs=100_000):
    """The server's memory while so many small files go through it, each to a verdict."""
    process, address = place.serve("-w", 2, "--uploads", 64, "--rate", 1_000_000, "--retain", "none", *LIGHT)
    tenths, left, lock = [], iter(range(jobs)), threading.Lock()

    def client():
        c = connect(address)
        while True:
            with lock:
                n = next(left, None)
                if n is not None and n and n % (jobs // 10) == 0:
                    tenths.append(round(memory_mb(process.pid), 1))
            if n is None:
                return
            body, kind = form(f"no media, number {n}".encode())
            c.request("POST", "/v1/clips", body, {"content-type": kind})
            answer = c.getresponse()
            answer.read()
            assert answer.status == 202, answer.status

    threads = [threading.Thread(target=client) for _ in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    while True:
        c = connect(address)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        waiting = sum(int(text.split(f'seamline_jobs{{state="{s}"}} ')[1].split()[0]) for s in ("queued", "running"))
        if not waiting:
            break
        time.sleep(1)
    tenths.append(round(memory_mb(process.pid), 1))
    process.kill()
    process.wait()
    return {"jobs": jobs, "rss_mb_by_tenth": tenths}
