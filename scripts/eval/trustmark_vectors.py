"""Packets of TrustMark's data layer, made by its own package (MIT), for the tests of seamline-marks.

    scripts/eval/trustmark_vectors.py trustmark-0.9.2.tar.gz > crates/seamline-marks/tests/vectors/trustmark.json

The source distribution comes from `pip download --no-deps --no-binary :all: trustmark==0.9.2`; only its data layer is
loaded, which needs NumPy and no network of neurons. The first payload is the one that the package's signed example
declares in its manifest (`com.adobe.trustmark.Q`, schema 2).
"""
import contextlib
import hashlib
import importlib
import io
import json
import random
import sys
import tarfile
import tempfile
import types
from pathlib import Path

SHA256 = "bcaa3bc38ead1c0558df81932672f34e306efaed31389da57dbed100e236b28a"
SIGNED_EXAMPLE = "00000010010100000100001111011011010011100010011101000010100000001110"


def main() -> None:
    archive = Path(sys.argv[1])
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{archive}: not the pinned source distribution")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, [m for m in tar if m.name.endswith(("datalayer.py", "bchecc.py"))], filter="data")
        # A package of its own, so that the real one's __init__ with torch is not run.
        package = types.ModuleType("layer")
        package.__path__ = [str(Path(folder, "trustmark-0.9.2/trustmark"))]
        sys.modules["layer"] = package
        layer = importlib.import_module("layer.datalayer").DataLayer
        random.seed(7)
        rows = []
        with contextlib.redirect_stdout(io.StringIO()):
            for schema, capacity in enumerate([40, 61, 68, 75]):
                known = [SIGNED_EXAMPLE] if schema == 2 else []
                for payload in known + ["".join(random.choices("01", k=capacity)) for _ in range(3)]:
                    packet = layer(100, False, schema).encode_binary([payload])[0]
                    rows.append({"schema": schema, "payload": payload, "packet": "".join(str(int(b)) for b in packet)})
    print(json.dumps({"recipe": "scripts/eval/trustmark_vectors.py", "packets": rows}, indent=1))


if __name__ == "__main__":
    main()
