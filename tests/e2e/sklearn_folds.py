"""Cuts scikit-learn's small tables into five folds, and tries its own perceptron on each.

sklearn_folds.py FOLDER UNITS BATCH STEPS RATE: writes FOLDER/<set>/<fold>/train.csv and test.csv, and prints a JSON object with the
mean score of each set: accuracy, or R2 of diabetes.
"""

import csv
import json
import os
import sys
import warnings

from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# The number of steps is given: whether the loss has settled doesn't matter.
warnings.filterwarnings("ignore", category=ConvergenceWarning)
folder, units, batch, steps, rate = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])


def write(path, inputs, targets):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(f"x{i}" for i in range(inputs.shape[1])), "y"])
        rows.writerows([*map(repr, map(float, row)), target] for row, target in zip(inputs, targets))


def model(samples, is_regression):
    options = dict(hidden_layer_sizes=(units,), batch_size=batch, learning_rate_init=rate, random_state=0)
    options |= dict(max_iter=max(1, round(steps * batch / samples)), n_iter_no_change=10**6, alpha=0)
    if is_regression:
        return TransformedTargetRegressor(MLPRegressor(**options), transformer=StandardScaler())
    return MLPClassifier(**options)


scores = {}
for name in ["iris", "wine", "breast_cancer", "digits", "diabetes"]:
    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    is_regression = name == "diabetes"
    folds = (KFold if is_regression else StratifiedKFold)(5, shuffle=True, random_state=0)
    found = []
    for fold, (train, test) in enumerate(folds.split(inputs, targets)):
        place = os.path.join(folder, name, str(fold))
        os.makedirs(place)
        write(os.path.join(place, "train.csv"), inputs[train], targets[train])
        write(os.path.join(place, "test.csv"), inputs[test], targets[test])
        fitted = make_pipeline(StandardScaler(), model(len(train), is_regression)).fit(inputs[train], targets[train])
        found.append(fitted.score(inputs[test], targets[test]))
    scores[name] = sum(found) / len(found)
print(json.dumps(scores))
