# Reads a folder of event files with the real package and prints what it finds as JSON: python3 read-events.py FOLDER
# JSON has no NaN: a scalar that isn't finite is text there, and nothing else may be one.
import json
import logging
import math
import sys

from tensorboard.backend.event_processing import event_accumulator as accumulators

warnings = []


class Collector(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())


logging.getLogger("tensorboard").addHandler(Collector())

EVERYTHING = {kind: 0 for kind in (accumulators.SCALARS, accumulators.HISTOGRAMS, accumulators.TENSORS)}
events = accumulators.EventAccumulator(sys.argv[1], size_guidance=EVERYTHING)
events.Reload()
tags = events.Tags()


def scalar(event):
    value = event.value if math.isfinite(event.value) else str(event.value)
    return [event.step, value, event.wall_time]


def histogram(event):
    value = event.histogram_value
    counts = dict(num=value.num, min=value.min, max=value.max, sum=value.sum, sumSquares=value.sum_squares)
    return dict(step=event.step, limits=list(value.bucket_limit), buckets=list(value.bucket), **counts)


def node(each):
    shapes = each.attr["_output_shapes"].list.shape
    sizes = [[dim.size for dim in shape.dim] for shape in shapes]
    return dict(name=each.name, op=each.op, inputs=list(each.input), shapes=sizes)


json.dump(
    dict(
        scalars={tag: [scalar(each) for each in events.Scalars(tag)] for tag in tags["scalars"]},
        histograms={tag: [histogram(each) for each in events.Histograms(tag)] for tag in tags["histograms"]},
        nodes=[node(each) for each in events.Graph().node],
        warnings=warnings,
    ),
    sys.stdout,
    allow_nan=False,
)
