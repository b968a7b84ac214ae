"""Trains a network of Lockstep's in PyTorch, for `npm run bench:peers`: float32, Adam, one batch a step.

protocol.py says what it is asked. With several processes, each takes its part of the batch and has the gradients of all.
"""

import logging
import math

import torch
from torch import nn
from torch.nn import functional

# None of these needs its output in the backward pass, so that the activation behind it may overwrite it.
MAY_BE_OVERWRITTEN = {"conv", "dense", "subsample", "batch-norm", "group-norm", "add"}


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


class TableConv(nn.Module):
    """A convolution with the kernels of a table's connections, by output map, and zeros for the others."""

    def __init__(self, spec):
        super().__init__()
        self.shape = [spec["maps"], spec["shape"]["maps"], *spec["kernel"]]
        pairs = sorted((to, source) for source, targets in enumerate(spec["table"]) for to in targets)
        self.isFull = len(pairs) == self.shape[0] * self.shape[1]
        places = torch.tensor([to * self.shape[1] + source for to, source in pairs])
        self.register_buffer("places", places, persistent=False)
        self.weight = nn.Parameter(torch.zeros(len(pairs), *spec["kernel"]))
        self.bias = nn.Parameter(torch.zeros(spec["maps"])) if spec["bias"] else None
        self.stride, self.border = spec["stride"], border(spec, spec["kernel"], spec["stride"])

    def forward(self, x):
        top, left, bottom, right = self.border
        if any(self.border):
            x = functional.pad(x, (left, right, top, bottom))
        weight = self.weight
        if not self.isFull:
            count = self.shape[0] * self.shape[1]
            weight = weight.new_zeros(count, *self.shape[2:]).index_copy(0, self.places, weight)
        return functional.conv2d(x, weight.view(self.shape), self.bias, self.stride)


class Subsample(nn.Module):
    """The sum of each 2x2 window, times the map's coefficient, plus its bias: a convolution of each map."""

    def __init__(self, spec):
        super().__init__()
        self.maps = spec["shape"]["maps"]
        self.coefficient = nn.Parameter(torch.full((self.maps,), 0.25))
        self.bias = nn.Parameter(torch.zeros(self.maps))

    def forward(self, x):
        means = functional.avg_pool2d(x, 2)
        return torch.addcmul(self.bias.view(-1, 1, 1), means, (4 * self.coefficient).view(-1, 1, 1))


def conv(spec):
    if "table" in spec:
        return TableConv(spec)
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
    "subsample": Subsample,
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


def set_weights(network, weights):
    """Names have slashes for dots in PyTorch's modules."""
    left = dict(weights)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            layer, kind = name.removeprefix("kinds.").split(".", 1)
            parameter.copy_(left.pop(f"{layer.replace('/', '.')}.{kind.split('.')[-1]}"))
    if left:
        raise SystemExit(f"The network doesn't have {', '.join(left)}.")


class Training:
    """Batches of samples one after the other, from bytes to updated weights."""

    def __init__(self, job, setting):
        options = setting.split(", ")
        self.inputs, self.labels = torch.from_numpy(job["inputs"]), torch.from_numpy(job["labels"])
        self.memory_format = torch.channels_last if "channels_last" in options else torch.contiguous_format
        self.network = Network(job["layers"])
        set_weights(self.network, {name: torch.from_numpy(weight) for name, weight in job["weights"].items()})
        self.model = self.network = self.network.to(memory_format=self.memory_format)
        if job["processes"] > 1:
            self.model = nn.parallel.DistributedDataParallel(
                self.network, gradient_as_bucket_view=True, static_graph=True
            )
        self.loss = torch.compile(self.loss_of) if "compiled" in options else self.loss_of
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=job["learningRate"], fused=True)
        self.dropouts = [(each, each.p) for each in self.network.modules() if isinstance(each, nn.Dropout)]

    def loss_of(self, inputs, labels):
        x = inputs.to(torch.float32, memory_format=self.memory_format).div_(255)
        return functional.cross_entropy(self.model(x).flatten(1), labels)

    def step(self, chosen, has_dropout):
        for layer, rate in self.dropouts:
            layer.p = rate if has_dropout else 0.0
        chosen = torch.from_numpy(chosen)
        loss = self.loss(self.inputs[chosen], self.labels[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    # Here, since accuracy.py imports this file too, and the pipe takes standard output.
    from protocol import read_job, serve

    job = read_job()
    torch.set_num_threads(job["threads"])
    torch.manual_seed(1)
    # Or the compiler warns that it ignores the profiler.
    torch._logging.set_logs(all=logging.ERROR)
    # As TensorFlow does: tiny gradients would cost more.
    torch.set_flush_denormal(True)
    if job["processes"] > 1:
        group = {"rank": job["rank"], "world_size": job["processes"], "init_method": f"file://{job['meetingPoint']}"}
        torch.distributed.init_process_group("gloo", **group)
    serve(job, Training, {"PyTorch": torch.__version__})
    if job["processes"] > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
