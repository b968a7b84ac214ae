"""Writes the weights of a Keras 3 archive, which are in HDF5, as safetensors beside it, where Lockstep reads them.

    pip install keras torch safetensors numpy
    KERAS_BACKEND=torch python examples/keras-to-safetensors.py net.keras      # writes net.safetensors
    lockstep train --model net.keras --init net.keras
"""

import pathlib
import sys

import keras
import numpy
from safetensors.numpy import save_file


def write_weights(model: keras.Model, path: pathlib.Path) -> None:
    """Tensors by Keras' own names, such as conv2d/kernel, in its own shapes."""
    save_file({weight.path: numpy.asarray(weight, dtype=numpy.float32) for weight in model.weights}, path)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    archive = pathlib.Path(sys.argv[1])
    write_weights(keras.saving.load_model(archive, compile=False), archive.with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
