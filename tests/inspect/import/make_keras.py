"""Writes the Keras archives in fixtures/ with Keras 3, and beside each the outputs that Keras computes.

    pip install keras torch safetensors
    KERAS_BACKEND=torch python tests/inspect/import/make_keras.py
"""

import importlib.util
import pathlib

import keras
import numpy
from keras import layers
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE / "fixtures"
EXAMPLE = HERE.parents[2] / "examples" / "keras-to-safetensors.py"
SAMPLES = 3


def residual() -> keras.Model:
    """Bytes as input, a sum, joined maps, group norm, and a softmax as a layer of its own."""
    inputs = keras.Input((12, 11, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = stem = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.SeparableConv2D(8, 3, padding="same", activation="leaky_relu")(x)
    x = layers.GroupNormalization(groups=4)(x)
    x = layers.Add()([x, stem])
    x = layers.Concatenate()([x, layers.Conv2D(4, (3, 1), padding="same", groups=2, activation="sigmoid")(x)])
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Dropout(0.2)(layers.MaxPooling2D()(x))
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Softmax()(layers.Dense(6)(x)), name="residual")


def main() -> None:
    spec = importlib.util.spec_from_file_location("example", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    keras.utils.set_random_seed(1)
    random = numpy.random.default_rng(1)
    model = residual()
    for weight in model.weights:
        around_one = "gamma" in weight.path or "variance" in weight.path
        low, high = (0.5, 1.5) if around_one else (-0.4, 0.4)
        if "float" in str(weight.dtype):
            weight.assign(random.uniform(low, high, weight.shape))
    model.save(FIXTURES / "residual.keras")
    example.write_weights(model, FIXTURES / "residual.safetensors")
    # Keras takes bytes here, and Lockstep samples of 0 to 1.
    inputs = random.uniform(0, 1, (SAMPLES, 12, 11, 3)).astype("float32")
    outputs = numpy.asarray(model.predict(inputs * 255, verbose=0))
    channels_first = numpy.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
    save_file({"inputs": channels_first, "outputs": outputs}, FIXTURES / "residual.outputs.safetensors")


if __name__ == "__main__":
    main()
