"""Materialise the face mesh (468 points) of `face-temporal` from MediaPipe's TFLite file to ONNX. Of the package, one file is read."""
from common import cache_dir, extract, fetch_wheel, publish, verified
from pins import MESH, WHEELS

DEST = cache_dir() / "models" / "face-mesh.onnx"
# The package has compiled parts, so that its name holds a platform; the file inside is the same in all.
TAGS = ["--python-version", "3.11", "--only-binary=:all:", "--platform", "manylinux_2_17_x86_64",
        "--platform", "manylinux2014_x86_64"]


def main() -> None:
    if verified(DEST, MESH["onnx"]):
        return
    from tflite_to_onnx import convert   # imports onnx, which takes most of a second

    wheel = fetch_wheel("mediapipe", "0.10.14", WHEELS["mediapipe"], tags=TAGS)
    source = extract(wheel, "mediapipe/modules/face_landmark/face_landmark.tflite", MESH["tflite"],
                     cache_dir() / "models" / "face_landmark.tflite")
    part = DEST.with_suffix(".part")
    part.write_bytes(convert(source.read_bytes(), ["landmarks", "presence"]))
    publish(part, DEST, MESH["onnx"])


if __name__ == "__main__":
    main()
