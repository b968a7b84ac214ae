"""Runs every FOLDER/NAME.onnx by ONNX Runtime or by OpenCV on FOLDER/NAME.f32, or every NAME.safetensors by examples/predict.py,
and saves the outputs as NAME.0.npy and so on: onnxruntime|opencv|numpy FOLDER"""

import json
import sys
from pathlib import Path

import numpy as np

reader, folder = sys.argv[1:]


def by_onnxruntime(path, names, samples):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(names, {"image": samples})


def by_opencv(path, names, samples):
    import cv2

    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(samples, "image")
    # One after the other: OpenCV 5 gives what several are in an order of its own.
    return [net.forward(name) for name in names]


def run_onnx(path, run):
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (image,) = model.graph.input
    sides = [dim.dim_value for dim in image.type.tensor_type.shape.dim[1:]]
    samples = np.fromfile(path.with_suffix(".f32"), "<f4").reshape(-1, *sides)
    return run(path, [output.name for output in model.graph.output], samples)


def run_numpy(path):
    sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))
    import predict

    tensors, metadata = predict.read_safetensors(path)
    spec = json.loads(metadata["spec"])
    sides = [spec["input"][side] for side in ("maps", "height", "width")]
    samples = np.fromfile(path.with_suffix(".f32"), "<f4").reshape(-1, *sides).astype(np.float64)
    return [predict.outputs_of(samples, spec, {name: tensor.astype(np.float64) for name, tensor in tensors.items()})]


READERS = {
    "onnxruntime": ("onnx", lambda path: run_onnx(path, by_onnxruntime)),
    "opencv": ("onnx", lambda path: run_onnx(path, by_opencv)),
    "numpy": ("safetensors", run_numpy),
}

ending, run = READERS[reader]
for path in sorted(Path(folder).glob(f"*.{ending}")):
    try:
        outputs = run(path)
    except Exception as error:
        raise RuntimeError(f"{path.name}: {error}") from error
    for i, values in enumerate(outputs):
        np.save(path.with_suffix(f".{i}.npy"), np.ascontiguousarray(values, "<f4"))
