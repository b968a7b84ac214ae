"""Writes the ONNX files in fixtures/ with PyTorch 2.6 or later, and a spec, and beside each the outputs that PyTorch computes.

    pip install torch onnx onnxscript safetensors
    python tests/inspect/import/make_pytorch.py
"""

import importlib.util
import pathlib
import warnings

import onnx
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE / "fixtures"
EXAMPLE = HERE.parents[2] / "examples" / "pytorch-to-lockstep.py"
SAMPLES = 3


class Block(nn.Module):
    def __init__(self, maps_in: int, maps: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(maps_in, maps, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)
        self.shortcut = nn.Sequential()
        if stride != 1 or maps_in != maps:
            self.shortcut = nn.Sequential(nn.Conv2d(maps_in, maps, 1, stride, bias=False), nn.BatchNorm2d(maps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """Padding, strides, batch norm, sums, and a global mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = Block(8, 8, 1)
        self.layer2 = Block(8, 12, 2)
        self.layer3 = Block(12, 16, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(self.pool(x), 1))


class Vgg(nn.Module):
    """Bias, a mean and a maximum over windows, groups, norms of samples, joined maps, dropout, a dense layer behind a stack."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ZeroPad2d((1, 2, 0, 1)),
            nn.Conv2d(3, 6, 3),
            nn.LeakyReLU(0.2),
            nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
            nn.Conv2d(6, 6, 3, padding=1, groups=6),
            nn.GroupNorm(2, 6),
            nn.Tanh(),
        )
        self.pool = nn.AvgPool2d(3, 2, padding=1)
        self.left = nn.Conv2d(6, 4, 1)
        self.right = nn.Conv2d(6, 4, (3, 1), padding=(1, 0))
        self.classifier = nn.Sequential(
            nn.LayerNorm(8 * 4 * 5), nn.Linear(8 * 4 * 5, 20), nn.ReLU(), nn.Dropout(0.3), nn.Linear(20, 7)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.features((x - 0.5) / 0.25))
        x = torch.cat([self.left(x), torch.sigmoid(self.right(x))], 1)
        return self.classifier(x.view(x.size(0), -1))


class Mlp(nn.Module):
    """Products without bias, a norm of vectors, a product with its bias as a sum, and a softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 24, bias=False)
        self.norm = nn.BatchNorm1d(24)
        self.weight = nn.Parameter(torch.randn(24, 16) / 5)
        self.bias = nn.Parameter(torch.randn(16) / 5)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.fc1(x)))
        x = torch.matmul(x, self.weight) + self.bias
        return torch.softmax(self.fc2(torch.sigmoid(x)), 1)


class Mixed(nn.Module):
    """What torch.fx sees as functions and methods, and the norms of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, 2, 1), nn.GroupNorm(3, 6), nn.LeakyReLU(0.1))
        self.body = Block(6, 6, 1)
        self.norm = nn.LayerNorm([12, 3, 3])
        self.drop = nn.Dropout(0.4)
        self.fc1 = nn.Linear(12 * 3 * 3, 8)
        self.bn = nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(self.stem(x))
        pooled = functional.max_pool2d(x, 3, 2, padding=1)
        x = torch.cat([pooled, functional.avg_pool2d(torch.tanh(x), 3, 2, padding=1)], dim=1)
        x = self.drop(self.norm(x)).view(x.size(0), -1)
        x = self.bn(self.fc1(x)).sigmoid()
        return functional.log_softmax(self.fc2(x), dim=1)


def shuffle_norms(model: nn.Module) -> None:
    """As after training: no norm has the values of a new one."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.3, 0.3)
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_var.uniform_(0.5, 1.5)
            module.running_mean.uniform_(-0.3, 0.3)


def export(model: nn.Module, shape: tuple[int, ...], name: str, in_training: bool, dynamo: bool, **options) -> None:
    mode = torch.onnx.TrainingMode.TRAINING if in_training else torch.onnx.TrainingMode.EVAL
    path = FIXTURES / f"{name}.onnx"
    inputs = torch.rand(SAMPLES, *shape)
    model.train(in_training)
    if dynamo:
        torch.onnx.export(model, (inputs,), path, dynamo=True, external_data=False, verbose=False, **options)
    else:
        torch.onnx.export(
            model, (inputs,), path, dynamo=False, training=mode, do_constant_folding=not in_training, **options
        )
    # In training mode the trace itself has moved the running statistics, and the file has the moved ones.
    without_traces(path)
    write_outputs(model, inputs, name)


def without_traces(path: pathlib.Path) -> None:
    """Takes out where in the source each node comes from."""
    model = onnx.load(path)
    for owner in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        owner.doc_string = ""
        del owner.metadata_props[:]
    onnx.save(model, path)


def write_outputs(model: nn.Module, inputs: torch.Tensor, name: str) -> None:
    model.eval()
    with torch.no_grad():
        save_file({"inputs": inputs, "outputs": model(inputs)}, FIXTURES / f"{name}.outputs.safetensors")


def trace(model: nn.Module, shape: tuple[int, ...], name: str) -> None:
    spec = importlib.util.spec_from_file_location("example", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.write(model, list(shape), FIXTURES / name)
    write_outputs(model, torch.rand(SAMPLES, *shape), name)


def main() -> None:
    warnings.simplefilter("ignore")
    torch.manual_seed(1)
    FIXTURES.mkdir(exist_ok=True)
    for model, shape, name in ((ResNet(), (3, 16, 16), "resnet"), (Vgg(), (3, 16, 16), "vgg"), (Mlp(), (64,), "mlp")):
        shuffle_norms(model)
        batch = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
        export(model, shape, f"{name}-torchscript", True, False, opset_version=17, **batch)
        export(model, shape, f"{name}-dynamo", False, True, dynamic_shapes={"x": {0: torch.export.Dim("n")}})
    mixed = Mixed()
    shuffle_norms(mixed)
    trace(mixed, (2, 12, 11), "mixed")


if __name__ == "__main__":
    main()
