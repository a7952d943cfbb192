"""What graph builders share: nodes and constants collected in the order in which they are made."""
import numpy as np
from onnx import helper, numpy_helper


class Graph:
    """Collects nodes and constants; names are numbered in order, so equal inputs give equal bytes."""

    def __init__(self) -> None:
        self.nodes, self.constants, self.known = [], [], set()

    def const(self, name: str, value) -> str:
        if name not in self.known:
            self.known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def f32(self, name: str, value) -> str:
        return self.const(name, np.asarray(value, dtype=np.float32))

    def i64(self, *values: int) -> str:
        return self.const("i64_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, dtype=np.int64))

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes) -> str:
        out = out or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=f"{kind}_{len(self.nodes)}", **attributes))
        return out
