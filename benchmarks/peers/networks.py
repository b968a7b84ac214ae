"""Trains a network of Lockstep's in PyTorch, for benchmarks/networks.ts: float32, Adam, one thread, one batch a step.

Standard input: a line of JSON (layers and batch), the samples' bytes, their classes as uint16; then a line for each
measurement: a memory format and its steps. Standard output: for each, a line of JSON with seconds of clock and processor.
"""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional

# None of these needs its output in the backward pass, so that the activation behind it may overwrite it.
MAY_BE_OVERWRITTEN = {"conv", "dense", "batch-norm", "group-norm", "add"}


class Apply(nn.Module):
    """A function of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.forward = function


def border(spec, size, stride):
    """Top, left, bottom, right."""
    padding, sides = spec["padding"], (spec["shape"]["height"], spec["shape"]["width"])
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding != "same":
        return padding
    rows, columns = (max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(sides, stride, size))
    return [rows // 2, columns // 2, rows - rows // 2, columns - columns // 2]


def padded(make, spec, size, stride, value):
    """The layer, with the padding of its own if the sides are even."""
    top, left, bottom, right = border(spec, size, stride)
    if (top, left) == (bottom, right):
        return make((top, left))
    if value is None:
        raise SystemExit(f"{spec['name']}: PyTorch has no mean over windows with uneven padding.")
    return nn.Sequential(nn.ConstantPad2d((left, right, top, bottom), value), make(0))


def conv(spec):
    if "table" in spec:
        raise SystemExit(f"{spec['name']}: PyTorch has no convolution with a table of connections.")
    maps, kernel, stride = spec["shape"]["maps"], spec["kernel"], spec["stride"]
    make = lambda padding: nn.Conv2d(  # noqa: E731
        maps, spec["maps"], kernel, stride, padding, groups=spec["groups"], bias=spec["bias"]
    )
    return padded(make, spec, kernel, stride, 0.0)


def pool(spec, make, value):
    size = spec["size"]
    stride = spec.get("stride") or size
    return padded(lambda padding: make(size, stride, padding), spec, size, stride, value)


def is_vector(shape):
    return shape["height"] == 1 and shape["width"] == 1


def values(shape):
    return [shape["maps"]] if is_vector(shape) else [shape["maps"], shape["height"], shape["width"]]


def dense(spec):
    linear = nn.Linear(math.prod(values(spec["shape"])), spec["units"], spec["bias"])
    return linear if is_vector(spec["shape"]) else nn.Sequential(nn.Flatten(), linear)


def batch_norm(spec):
    kind = nn.BatchNorm1d if is_vector(spec["shape"]) else nn.BatchNorm2d
    return kind(spec["shape"]["maps"], spec["epsilon"], spec["momentum"])


def zero_pad(spec):
    top, left, bottom, right = spec["padding"]
    return nn.ZeroPad2d((left, right, top, bottom))


KINDS = {
    "conv": conv,
    "dense": dense,
    "max-pool": lambda spec: pool(spec, nn.MaxPool2d, -torch.inf),
    "average-pool": lambda spec: pool(spec, lambda *window: nn.AvgPool2d(*window, count_include_pad=False), None),
    "global-average-pool": lambda _: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "flatten": lambda _: nn.Flatten(),
    "relu": lambda spec: nn.ReLU(inplace=spec["inPlace"]),
    "leaky-relu": lambda spec: nn.LeakyReLU(spec["slope"], inplace=spec["inPlace"]),
    "tanh": lambda _: nn.Tanh(),
    "scaled-tanh": lambda _: Apply(lambda x: 1.7159 * torch.tanh(x * (2 / 3))),
    "sigmoid": lambda _: nn.Sigmoid(),
    "batch-norm": batch_norm,
    "group-norm": lambda spec: nn.GroupNorm(spec["groups"], spec["shape"]["maps"], spec["epsilon"]),
    "layer-norm": lambda spec: nn.LayerNorm(values(spec["shape"]), spec["epsilon"]),
    "dropout": lambda spec: nn.Dropout(spec["rate"]),
    "add": lambda _: Apply(lambda *x: sum(x[1:], x[0])),
    "concat": lambda _: Apply(lambda *x: torch.cat(x, 1)),
    "zero-pad": zero_pad,
    "rescale": lambda spec: Apply(lambda x: x * spec["scale"] + spec["offset"]),
}


class Network(nn.Module):
    def __init__(self, specs):
        super().__init__()
        self.sources = {spec["name"]: spec["inputs"] for spec in specs}
        self.kinds = nn.ModuleDict()
        kinds = {spec["name"]: spec["kind"] for spec in specs}
        for spec in specs:
            [source, *_] = spec["inputs"]
            readers = sum(inputs.count(source) for inputs in self.sources.values())
            spec["inPlace"] = readers == 1 and kinds.get(source) in MAY_BE_OVERWRITTEN
            if spec["kind"] not in KINDS:
                raise SystemExit(f"{spec['name']}: this benchmark has no {spec['kind']} in PyTorch.")
            self.kinds[spec["name"].replace(".", "/")] = KINDS[spec["kind"]](spec)
        self.steps = list(zip(self.sources, self.sources.values(), self.kinds.values()))

    def forward(self, x):
        outputs = {"input": x}
        for name, sources, layer in self.steps:
            x = outputs[name] = layer(*[outputs[source] for source in sources])
        return x


class Training:
    """Batches of samples one after the other, from bytes to updated weights."""

    def __init__(self, job, inputs, labels, memory_format):
        self.inputs, self.labels, self.batch = inputs, labels, job["batch"]
        self.memory_format = memory_format
        self.network = Network(job["layers"]).to(memory_format=memory_format)
        parameters = sum(each.numel() for each in self.network.parameters())
        if parameters != job["parameters"]:
            raise SystemExit(f"Expected a network of {job['parameters']} parameters, but PyTorch's has {parameters}.")
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=job["learningRate"], fused=True)

    def step(self):
        chosen = torch.randint(len(self.labels), (self.batch,))
        x = self.inputs[chosen].to(torch.float32, memory_format=self.memory_format).div_(255)
        loss = functional.cross_entropy(self.network(x).flatten(1), self.labels[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    # The samples are soon learned, and tiny gradients would cost more.
    torch.set_flush_denormal(True)
    job = json.loads(sys.stdin.buffer.readline())
    maps, height, width, count = (job[key] for key in ("maps", "height", "width", "count"))
    read = lambda size, kind: torch.frombuffer(bytearray(sys.stdin.buffer.read(size)), dtype=kind)  # noqa: E731
    inputs = read(count * maps * height * width, torch.uint8).reshape(count, maps, height, width)
    labels = read(2 * count, torch.int16).long()
    trainings = {
        "channels_first": Training(job, inputs, labels, torch.contiguous_format),
        "channels_last": Training(job, inputs, labels, torch.channels_last),
    }
    for line in sys.stdin.buffer:
        name, steps = line.decode().split()
        seconds, processor = time.perf_counter(), time.process_time()
        for _ in range(int(steps)):
            trainings[name].step()
        seconds, processor = time.perf_counter() - seconds, time.process_time() - processor
        print(json.dumps({"seconds": seconds, "processor": processor}), flush=True)


if __name__ == "__main__":
    main()
