"""A small builder of ONNX graphs: operations are called like functions, names are given in order, so bytes repeat."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

OPSET = 20
IR_VERSION = 10
_TYPES = {
    "b1": TensorProto.BOOL,
    "f4": TensorProto.FLOAT,
    "f8": TensorProto.DOUBLE,
    "?": TensorProto.BOOL,
    "i8": TensorProto.INT64,
}


class Graph:
    """An ONNX graph under construction; a value is the name (str) of its tensor.

    With `open_arrays` each numpy array in it becomes an input that has a default: the file stands alone, and one
    session of it also judges by the arrays of another file with the same structure. Numbers and lists stay fixed.
    """

    def __init__(self, name: str, dtype: str = "f8", *, open_arrays: bool = False) -> None:
        self.name = name
        self._open = open_arrays
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: Sequence[int | str | None], dtype: str | None = None) -> str:
        """Declare an input; None or a word in `shape` is a size known at run time."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype or _code(self.dtype)], list(shape)))
        return name

    def output(self, name: str, value: str, shape: Sequence[int | str | None], dtype: str | None = None) -> None:
        """Declare `value` an output called `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, _TYPES[dtype or _code(self.dtype)], list(shape)))

    def const(self, value: Any) -> str:  # noqa: ANN401 - whatever numpy makes an array of
        """Return a constant: floats in the graph's own precision, integers as int64, flags as bool."""
        array = np.asarray(value)
        kind = {"f": self.dtype, "i": np.dtype(np.int64), "b": np.dtype(bool)}[array.dtype.kind]
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array, kind).reshape(array.shape), name))
        if self._open and isinstance(value, np.ndarray | np.generic):
            self._inputs.append(helper.make_tensor_value_info(name, _TYPES[_code(kind)], [None] * array.ndim))
        return name

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:  # noqa: ANN401 - names, or constants to be
        """Add an operation and return its output; an input that is not a name becomes a constant."""
        names = [i if isinstance(i, str) else self.const(i) for i in inputs]
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def op_first(self, kind: str, *inputs: Any, outputs: int, **attributes: Any) -> str:  # noqa: ANN401 - as `op`
        """Add an operation with several outputs and return the first."""
        name = self.op(kind, *inputs, **attributes)
        self._nodes[-1].output.extend(f"{name}_{i}" for i in range(1, outputs))
        return name

    def serialize(self) -> bytes:
        """Check the model and return its bytes: the same graph gives the same bytes.

        Raises:
            onnx.checker.ValidationError: the graph is not valid ONNX.
        """
        graph = helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="shoptwin")
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def opened(model: bytes) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the sha256 of a model's structure alone, and where in its bytes each array stands that is open."""
    proto = onnx.load_model_from_string(model)
    names, found = {value.name for value in proto.graph.input}, {}
    for tensor in proto.graph.initializer:
        if tensor.name in names:
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type).str
            at = {"offset": model.index(tensor.raw_data), "shape": list(tensor.dims), "dtype": dtype}
            found[tensor.name] = at
            tensor.ClearField("raw_data")
            tensor.ClearField("dims")
    return hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest(), found


def _code(dtype: np.dtype[Any]) -> str:
    return f"{dtype.kind}{dtype.itemsize}"
