"""Fingerprints of images: a digest of the pixels, and a difference hash with a thumbnail for near-identical images.

Near-identical images are found in two steps. The 64-bit difference hash (whether each of 8x8 places is clearly darker than its
right neighbour) proposes pairs that differ in at most `radius` bits. Aligned images such as faces can agree there by chance, so
a pair counts only if the correlation of the two 16x16 thumbnails is also high. The cost is nearly linear in the number of
images, as long as few images share bands of their hash. Mirrored copies are found in the same way, by a second hash.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dabench.data.lazy import chunks
from dabench.plugins.contract import Images

THUMBNAIL = 16

_MARGIN = 3.0  # grey levels of 255: a flat background keeps its bits after noise or compression

_BLOCK = 100_000

_SORTING = 5.0  # cost of sorting one hash, in comparisons of two hashes

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of N images.

    Attributes:
        pixels: (N,) bytes, a digest of size and pixels; an image with three equal channels has the digest of the grey image.
        hashes: (N,) uint64 difference hashes.
        mirrored: (N,) uint64 difference hashes of the images mirrored left-right.
        thumbnails: (N, 256) float32 with mean 0 and length 1, so that a scalar product is a correlation; 0 if constant.
        constant: (N,) bool, whether all pixels have one value.
    """

    pixels: NDArray[np.bytes_]
    hashes: NDArray[np.uint64]
    mirrored: NDArray[np.uint64]
    thumbnails: NDArray[np.float32]
    constant: NDArray[np.bool_]

    @staticmethod
    def joined(parts: list[Fingerprints]) -> Fingerprints:
        """Return several fingerprints as one."""
        return Fingerprints(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Fingerprints)))


def fingerprints(images: Images) -> Fingerprints:
    """Return the fingerprints of (N, C, H, W) uint8 images; one chunk is in memory at a time."""
    return Fingerprints.joined([_of_chunk(chunk) for chunk in chunks(images)] or [_of_chunk(np.asarray(images))])


def _of_chunk(images: NDArray[np.uint8]) -> Fingerprints:
    n, channels = images.shape[:2]
    grey = (images == images[:, :1]).all(axis=(1, 2, 3))
    pixels = np.array([_pixel_digest(image[:1] if g else image) for image, g in zip(images, grey, strict=True)], dtype="S32")
    plain = images[:, 0].astype(np.float32) if channels == 1 else np.einsum("nchw,c->nhw", images, _GREY)
    steps = _shrunk(plain, 8, 9)
    hashes, mirrored = _hashes(steps), _hashes(steps[:, :, ::-1])
    small = _shrunk(plain, THUMBNAIL, THUMBNAIL).reshape(n, THUMBNAIL**2)
    small = small - small.mean(1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    constant = (images == images[:, :, :1, :1]).all(axis=(1, 2, 3))
    thumbnails = np.divide(small, length, out=np.zeros_like(small), where=(length > 0) & ~constant[:, None])
    return Fingerprints(pixels, hashes, mirrored, thumbnails, constant)


def _hashes(steps: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the difference hashes (N,) of images averaged to (N, 8, 9)."""
    bits = (steps[:, :, :-1] + _MARGIN < steps[:, :, 1:]).reshape(len(steps), 64)
    hashes: NDArray[np.uint64] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes


def _pixel_digest(image: NDArray[np.uint8]) -> bytes:
    size = ",".join(map(str, image.shape)).encode()
    return hashlib.sha256(size + b":" + image.tobytes()).hexdigest()[:32].encode()


def _shrunk(images: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return (N, H, W) images averaged over areas as (N, height, width)."""
    rows, columns = _areas(images.shape[1], height), _areas(images.shape[2], width)
    return np.asarray(rows @ images @ columns.T, dtype=np.float32)


def _areas(size: int, parts: int) -> NDArray[np.float32]:
    """Return (parts, size): how much of each pixel lies in each of `parts` equal lengths; every row sums to 1."""
    edges = np.linspace(0, size, parts + 1)
    low, high = np.maximum(edges[:-1, None], np.arange(size)), np.minimum(edges[1:, None], np.arange(size) + 1)
    return np.asarray((high - low).clip(0) * parts / size, dtype=np.float32)


def same_pixels(of: Fingerprints) -> list[NDArray[np.int64]]:
    """Return the groups of two or more images with the same pixels, each as positions in order."""
    _, number, counts = np.unique(of.pixels, return_inverse=True, return_counts=True)
    order = np.argsort(number, kind="stable")
    groups = np.split(order, np.cumsum(counts)[:-1])
    return sorted((g.astype(np.int64) for g in groups if len(g) > 1), key=lambda g: int(g[0]))


def near_pairs(of: Fingerprints, radius: int, correlation: float) -> NDArray[np.int64]:
    """Return the near-identical pairs, (P, 2) positions. Of identical images only the first one is paired.

    Args:
        radius: bits in which two hashes may differ, 0 to 15.
        correlation: the least correlation of two thumbnails.
    """
    first = _distinct(of)
    return _alike(of.thumbnails, first[_within(of.hashes[first], radius)], correlation)


def mirrored_pairs(of: Fingerprints, radius: int, correlation: float) -> NDArray[np.int64]:
    """Return the pairs of which one image is near-identical to the mirrored other one, (P, 2) positions, as `near_pairs` does.

    A pair that is near-identical as it is, such as one of two symmetric images, is not among them.
    """
    first = _distinct(of)
    pairs = _within(np.concatenate([of.hashes[first], of.mirrored[first]]), radius)
    across = pairs[(pairs < len(first)).sum(1) == 1] % max(1, len(first))
    across = np.unique(np.sort(across[across[:, 0] != across[:, 1]], axis=1), axis=0)
    found = _alike(of.thumbnails, first[across], correlation, mirrored=True)
    upright = np.bitwise_count(of.hashes[found[:, 0]] ^ of.hashes[found[:, 1]]) <= radius
    both = {tuple(pair) for pair in _alike(of.thumbnails, found[upright], correlation).tolist()}
    return found[[tuple(pair) not in both for pair in found.tolist()]] if both else found


def _distinct(of: Fingerprints) -> NDArray[np.int64]:
    """Return the first of identical images, without constant ones, as positions in order."""
    first = np.sort(np.unique(of.pixels, return_index=True)[1])
    distinct: NDArray[np.int64] = first[~of.constant[first]]
    return distinct


def _within(hashes: NDArray[np.uint64], radius: int) -> NDArray[np.int64]:
    """Return the pairs of positions, (P, 2), whose hashes differ in at most `radius` bits."""
    n, near = len(hashes), np.empty(0, np.int64)
    for mask in _masks(radius, n):
        found = [near]
        for a, b in _agreeing(hashes & mask):
            close = np.bitwise_count(hashes[a] ^ hashes[b]) <= radius
            a, b = a[close], b[close]
            found.append(np.minimum(a, b) * n + np.maximum(a, b))
        near = np.unique(np.concatenate(found))  # several masks may find the same pair
    return np.stack(np.divmod(near, max(1, n)), axis=1)


def _alike(
    thumbnails: NDArray[np.float32], pairs: NDArray[np.int64], correlation: float, *, mirrored: bool = False
) -> NDArray[np.int64]:
    """Return the pairs whose thumbnails, the second one mirrored or not, correlate by at least `correlation`."""
    alike = [np.empty(0, bool)]
    for start in range(0, len(pairs), _BLOCK):
        one, other = (thumbnails[at] for at in pairs[start : start + _BLOCK].T)
        if mirrored:
            other = other.reshape(-1, THUMBNAIL, THUMBNAIL)[:, :, ::-1].reshape(other.shape)
        alike.append(np.einsum("pf,pf->p", one, other) >= correlation)
    chosen: NDArray[np.int64] = pairs[np.concatenate(alike)]
    return chosen


def _masks(radius: int, n: int) -> list[np.uint64]:
    """Return bit masks such that any two hashes within `radius` agree in at least one of them.

    The bits are divided into radius + k bands. Two such hashes differ in at most `radius` bands and agree in k. Each choice of
    k bands is a mask. More bands give more masks, but fewer of the `n` hashes agree by chance, so the cost stays nearly linear.
    """

    def cost(k: int) -> float:
        by_chance = n / 2 * 2.0 ** -(64 * k // (radius + k))
        return math.comb(radius + k, k) * (_SORTING + by_chance)

    k = min((1, 2, 3), key=cost)
    edges = np.linspace(0, 64, radius + k + 1).astype(int).tolist()
    bands = [(1 << high) - (1 << low) for low, high in itertools.pairwise(edges)]  # ones from bit `low` to below bit `high`
    return [np.uint64(sum(chosen)) for chosen in itertools.combinations(bands, k)]


def _agreeing(values: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the pairs of positions with equal `values`, at most len(values) pairs at a time."""
    order = np.argsort(values, kind="stable")
    ranked, at = values[order], np.arange(len(values))
    for apart in range(1, len(values)):
        at = at[at + apart < len(values)]
        at = at[ranked[at] == ranked[at + apart]]  # a value with an equal this far on has a nearer equal, too
        if not len(at):
            return
        yield order[at], order[at + apart]
