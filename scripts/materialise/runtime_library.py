"""Put ONNX Runtime 1.28.0 into the cache: <cache>/lib/libonnxruntime.so.1.28.0.

1.28.0 is pinned on purpose: from 1.29 on the Linux builds carry a telemetry client that is on by
default. The library is only copied out of the wheel; nothing of it is run here.
"""
from __future__ import annotations

from common import cache_dir, extract, fetch_wheel, verified

VERSION = "1.28.0"
WHEEL_SHA256 = "a166b78ee04f3a37fa1ef82034b6a3ce96d9684e582d4d30b296de83e9998bb5"
LIB = f"libonnxruntime.so.{VERSION}"
LIB_SHA256 = "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083"
# The wheel is chosen by these tags and not by the running interpreter: only its C library is wanted.
TAGS = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11", "--abi", "cp311",
        "--platform", "manylinux_2_27_x86_64", "--platform", "manylinux_2_28_x86_64"]


def main() -> None:
    dest = cache_dir() / "lib" / LIB
    if not verified(dest, LIB_SHA256):
        wheel = fetch_wheel("onnxruntime", VERSION, WHEEL_SHA256, tags=TAGS)
        extract(wheel, f"onnxruntime/capi/{LIB}", LIB_SHA256, dest)
    print(f"{LIB}: {LIB_SHA256}")


if __name__ == "__main__":
    main()
