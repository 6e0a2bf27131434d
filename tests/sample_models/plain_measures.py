"""Plain measures of embeddings, apart from the engine: numpy, float64, unit rows."""

import numpy as np


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def alignment(first, second):
    """Mean squared distance of positives."""
    return np.square(unit(first) - unit(second)).sum(axis=1).mean()


def scores(rows):
    """Cosines of all unordered pairs."""
    rows = unit(rows)
    return (rows @ rows.T)[np.triu_indices(len(rows), 1)]


def uniformity(rows, t=2.0):
    """Log mean Gaussian potential of all unordered pairs."""
    return np.log(np.exp(-t * (2 - 2 * scores(rows))).mean())


def spectrum(rows):
    """Singular values of the centred unit rows, the largest being 1."""
    rows = unit(rows)
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    return values / values[0]


def effective_rank(rows):
    """exp of the entropy of the normalised singular values (Roy and Vetterli 2007)."""
    values = spectrum(rows)
    shares = values / values.sum()
    shares = shares[shares > 0]
    return np.exp(-(shares * np.log(shares)).sum())


def neighbour_accuracy(rows, labels, k=20):
    """Share of rows whose label is the most frequent among their k nearest other rows."""
    rows = unit(rows)
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    codes = np.unique(labels, return_inverse=True)[1]
    nearest = codes[np.argsort(-similarity, axis=1)[:, :k]]
    votes = np.stack([(nearest == code).sum(axis=1) for code in range(codes.max() + 1)], axis=1)
    return (votes.argmax(axis=1) == codes).mean()


def within_share(rows, classes, subclasses):
    """Share of the variance inside classes that lies between their subclasses."""
    rows = unit(rows)
    inside = between = 0.0
    for name in np.unique(classes):
        members = rows[classes == name]
        inside += np.square(members - members.mean(axis=0)).sum()
        for sub in np.unique(subclasses[classes == name]):
            part = rows[(classes == name) & (subclasses == sub)]
            between += len(part) * np.square(part.mean(axis=0) - members.mean(axis=0)).sum()
    return between / inside


def tolerance(rows, labels):
    """Mean cosine of different rows of one label (Wang and Liu 2021)."""
    rows = unit(rows)
    same = (labels[:, None] == labels[None, :]) & ~np.eye(len(rows), dtype=bool)
    return (rows @ rows.T)[same].mean()


def effective_negatives(first, second, temperature):
    """Median over anchors of exp(entropy of the softmax weights of the negatives in the other view)."""
    logits = unit(first) @ unit(second).T / temperature
    np.fill_diagonal(logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    logs = np.log(np.where(weights > 0, weights, 1.0))
    return np.median(np.exp(-(weights * logs).sum(axis=1)))
