"""Trains a run's network in PyTorch with the run's schedule, batch and shifts, and prints the test accuracy every 500 steps.

    node dist/cli/main.js model resnet8 --data cifar10.safetensors --json > model.json
    python benchmarks/peers/accuracy.py model.json cifar10.safetensors runs/resnet8/run.json [initial.safetensors]

The last argument has the initial weights, as `export --format safetensors` writes them; without it they are PyTorch's own.
"""

import json
import math
import sys

import torch
from networks import Network, set_weights
from torch.nn import functional

EVALUATE_EVERY = 500
EVALUATED_AT_ONCE = 500
MAX_SHIFT = 2
TYPES = {"U8": torch.uint8, "U16": torch.int16, "F32": torch.float32}


def read_tensors(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    count = lambda shape: math.prod(shape)  # noqa: E731
    return {
        name: torch.frombuffer(data, dtype=TYPES[at["dtype"]], count=count(at["shape"]), offset=start + at["data_offsets"][0])
        .reshape(at["shape"])
        for name, at in header.items()
    }


def network_of(model):
    """The layers with the shape that each reads."""
    outputs = {"input": model["input"], **{layer["name"]: layer["output"] for layer in model["layers"]}}
    return Network([{**spec, "shape": outputs[spec["inputs"][0]]} for spec in model["spec"]["layers"]])


def rate(step, config):
    highest, warmup, steps = config["learningRate"], config["warmup"], config["iterations"]
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest / 2 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def shifted(pictures, generator):
    _, _, height, width = pictures.shape
    wide = functional.pad(pictures, (MAX_SHIFT,) * 4)
    places = torch.randint(0, 2 * MAX_SHIFT + 1, (len(pictures), 2), generator=generator).tolist()
    return torch.stack([picture[:, y : y + height, x : x + width] for picture, (y, x) in zip(wide, places)])


def accuracy(network, inputs, targets):
    network.eval()
    with torch.no_grad():
        parts = zip(inputs.split(EVALUATED_AT_ONCE), targets.split(EVALUATED_AT_ONCE))
        right = sum((network(x.float() / 255).flatten(1).argmax(1) == y).sum().item() for x, y in parts)
    network.train()
    return right / len(targets)


def main():
    model_file, data_file, run_file, *initial = sys.argv[1:]
    with open(run_file, encoding="utf-8") as file:
        config = json.load(file)["config"]
    expected = {"augment": "shift", "optimizer": "adam", "schedule": "cosine"}
    if other := {key: config[key] for key, value in expected.items() if config[key] != value}:
        raise SystemExit(f"Expected a run with {expected}, but it has {other}.")
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    with open(model_file, encoding="utf-8") as file:
        network = network_of(json.load(file))
    if initial:
        set_weights(network, read_tensors(initial[0]))
    data = read_tensors(data_file)
    inputs, targets = data["train.inputs"], data["train.targets"].long()
    test = data["test.inputs"], data["test.targets"].long()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    generator = torch.Generator().manual_seed(config["seed"])
    order = torch.empty(0, dtype=torch.int64)
    for step in range(config["iterations"]):
        while len(order) < config["batch"]:
            order = torch.cat([order, torch.randperm(len(targets), generator=generator)])
        chosen, order = order[: config["batch"]], order[config["batch"] :]
        optimizer.param_groups[0]["lr"] = rate(step, config)
        outputs = network(shifted(inputs[chosen].float() / 255, generator)).flatten(1)
        loss = functional.cross_entropy(outputs, targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done = step + 1
        if done % EVALUATE_EVERY == 0 or done == config["iterations"]:
            print(f"step {done}  loss {loss.item():.4f}  test {accuracy(network, *test):.4f}", flush=True)


if __name__ == "__main__":
    main()
