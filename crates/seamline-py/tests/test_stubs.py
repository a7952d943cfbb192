"""The type stubs name what the native module has, with the same parameters."""
import ast
import inspect
from pathlib import Path

import seamline
from seamline import metrics, seamline_native

STUBS = ast.parse((Path(seamline.__file__).parent / "seamline_native.pyi").read_text())


def parameters(function: ast.FunctionDef) -> list[str]:
    return [a.arg for a in (*function.args.args, *function.args.kwonlyargs)]


def test_functions_and_their_parameters():
    stubs = {node.name: parameters(node) for node in STUBS.body if isinstance(node, ast.FunctionDef)}
    real = {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(seamline_native).items()
        if inspect.isbuiltin(function)
    }
    assert stubs == real
    assert set(metrics.__all__) == real.keys() - {"find_program"}


def test_the_detector_s_members():
    stub = next(node for node in STUBS.body if isinstance(node, ast.ClassDef) and node.name == "Detector")
    named = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)} - {"__new__"}
    assert named == {name for name in vars(seamline.Detector) if not name.startswith("_")}
