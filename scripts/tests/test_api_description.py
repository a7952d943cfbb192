"""The running server against its own OpenAPI description, by requests that schemathesis makes from it.

Needs scripts/tests/api-requirements.txt, which `make test` installs in an environment of its own, and the program that
was just built.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis")
ROOT = Path(__file__).resolve().parents[2]
SEAMLINE = Path(os.environ.get("SEAMLINE_BIN", ROOT / "target/debug/seamline"))
READING = Path("/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav")
# Not among them: that whatever fits the description is taken. A number that fits may name no campaign, a time may not
# exist. And of an upload's fields every text is a text, so that none can be of a wrong type. In the file, since a check
# named on the command line counts for every operation.
SETTINGS = """
[checks]
enabled = false
not_a_server_error.enabled = true
status_code_conformance.enabled = true
content_type_conformance.enabled = true
response_schema_conformance.enabled = true
response_headers_conformance.enabled = true
negative_data_rejection.enabled = true
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]
ignored_auth.enabled = true
unsupported_method.enabled = true

[[operations]]
include-name = "POST /v1/clips"
checks.negative_data_rejection.enabled = false
"""

# How tus calls the bytes of a piece.
HOOKS = """
import schemathesis

@schemathesis.serializer("application/offset+octet-stream")
def piece(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
"""


@pytest.fixture
def server(tmp_path):
    environment = {**os.environ, "SEAMLINE_HOME": str(ROOT)}
    store = ["--store", tmp_path / "s.db"]
    run = lambda *args: subprocess.run([SEAMLINE, *args], env=environment, capture_output=True, text=True)
    scanned = run("scan", READING, "--quiet", "--detectors", "perth", *store)
    assert scanned.returncode in (0, 1), scanned.stderr
    token = run("tokens", "create", "--role", "admin", "schemathesis", *store).stdout.strip()
    assert token
    serve = [SEAMLINE, "serve", *store, "--listen", "127.0.0.1:0", "--tokens", "--no-work", "--rate", "100000", "--uploads", "1000"]
    with subprocess.Popen(serve, env=environment, stderr=subprocess.PIPE, text=True) as child:
        for line in child.stderr:
            if found := re.search(r"listening on (http://\S+)", line):
                break
        try:
            yield found.group(1), token
        finally:
            child.kill()


def test_every_answer_is_one_that_the_description_has(server, tmp_path):
    address, token = server
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    hooks = tmp_path / "hooks.py"
    hooks.write_text(HOOKS)
    command = [Path(sys.executable).parent / "schemathesis", "run", f"{address}/openapi.json", "-H", f"Authorization: Bearer {token}",
               "--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--seed", "1",
               "--workers", "1", "--suppress-health-check", "all", "--no-color"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stdout[-20000:]
    assert "Tested: 24" in ended.stdout, ended.stdout[-1500:]
