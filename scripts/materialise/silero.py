"""Materialise `speech-silero`: Silero's voice activity network from its package's ONNX file to one with one input.

The package's graph takes sound and the two halves of its memory apart. Here one tensor holds both:

    sound[n, 576] -> speech_probs[n - 1], hn[1, 1, 128], cn[1, 1, 128]

Row 0 starts with the memory (hn, then cn, of the call before; zeros at first). Each row after it is 512 samples of 16 kHz sound
behind the 64 before them.
"""
import onnx
from common import cache_dir, extract, fetch_wheel, publish, verified
from onnx import TensorProto, helper, numpy_helper
from pins import SILERO, WHEELS

DEST = cache_dir() / "models" / "speech-silero.onnx"
ROW, HALF = 576, 128


def wrapped(source: bytes) -> bytes:
    import numpy as np

    model = onnx.load_from_string(source)
    graph = model.graph
    names = {"input": "silero/rows", "h": "silero/h", "c": "silero/c"}
    if sorted(i.name for i in graph.input) != sorted(names):
        raise SystemExit("silero: the package's graph has other inputs than expected")
    for node in graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
    before = []

    def const(name: str, values: list[int]) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), f"silero/{name}"))
        return f"silero/{name}"

    def op(kind: str, *inputs: str, out: str) -> str:
        before.append(helper.make_node(kind, list(inputs), [out], name=f"silero/{kind}_{len(before)}"))
        return out

    zero, one, two = const("zero", [0]), const("one", [1]), const("two", [2 ** 62])
    columns = [const("at0", [0]), const("at128", [HALF]), const("at256", [2 * HALF])]
    op("Slice", "sound", one, two, zero, out="silero/rows")
    memory = op("Slice", "sound", zero, one, zero, out="silero/memory")
    shape = const("shape", [1, 1, HALF])
    for name, start, end in (("h", *columns[:2]), ("c", *columns[1:])):
        op("Reshape", op("Slice", memory, start, end, one, out=f"silero/{name}_flat"), shape, out=f"silero/{name}")
    nodes = before + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["n", ROW]))
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def main() -> None:
    if verified(DEST, SILERO["onnx"]):
        return
    wheel = fetch_wheel("silero-vad", "6.2.3", WHEELS["silero-vad"])
    source = extract(wheel, "silero_vad/data/silero_vad_16k_sequence.onnx", SILERO["source"],
                     cache_dir() / "models" / "silero_vad.onnx.source")
    part = DEST.with_suffix(".part")
    part.write_bytes(wrapped(source.read_bytes()))
    publish(part, DEST, SILERO["onnx"])


if __name__ == "__main__":
    main()
