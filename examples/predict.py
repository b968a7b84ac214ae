#!/usr/bin/env python3
"""Runs a network that Lockstep exported on images, by numpy alone.

    lockstep export runs/first --format safetensors --out weights.safetensors
    python3 examples/predict.py weights.safetensors t10k-images-idx3-ubyte --labels t10k-labels-idx1-ubyte

The file has everything: its tensors are the weights, and its metadata's `spec` lists the layers. Images and labels are IDX
files, packed by gzip or not. `--save outputs.npy` writes the probabilities, or the numbers of a regression,
[images][outputs].
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
    """Bytes, [items], [items][rows][columns] or [items][maps][rows][columns]."""
    with open(path, 'rb') as file:
        content = file.read()
    if content[:2] == b'\x1f\x8b':
        content = gzip.decompress(content)
    sides = np.frombuffer(content, '>u4', count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sides)).reshape(sides)


def border_of(layer, size, stride, sides):
    """Rows above and below, columns to the left and right. `same` puts the odd one at the bottom and the right."""
    padding = layer.get('padding', 'valid')
    if padding == 'valid':
        return (0, 0), (0, 0)
    if padding == 'same':
        totals = [max((-(-side // step) - 1) * step + k - side, 0) for k, step, side in zip(size, stride, sides)]
        return tuple((total // 2, total - total // 2) for total in totals)
    top, left, bottom, right = padding
    return (top, bottom), (left, right)


def windows_of(x, layer, size, filling=0.0):
    """[n][maps][rows][columns][rows of a window][columns of a window]"""
    stride = layer.get('stride', size)
    padded = np.pad(x, ((0, 0), (0, 0), *border_of(layer, size, stride, x.shape[2:])), constant_values=filling)
    return sliding_window_view(padded, size, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]


def conv(layer, tensors, x):
    weight, maps, inputs, size = tensors['weight'], layer['maps'], x.shape[1], tuple(layer['kernel'])
    dense = np.zeros((maps, inputs, *size))
    if 'table' in layer:
        # A kernel for each connection: by output map, then input map. The table has, for each input map, the outputs that it feeds.
        pairs = [(o, i) for o in range(maps) for i in range(inputs) if o in layer['table'][i]]
        for kernel, pair in zip(weight, pairs, strict=True):
            dense[pair] = kernel
    else:
        per_group = inputs // layer['groups']
        for o in range(maps):
            first = o // (maps // layer['groups']) * per_group
            dense[o, first : first + per_group] = weight[o]
    sums = np.einsum('nirckl,oikl->norc', windows_of(x, layer, size), dense, optimize=True)
    return sums + per_map(tensors['bias']) if layer['bias'] else sums


def subsample(layer, tensors, x):
    """The sum of each 2x2 window, times the map's coefficient, plus its bias."""
    sums = windows_of(x, {}, (2, 2)).sum(axis=(4, 5))
    return sums * per_map(tensors['coefficient']) + per_map(tensors['bias'])


def max_pool(layer, tensors, x):
    return windows_of(x, layer, tuple(layer['size']), -np.inf).max(axis=(4, 5))


def average_pool(layer, tensors, x):
    """The mean over what isn't padding."""
    size = tuple(layer['size'])
    return windows_of(x, layer, size).sum(axis=(4, 5)) / windows_of(np.ones_like(x), layer, size).sum(axis=(4, 5))


def flatten(layer, tensors, x):
    return x.reshape(len(x), -1, 1, 1)


def dense(layer, tensors, x):
    sums = x.reshape(len(x), -1) @ tensors['weight'].T
    return (sums + tensors['bias'] if layer['bias'] else sums)[:, :, None, None]


def batch_norm(layer, tensors, x):
    normal = (x - per_map(tensors['running_mean'])) / np.sqrt(per_map(tensors['running_var']) + layer['epsilon'])
    return normal * per_map(tensors['weight']) + per_map(tensors['bias'])


def normalized(x, groups, epsilon):
    rows = x.reshape(len(x), groups, -1)
    normal = (rows - rows.mean(axis=2, keepdims=True)) / np.sqrt(rows.var(axis=2, keepdims=True) + epsilon)
    return normal.reshape(x.shape)


def group_norm(layer, tensors, x):
    normal = normalized(x, layer['groups'], layer['epsilon'])
    return normal * per_map(tensors['weight']) + per_map(tensors['bias'])


def layer_norm(layer, tensors, x):
    weight, bias = (tensors[part].reshape(x.shape[1:]) for part in ('weight', 'bias'))
    return normalized(x, 1, layer['epsilon']) * weight + bias


def zero_pad(layer, tensors, x):
    top, left, bottom, right = layer['padding']
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))


def per_map(values):
    return values[:, None, None]


# By kind: of the layer's fields, its tensors and its inputs [n][maps][rows][columns]; vectors are [n][units][1][1].
LAYERS = {
    'conv': conv,
    'subsample': subsample,
    'max-pool': max_pool,
    'average-pool': average_pool,
    'global-average-pool': lambda layer, tensors, x: x.mean(axis=(2, 3), keepdims=True),
    'flatten': flatten,
    'dense': dense,
    'relu': lambda layer, tensors, x: np.maximum(x, 0),
    'leaky-relu': lambda layer, tensors, x: np.where(x > 0, x, layer['slope'] * x),
    'tanh': lambda layer, tensors, x: np.tanh(x),
    'scaled-tanh': lambda layer, tensors, x: 1.7159 * np.tanh(2 / 3 * x),
    'sigmoid': lambda layer, tensors, x: 1 / (1 + np.exp(-x)),
    'batch-norm': batch_norm,
    'group-norm': group_norm,
    'layer-norm': layer_norm,
    'dropout': lambda layer, tensors, x: x,
    'add': lambda layer, tensors, *inputs: sum(inputs),
    'concat': lambda layer, tensors, *inputs: np.concatenate(inputs, axis=1),
    'zero-pad': zero_pad,
    'rescale': lambda layer, tensors, x: x * layer['scale'] + layer['offset'],
}


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def by_distance(head, x):
    """Squared distances to fixed bitmaps of -1 and +1: the nearest wins."""
    return softmax(-((x[:, None, :] - np.array(head['targets'])) ** 2).sum(axis=2))


# By kind: of the head's fields and the last layer's values [n][units].
HEADS = {
    'softmax': lambda head, x: softmax(x),
    'rbf': by_distance,
    'sigmoid': lambda head, x: 1 / (1 + np.exp(-x)),
    'mse': lambda head, x: x,
}


def outputs_of(samples, spec, tensors):
    """Samples [n][maps][rows][columns], bytes divided by 255, to probabilities or numbers [n][outputs]."""
    values = {'input': samples}
    for layer in spec['layers']:
        prefix = f"{layer['name']}."
        # Names may have dots themselves.
        own = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        x = LAYERS[layer['kind']](layer, own, *(values[name] for name in layer['inputs']))
        values[layer['name']] = x
    return HEADS[spec['head']['kind']](spec['head'], x.reshape(len(x), -1))


def main():
    parser = argparse.ArgumentParser(description='Runs a network that Lockstep exported on images.')
    parser.add_argument('weights', help='from `lockstep export --format safetensors`')
    parser.add_argument('images', help='an IDX file, such as t10k-images-idx3-ubyte')
    parser.add_argument('--labels', help='their IDX file, for the accuracy')
    parser.add_argument('--save', help='file for the outputs, .npy')
    args = parser.parse_args()

    tensors, metadata = read_safetensors(args.weights)
    if 'spec' not in metadata:
        parser.error(f'{args.weights} does not say what network it is of: expected one of `lockstep export`.')
    tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    spec = json.loads(metadata['spec'])
    images = read_idx(args.images)
    chunks = [images[first : first + IMAGES_AT_ONCE] for first in range(0, len(images), IMAGES_AT_ONCE)]
    shape = [spec['input'][side] for side in ('maps', 'height', 'width')]
    outputs = np.concatenate([outputs_of(chunk.reshape(-1, *shape) / 255, spec, tensors) for chunk in chunks])
    predictions = outputs.argmax(axis=1)
    if args.save:
        np.save(args.save, outputs)
    print('first ten:', *predictions[:10])
    if args.labels:
        print(f'accuracy: {(predictions == read_idx(args.labels)).mean():.2%} of {len(images)} images')


if __name__ == '__main__':
    main()
