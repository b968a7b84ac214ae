"""The pipe between `npm run bench:peers` and a program that trains.

Standard input: a line of JSON (layers, batch, threads …), the samples' bytes, their classes as uint16, the initial weights as
float32; then a line of JSON for each question. Standard output: first a line with versions, then one for each answer. Questions:

    {"setting": NAME, "losses": N}    losses of N steps on the first batch of samples, from the initial weights, without dropout
    {"setting": NAME, "steps": N}     seconds of the clock and of the processor that N steps take on random batches
"""

import json
import math
import os
import sys
import time

import numpy

# Whatever a library prints goes to standard error.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(message):
    print(json.dumps(message), file=answers, flush=True)


def read_job():
    """The job with inputs [count][maps][height][width], labels [count], and the weights by their tensors' names."""
    job = json.loads(sys.stdin.buffer.readline())
    sides = [job[side] for side in ("count", "maps", "height", "width")]
    read = lambda count, kind: numpy.frombuffer(  # noqa: E731
        sys.stdin.buffer.read(count * numpy.dtype(kind).itemsize), dtype=kind
    ).copy()
    job["inputs"] = read(math.prod(sides), numpy.uint8).reshape(sides)
    job["labels"] = read(job["count"], numpy.uint16).astype(numpy.int64)
    job["weights"] = {
        each["name"]: read(math.prod(each["shape"]), numpy.float32).reshape(each["shape"]) for each in job["tensors"]
    }
    return job


def serve(job, make, versions):
    """Answers until standard input ends. A setting is started when it is first asked for, by `make(job, setting)`."""
    answer({"versions": versions})
    trainings = {}
    random = numpy.random.default_rng(1 + job["rank"])
    count = job["batch"] // job["processes"]
    own = numpy.arange(job["rank"] * count, (job["rank"] + 1) * count)
    for line in sys.stdin.buffer:
        question = json.loads(line)
        setting = question["setting"]
        try:
            if setting not in trainings:
                trainings[setting] = make(job, setting)
            training = trainings[setting]
            if "losses" in question:
                answer({"losses": [training.step(own, False) for _ in range(question["losses"])]})
                continue
            seconds, processor = time.perf_counter(), time.process_time()
            for _ in range(question["steps"]):
                training.step(random.integers(job["count"], size=count), True)
            seconds, processor = time.perf_counter() - seconds, time.process_time() - processor
            answer({"seconds": seconds, "processor": processor})
        except Exception as error:  # noqa: BLE001
            answer({"error": f"{type(error).__name__}: {error}"[:2000]})
