"""Materialise `speaker-ge2e`: Resemblyzer's voice encoder from its package's checkpoint to ONNX, without torch."""
from common import cache_dir, extract, fetch_wheel, publish, verified
from pins import SPEAKER, WHEELS

DEST = cache_dir() / "models" / "speaker-ge2e.onnx"


def checkpoint() -> dict:
    """The checkpoint's tensors by name."""
    from torch_legacy import read

    wheel = fetch_wheel("Resemblyzer", "0.1.4", WHEELS["Resemblyzer"])
    source = extract(wheel, "resemblyzer/pretrained.pt", SPEAKER["checkpoint"], cache_dir() / "models" / "resemblyzer.pt")
    with open(source, "rb") as f:
        return read(f)["model_state"]


def main() -> None:
    if verified(DEST, SPEAKER["onnx"]):
        return
    from speaker_graph import build

    part = DEST.with_suffix(".part")
    part.write_bytes(build(checkpoint()).SerializeToString(deterministic=True))
    publish(part, DEST, SPEAKER["onnx"])


if __name__ == "__main__":
    main()
