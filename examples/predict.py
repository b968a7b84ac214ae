#!/usr/bin/env python3
"""Classifies MNIST images with weights that Lockstep exported, by numpy alone.

    lockstep export runs/first --format safetensors --out weights.safetensors
    python3 examples/predict.py weights.safetensors t10k-images-idx3-ubyte --labels t10k-labels-idx1-ubyte

The file has everything: its tensors are the weights, and its metadata's `spec` lists the layers. Images and labels are IDX
files, packed by gzip or not. `--save probabilities.npy` writes the probabilities, [images][classes].
"""

import argparse
import gzip
import json

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

IMAGES_AT_ONCE = 500


def read_safetensors(path):
    """The tensors by name and the metadata, a dict of strings. https://huggingface.co/docs/safetensors"""
    with open(path, 'rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop('__metadata__', {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry['data_offsets']
        tensors[name] = np.frombuffer(data[begin:end], '<f4').reshape(entry['shape'])
    return tensors, metadata


def read_idx(path):
    """Bytes, [items] or [items][rows][columns]."""
    with open(path, 'rb') as file:
        content = file.read()
    if content[:2] == b'\x1f\x8b':
        content = gzip.decompress(content)
    sides = np.frombuffer(content, '>u4', count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sides)).reshape(sides)


def conv(x, kernels, bias, table):
    """[n][maps][rows][columns] to the same. `table` has, for each input map, the output maps that it feeds."""
    taps = kernels.shape[1:]
    dense = np.zeros((len(bias), x.shape[1], *taps))
    # The file's kernels: by output map, then input map, none where there is no connection.
    pairs = [(o, i) for o in range(len(bias)) for i in range(x.shape[1]) if table is None or o in table[i]]
    for kernel, pair in zip(kernels, pairs, strict=True):
        dense[pair] = kernel
    windows = sliding_window_view(x, taps, axis=(2, 3))
    return np.einsum('nirckl,oikl->norc', windows, dense, optimize=True) + bias[:, None, None]


def subsample(x, coefficient, bias):
    """The sum of each 2x2 window, times the map's coefficient, plus its bias; then ReLU."""
    n, maps, rows, columns = x.shape
    sums = x.reshape(n, maps, rows // 2, 2, columns // 2, 2).sum(axis=(3, 5))
    return np.maximum(sums * coefficient[:, None, None] + bias[:, None, None], 0)


def dense(x, weight, bias):
    """[n][inputs] to [n][units]; a map stack is taken map by map, row by row."""
    return x.reshape(len(x), -1) @ weight.T + bias


def activate(x, activation):
    return np.maximum(x, 0) if activation == 'relu' else 1.7159 * np.tanh(2 / 3 * x)


def scores_of(x, head, tensors):
    """[n][classes]: the highest is the prediction."""
    if head['kind'] == 'softmax':
        return dense(x, tensors['output.weight'], tensors['output.bias'])
    # Squared distances to fixed bitmaps of -1 and +1: the nearest wins.
    return -((x[:, None, :] - np.array(head['targets'])) ** 2).sum(axis=2)


def probabilities_of(images, spec, tensors):
    """Bytes [n][rows][columns] to [n][classes]."""
    border = spec['input']['padding']
    x = np.pad(images[:, None] / 255, ((0, 0), (0, 0), (border, border), (border, border)))
    for layer in spec['layers']:
        name = layer['name']
        if layer['kind'] == 'conv':
            x = conv(x, tensors[f'{name}.weight'], tensors[f'{name}.bias'], layer.get('table'))
        elif layer['kind'] == 'subsample':
            x = subsample(x, tensors[f'{name}.coefficient'], tensors[f'{name}.bias'])
        else:
            x = activate(dense(x, tensors[f'{name}.weight'], tensors[f'{name}.bias']), layer['activation'])
    scores = scores_of(x, spec['head'], tensors)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description='Classifies MNIST images with weights that Lockstep exported.')
    parser.add_argument('weights', help='from `lockstep export --format safetensors`')
    parser.add_argument('images', help='an IDX file, such as t10k-images-idx3-ubyte')
    parser.add_argument('--labels', help='their IDX file, for the accuracy')
    parser.add_argument('--save', help='file for the probabilities, .npy')
    args = parser.parse_args()

    tensors, metadata = read_safetensors(args.weights)
    if 'spec' not in metadata:
        parser.error(f'{args.weights} does not say what network it is of: expected one of `lockstep export`.')
    tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    spec = json.loads(metadata['spec'])
    images = read_idx(args.images)
    chunks = [images[first : first + IMAGES_AT_ONCE] for first in range(0, len(images), IMAGES_AT_ONCE)]
    probabilities = np.concatenate([probabilities_of(chunk, spec, tensors) for chunk in chunks])
    predictions = probabilities.argmax(axis=1)
    if args.save:
        np.save(args.save, probabilities)
    print('first ten:', *predictions[:10])
    if args.labels:
        print(f'accuracy: {(predictions == read_idx(args.labels)).mean():.2%} of {len(images)} images')


if __name__ == '__main__':
    main()
