"""Checks an ONNX model and saves the probabilities that ONNX Runtime gives: MODEL IMAGES.f32 HEIGHT WIDTH SAVED.npy"""

import sys

import numpy as np
import onnx
import onnxruntime

model, images, height, width, saved = sys.argv[1:]
onnx.checker.check_model(onnx.load(model), full_check=True)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
(image,) = session.get_inputs()
first, second = session.get_outputs()
assert (image.name, image.type, image.shape) == ('image', 'tensor(float)', ['N', 1, int(height), int(width)])
assert first.name == 'probabilities' and first.shape[0] == 'N' and second.shape == first.shape

pixels = np.fromfile(images, '<f4').reshape(-1, 1, int(height), int(width))
# Any number of images at once, one included.
ends = [0, 1, *range(500, len(pixels), 500), len(pixels)]
parts = [session.run(None, {'image': pixels[a:b]}) for a, b in zip(ends, ends[1:]) if a < b]
np.save(saved, np.concatenate([probabilities for probabilities, _ in parts]))
