"""Writes a PyTorch module as a Lockstep spec (JSON) with its weights (safetensors), by torch.fx.

    pip install torch safetensors
    python examples/pytorch-to-lockstep.py my_models:make_net 3x32x32 net
    lockstep train --model net.json --init net.safetensors

`my_models:make_net` is a function of yours, in my_models.py, that gives the module with the weights it should have; 3x32x32
are the maps, rows and columns of a sample. Weights are never read from a pickle (.pt): whoever wrote one could run a program
here. What isn't known is refused by its name.
"""

import importlib
import json
import operator
import pathlib
import re
import sys

import torch
from safetensors.torch import save_file
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

INPUT = "input"


def pair(value) -> list[int]:
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


def padding_of(padding, kernel: list[int], stride: list[int]):
    if padding == "same" and any(side % 2 == 0 for side in kernel):
        raise ValueError("padding 'same' with an even kernel isn't known")
    if padding == "same":
        padding = [side // 2 for side in kernel]
    if padding == "valid" or pair(padding) == [0, 0]:
        return "valid"
    rows, columns = pair(padding)
    return [rows, columns, rows, columns]


class Converter:
    """The layers of a traced module; `node` is a value of the graph."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.layers: list[dict] = []
        self.names: dict[fx.Node, str] = {}
        self.head = "softmax"

    def add(self, node: fx.Node, kind: str, inputs: list[fx.Node], **fields) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", str(node.target) if node.op == "call_module" else node.name)
        taken = {layer["name"] for layer in self.layers} | {INPUT}
        while name in taken:
            if node.op == "call_module":
                raise ValueError("a module that is called twice isn't known: its weights would be two layers'")
            name += "_"
        self.layers.append({"name": name, "kind": kind, "inputs": [self.names[each] for each in inputs], **fields})
        self.names[node] = name

    def skip(self, node: fx.Node, to: fx.Node) -> None:
        self.names[node] = self.names[to]

    def zeros(self, node: fx.Node, x: fx.Node, padding: list[int]) -> str:
        name = f"{node.name}_pad"
        self.layers.append({"name": name, "kind": "zero-pad", "inputs": [self.names[x]], "padding": padding})
        return name

    def pool(self, node: fx.Node, x: fx.Node, kind: str, size, stride, padding, ceil: bool, counted: bool) -> None:
        if ceil:
            raise ValueError("ceil_mode isn't known")
        size = pair(size)
        border = padding_of(padding, size, size)
        fields = {"size": size, "stride": pair(size if stride is None or stride == [] else stride)}
        if border != "valid" and counted:
            padded = self.zeros(node, x, border)
            self.add(node, kind, [x], **fields)
            self.layers[-1]["inputs"] = [padded]
        else:
            self.add(node, kind, [x], **fields, padding=border)


def shape_of(node: fx.Node) -> list[int]:
    """Of a sample."""
    return list(node.meta["tensor_meta"].shape)[1:]


def convolution(to: Converter, node: fx.Node, x: fx.Node, module: nn.Conv2d) -> None:
    if pair(module.dilation) != [1, 1] or module.padding_mode != "zeros":
        raise ValueError("dilations and paddings other than zeros aren't known")
    to.add(
        node,
        "conv",
        [x],
        maps=module.out_channels,
        kernel=pair(module.kernel_size),
        stride=pair(module.stride),
        padding=padding_of(module.padding, pair(module.kernel_size), pair(module.stride)),
        groups=module.groups,
        bias=module.bias is not None,
    )


def linear(to: Converter, node: fx.Node, x: fx.Node, module: nn.Linear) -> None:
    if len(shape_of(x)) != 1:
        raise ValueError("only products of vectors are known: flatten in front of it")
    to.add(node, "dense", [x], units=module.out_features, bias=module.bias is not None)


def batch_norm(to: Converter, node: fx.Node, x: fx.Node, module: nn.BatchNorm2d) -> None:
    if not module.affine or not module.track_running_stats or module.momentum is None:
        raise ValueError("only norms with weights, running statistics and a momentum are known")
    to.add(node, "batch-norm", [x], momentum=module.momentum, epsilon=module.eps)


def group_norm(to: Converter, node: fx.Node, x: fx.Node, module: nn.GroupNorm) -> None:
    if not module.affine:
        raise ValueError("only norms with weights are known")
    to.add(node, "group-norm", [x], groups=module.num_groups, epsilon=module.eps)


def layer_norm(to: Converter, node: fx.Node, x: fx.Node, module: nn.LayerNorm) -> None:
    if module.bias is None or list(module.normalized_shape) != shape_of(x):
        raise ValueError("only norms over all values of a sample, with weights and biases, are known")
    to.add(node, "layer-norm", [x], epsilon=module.eps)


def zero_pad(to: Converter, node: fx.Node, x: fx.Node, module: nn.ZeroPad2d) -> None:
    left, right, top, bottom = module.padding
    to.add(node, "zero-pad", [x], padding=[top, left, bottom, right])


def global_mean(to: Converter, node: fx.Node, x: fx.Node, size) -> None:
    if pair(size) != [1, 1]:
        raise ValueError("only an output of 1x1 is known")
    to.add(node, "global-average-pool", [x])


def max_pool(
    to: Converter, node: fx.Node, x: fx.Node, size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
) -> None:
    if pair(dilation) != [1, 1] or return_indices:
        raise ValueError("dilations and indices aren't known")
    to.pool(node, x, "max-pool", size, stride, padding, ceil_mode, False)


def average_pool(
    to: Converter, node: fx.Node, x: fx.Node, size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
) -> None:
    to.pool(node, x, "average-pool", size, stride, padding, ceil_mode, count_include_pad)


def flatten(to: Converter, node: fx.Node, x: fx.Node, *_sizes, **_options) -> None:
    if len(shape_of(node)) != 1:
        raise ValueError("only vectors can be made of a sample")
    to.skip(node, x) if len(shape_of(x)) == 1 else to.add(node, "flatten", [x])


def mean(to: Converter, node: fx.Node, x: fx.Node, axes, keepdim: bool = False) -> None:
    if sorted(axis % 4 for axis in pair(axes)) != [2, 3] or len(shape_of(x)) != 3:
        raise ValueError("only means over rows and columns are known")
    to.add(node, "global-average-pool", [x])


def add(to: Converter, node: fx.Node, a: fx.Node, b) -> None:
    if not isinstance(b, fx.Node):
        to.add(node, "rescale", [a], offset=b)
    elif shape_of(a) != shape_of(b):
        raise ValueError("only sums of one shape are known")
    else:
        to.add(node, "add", [a, b])


def concatenate(to: Converter, node: fx.Node, parts: list[fx.Node], dim: int = 0) -> None:
    if dim not in (1, -len(shape_of(parts[0]))):
        raise ValueError("only maps (dim 1) can be joined")
    to.add(node, "concat", parts)


def dropout(to: Converter, node: fx.Node, x: fx.Node, p: float = 0.5, **_options) -> None:
    to.add(node, "dropout", [x], rate=p)


def at_end(head: str):
    """The head has this function itself."""

    def convert(to: Converter, node: fx.Node, x: fx.Node, *_args, **_options) -> None:
        if any(user.op != "output" for user in node.users):
            raise ValueError("it is known only as a model's last layer")
        to.head = head
        to.skip(node, x)

    return convert


def plain(kind: str):
    return lambda to, node, x, *_args, **_options: to.add(node, kind, [x])


def sigmoid(to: Converter, node: fx.Node, x: fx.Node, *_args) -> None:
    is_last = all(user.op == "output" for user in node.users)
    (at_end if is_last else plain)("sigmoid")(to, node, x)


def skip(to: Converter, node: fx.Node, x: fx.Node, *_args, **_options) -> None:
    to.skip(node, x)


MODULES = {
    nn.Conv2d: convolution,
    nn.Linear: linear,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.GroupNorm: group_norm,
    nn.LayerNorm: layer_norm,
    nn.ZeroPad2d: zero_pad,
    nn.ReLU: lambda to, node, x, _: to.add(node, "relu", [x]),
    nn.LeakyReLU: lambda to, node, x, m: to.add(node, "leaky-relu", [x], slope=m.negative_slope),
    nn.Tanh: lambda to, node, x, _: to.add(node, "tanh", [x]),
    nn.Sigmoid: sigmoid,
    nn.MaxPool2d: lambda to, node, x, m: max_pool(
        to, node, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode
    ),
    nn.AvgPool2d: lambda to, node, x, m: average_pool(
        to, node, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad
    ),
    nn.AdaptiveAvgPool2d: lambda to, node, x, m: global_mean(to, node, x, m.output_size),
    nn.Flatten: lambda to, node, x, _: flatten(to, node, x),
    nn.Dropout: lambda to, node, x, m: dropout(to, node, x, m.p),
    nn.Identity: lambda to, node, x, _: to.skip(node, x),
    nn.Softmax: at_end("softmax"),
    nn.LogSoftmax: at_end("softmax"),
}

FUNCTIONS = {
    torch.relu: plain("relu"),
    functional.relu: plain("relu"),
    torch.tanh: plain("tanh"),
    torch.sigmoid: sigmoid,
    functional.leaky_relu: lambda to, node, x, negative_slope=0.01, inplace=False: to.add(
        node, "leaky-relu", [x], slope=negative_slope
    ),
    functional.max_pool2d: max_pool,
    torch.max_pool2d: max_pool,
    functional.avg_pool2d: average_pool,
    functional.adaptive_avg_pool2d: global_mean,
    functional.dropout: dropout,
    torch.flatten: flatten,
    torch.cat: concatenate,
    torch.add: add,
    operator.add: add,
    operator.iadd: add,
    torch.mean: mean,
    torch.softmax: at_end("softmax"),
    functional.softmax: at_end("softmax"),
    functional.log_softmax: at_end("softmax"),
}

METHODS = {
    "relu": plain("relu"),
    "relu_": plain("relu"),
    "tanh": plain("tanh"),
    "sigmoid": sigmoid,
    "flatten": flatten,
    "view": flatten,
    "reshape": flatten,
    "mean": mean,
    "add": add,
    "add_": add,
    "contiguous": skip,
    "softmax": at_end("softmax"),
    "log_softmax": at_end("softmax"),
}


def convert_node(to: Converter, node: fx.Node) -> None:
    if node.op == "call_module":
        module = to.graph.get_submodule(node.target)
        known, kind, what = MODULES, type(module), f"{node.target} ({type(module).__name__})"
        arguments = (node.args[0], module)
    else:
        known = FUNCTIONS if node.op == "call_function" else METHODS
        kind, what = node.target, f"{node.name} ({getattr(node.target, '__name__', node.target)})"
        arguments = node.args
    if kind not in known:
        names = ", ".join(sorted({getattr(each, "__name__", str(each)) for each in known}))
        raise ValueError(f"{what} isn't known. The known ones are {names}.")
    try:
        known[kind](to, node, *arguments, **({} if node.op == "call_module" else node.kwargs))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what}: {error}.") from None


def converted(module: nn.Module, shape: list[int], name: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """
    The spec of a module and its tensors by their names there. `shape` is a sample's: [maps, rows, columns] or [units].
    Raises ValueError, which names a layer that isn't known.
    """
    module = module.eval()
    graph = fx.symbolic_trace(module)
    parameter = next(module.parameters(), torch.zeros(1))
    ShapeProp(graph).propagate(torch.zeros(1, *shape, dtype=parameter.dtype, device=parameter.device))
    to = Converter(graph)
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            if INPUT in to.names.values():
                raise ValueError("a module of several inputs isn't known.")
            to.names[node] = INPUT
        elif node.op == "get_attr":
            raise ValueError(f"{node.target}: parameters outside of modules aren't known.")
        elif node.op.startswith("call") and node.users and "tensor_meta" in node.meta:
            # Sizes, such as x.size(0), have no tensor.
            convert_node(to, node)
    tensors = {}
    for layer in to.layers:
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensor = getattr(dict(graph.named_modules()).get(layer["name"]), part, None)
            if isinstance(tensor, torch.Tensor):
                tensors[f"{layer['name']}.{part}"] = tensor.detach().to("cpu", torch.float32).contiguous().clone()
    [maps, height, width] = shape if len(shape) == 3 else [shape[0], 1, 1]
    sample = {"maps": maps, "height": height, "width": width}
    return {"name": name, "input": sample, "layers": to.layers, "head": to.head}, tensors


def text_of(spec: dict) -> str:
    """A line a layer, for people who edit it."""
    layers = ",\n".join(f"    {json.dumps(layer)}" for layer in spec["layers"])
    rest = {key: json.dumps(value) for key, value in spec.items()} | {"layers": f"[\n{layers}\n  ]"}
    fields = ",\n".join(f"  {json.dumps(key)}: {value}" for key, value in rest.items())
    return f"{{\n{fields}\n}}\n"


def write(module: nn.Module, shape: list[int], path: pathlib.Path) -> None:
    """Writes PATH.json and PATH.safetensors."""
    spec, tensors = converted(module, shape, path.name)
    path.with_suffix(".json").write_text(text_of(spec))
    save_file(tensors, path.with_suffix(".safetensors"))


def main() -> None:
    if len(sys.argv) != 4 or ":" not in sys.argv[1]:
        sys.exit(__doc__)
    module, function = sys.argv[1].split(":")
    sys.path.insert(0, "")
    try:
        made = getattr(importlib.import_module(module), function)()
        write(made, [int(side) for side in sys.argv[2].split("x")], pathlib.Path(sys.argv[3]))
    except ValueError as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
