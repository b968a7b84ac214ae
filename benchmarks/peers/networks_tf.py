"""Trains a network of Lockstep's in TensorFlow, for `npm run bench:peers`: float32, Adam, a step as one tf.function.

protocol.py says what it is asked. Maps come last, since TensorFlow's operations on processors have them so.
"""

import math
import os

import numpy
from protocol import read_job, serve

# Before the library loads.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# As it loads it prints that oneDNN is on, at any log level. An exception is printed after this.
errors, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 2)
try:
    import tensorflow as tf
finally:
    os.dup2(errors, 2)

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def is_vector(shape):
    return shape["height"] == 1 and shape["width"] == 1


def padded(x, padding, value=0.0):
    """The input with a border of its own, and the padding that is left to the operation."""
    if isinstance(padding, str):
        return x, padding.upper()
    top, left, bottom, right = padding
    return tf.pad(x, [[0, 0], [top, bottom], [left, right], [0, 0]], constant_values=value), "VALID"


def conv(spec, make):
    """Weights [output map][input map][row][column] become [row][column][input map][output map]."""
    kernels, inputs = make.values("weight"), spec["shape"]["maps"]
    mask = None
    if "table" in spec:
        pairs = sorted((to, source) for source, targets in enumerate(spec["table"]) for to in targets)
        full = numpy.zeros([spec["maps"], inputs, *spec["kernel"]], numpy.float32)
        present = numpy.zeros_like(full)
        for (to, source), kernel in zip(pairs, kernels):
            full[to, source], present[to, source] = kernel, 1
        kernels = full
        if len(pairs) < spec["maps"] * inputs:
            mask = tf.constant(present.transpose(2, 3, 1, 0))
    weight = make.variable(kernels.transpose(2, 3, 1, 0))
    bias = make.variable(make.values("bias")) if spec["bias"] else None

    def apply(x):
        x, padding = padded(x, spec["padding"])
        sums = tf.nn.conv2d(x, weight if mask is None else weight * mask, spec["stride"], padding)
        return sums if bias is None else tf.nn.bias_add(sums, bias)

    return apply


def dense(spec, make):
    """Weights [unit][map][row][column] become [row][column][map][unit], flattened."""
    shape, units = spec["shape"], spec["units"]
    sides = [units, shape["maps"], shape["height"], shape["width"]]
    weight = make.variable(make.values("weight").reshape(sides).transpose(2, 3, 1, 0).reshape(-1, units))
    bias = make.variable(make.values("bias")) if spec["bias"] else None

    def apply(x):
        sums = tf.matmul(tf.reshape(x, [-1, weight.shape[0]]), weight)
        return sums if bias is None else tf.nn.bias_add(sums, bias)

    return apply


def pool(spec, function, value):
    stride = spec.get("stride") or spec["size"]

    def apply(x):
        x, padding = padded(x, spec["padding"], value)
        return function(x, spec["size"], stride, padding)

    return apply


def average_pool(spec, _):
    if not isinstance(spec["padding"], str):
        raise ValueError(f"{spec['name']}: TensorFlow has no mean over windows with padding of one's own.")
    return pool(spec, tf.nn.avg_pool2d, 0.0)


def subsample(_, make):
    coefficient, bias = make.variable(make.values("coefficient")), make.variable(make.values("bias"))
    return lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID") * (4 * coefficient) + bias


def group_norm(spec, make):
    """Statistics of maps first, then of groups: each map's factor and offset follow from them."""
    maps, groups, epsilon = spec["shape"]["maps"], spec["groups"], spec["epsilon"]
    weight, bias = make.variable(make.values("weight")), make.variable(make.values("bias"))

    def apply(x):
        x = tf.reshape(x, [-1, spec["shape"]["height"], spec["shape"]["width"], maps])
        of_groups = lambda y: tf.reduce_mean(tf.reshape(y, [-1, groups, maps // groups]), 2)  # noqa: E731
        of_maps = lambda y: tf.repeat(y, maps // groups, axis=1)  # noqa: E731
        means = of_groups(tf.reduce_mean(x, [1, 2]))
        means_of_maps = of_maps(means)
        # Not by the mean square, which loses digits.
        squares = tf.math.squared_difference(x, means_of_maps[:, None, None])
        factor = of_maps(tf.math.rsqrt(of_groups(tf.reduce_mean(squares, [1, 2])) + epsilon)) * weight
        offset = bias - means_of_maps * factor
        return x * factor[:, None, None] + offset[:, None, None]

    return apply


def batch_norm(spec, make):
    """As in training: by the batch's own statistics."""
    weight, bias = make.variable(make.values("weight")), make.variable(make.values("bias"))

    def apply(x):
        if is_vector(spec["shape"]):
            means, variances = tf.nn.moments(x, [0])
            return tf.nn.batch_normalization(x, means, variances, bias, weight, spec["epsilon"])
        return tf.compat.v1.nn.fused_batch_norm(x, weight, bias, epsilon=spec["epsilon"], is_training=True)[0]

    return apply


def zero_pad(spec, _):
    return lambda x: padded(x, spec["padding"])[0]


def flatten(_spec, _make):
    """Map by map."""

    def apply(x):
        return x if len(x.shape) == 2 else tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, math.prod(x.shape[1:])])

    return apply


KINDS = {
    "conv": conv,
    "dense": dense,
    "subsample": subsample,
    "max-pool": lambda spec, _: pool(spec, tf.nn.max_pool2d, -numpy.inf),
    "average-pool": average_pool,
    "global-average-pool": lambda _spec, _make: lambda x: tf.reduce_mean(x, [1, 2]),
    "flatten": flatten,
    "relu": lambda _spec, _make: tf.nn.relu,
    "leaky-relu": lambda spec, _: lambda x: tf.nn.leaky_relu(x, spec["slope"]),
    "tanh": lambda _spec, _make: tf.tanh,
    "scaled-tanh": lambda _spec, _make: lambda x: 1.7159 * tf.tanh(x * (2 / 3)),
    "sigmoid": lambda _spec, _make: tf.sigmoid,
    "batch-norm": batch_norm,
    "group-norm": group_norm,
    "add": lambda _spec, _make: lambda *x: tf.add_n(x),
    "concat": lambda _spec, _make: lambda *x: tf.concat(x, -1),
    "zero-pad": zero_pad,
    "rescale": lambda spec, _: lambda x: x * spec["scale"] + spec["offset"],
}


class Variables:
    """What a layer makes its variables from."""

    def __init__(self, weights, layer, variables):
        self.weights, self.layer, self.variables = weights, layer, variables

    def values(self, part):
        return self.weights[f"{self.layer}.{part}"]

    def variable(self, values):
        self.variables.append(tf.Variable(numpy.ascontiguousarray(values)))
        return self.variables[-1]


class Network:
    def __init__(self, specs, weights):
        self.variables, self.steps = [], []
        for spec in specs:
            if spec["kind"] not in KINDS and spec["kind"] != "dropout":
                raise ValueError(f"{spec['name']}: this benchmark has no {spec['kind']} in TensorFlow.")
            make = Variables(weights, spec["name"], self.variables)
            self.steps.append((spec, None if spec["kind"] == "dropout" else KINDS[spec["kind"]](spec, make)))

    def __call__(self, x, has_dropout):
        outputs = {"input": x}
        for spec, layer in self.steps:
            sources = [outputs[source] for source in spec["inputs"]]
            if layer is not None:
                x = layer(*sources)
            else:
                x = tf.nn.dropout(sources[0], spec["rate"]) if has_dropout else sources[0]
            outputs[spec["name"]] = x
        return tf.reshape(x, [tf.shape(x)[0], -1])


class Training:
    """Batches of samples one after the other, from bytes to updated weights."""

    def __init__(self, job, setting):
        self.inputs = tf.constant(job["inputs"].transpose(0, 2, 3, 1))
        self.labels = tf.constant(job["labels"], tf.int32)
        self.network = Network(job["layers"], job["weights"])
        zeros = lambda: [tf.Variable(tf.zeros_like(each)) for each in self.network.variables]  # noqa: E731
        self.first, self.second = zeros(), zeros()
        self.steps = tf.Variable(0.0, dtype=tf.float64)
        self.rate = job["learningRate"]
        self.update = tf.function(self.update_of, autograph=False, jit_compile="XLA" in setting)

    def update_of(self, chosen, has_dropout):
        with tf.GradientTape() as tape:
            x = tf.cast(tf.gather(self.inputs, chosen), tf.float32) / 255
            scores, labels = self.network(x, has_dropout), tf.gather(self.labels, chosen)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores))
        self.adam(tape.gradient(loss, self.network.variables))
        return loss

    def adam(self, gradients):
        """TensorFlow's own operation, whose epsilon is added before the second moment's correction. That operation would take both
        corrections in float32, in which 1 - 0.999 has lost four digits."""
        steps = self.steps.assign_add(1.0)
        correction = tf.sqrt(1 - tf.pow(tf.constant(BETA2, tf.float64), steps))
        rate = tf.cast(self.rate * correction / (1 - tf.pow(tf.constant(BETA1, tf.float64), steps)), tf.float32)
        epsilon = tf.cast(EPSILON * correction, tf.float32)
        for variable, first, second, gradient in zip(self.network.variables, self.first, self.second, gradients):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=first.handle, v=second.handle, beta1_power=0.0, beta2_power=0.0,
                lr=rate, beta1=BETA1, beta2=BETA2, epsilon=epsilon, grad=gradient,
            )

    def step(self, chosen, has_dropout):
        return float(self.update(tf.constant(chosen, tf.int32), has_dropout))


def main():
    job = read_job()
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.random.set_seed(1)
    serve(job, Training, {"TensorFlow": tf.__version__})


if __name__ == "__main__":
    main()
