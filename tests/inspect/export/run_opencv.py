"""Saves the probabilities that OpenCV gives by an ONNX model: MODEL IMAGES.f32 HEIGHT WIDTH SAVED.npy"""

import sys

import cv2
import numpy as np

model, images, height, width, saved = sys.argv[1:]
pixels = np.fromfile(images, '<f4').reshape(-1, 1, int(height), int(width))
net = cv2.dnn.readNetFromONNX(model)
# Any number of images at once, one included.
ends = [0, 1, *range(500, len(pixels), 500), len(pixels)]
parts = []
for a, b in zip(ends, ends[1:]):
    if a < b:
        net.setInput(pixels[a:b], 'image')
        parts.append(net.forward('probabilities'))
np.save(saved, np.concatenate(parts))
