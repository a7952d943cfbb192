"""Materialise `perth`: the Perth speech watermark's decoder from its package's checkpoint to ONNX, without torch."""
from common import cache_dir, extract, fetch_wheel, publish, verified
from pins import PERTH, WHEELS

DEST = cache_dir() / "models" / "perth.onnx"


def checkpoint() -> dict:
    """The checkpoint's tensors by name."""
    from torch_zip import read

    wheel = fetch_wheel("resemble-perth", "1.0.1", WHEELS["resemble-perth"])
    source = extract(wheel, "perth/perth_net/pretrained/implicit/perth_net_250000.pth.tar", PERTH["checkpoint"],
                     cache_dir() / "models" / "perth.pth.tar")
    with open(source, "rb") as f:
        return read(f)["model"]


def main() -> None:
    if verified(DEST, PERTH["onnx"]):
        return
    from perth_graph import build

    part = DEST.with_suffix(".part")
    part.write_bytes(build(checkpoint()).SerializeToString(deterministic=True))
    publish(part, DEST, PERTH["onnx"])


if __name__ == "__main__":
    main()
