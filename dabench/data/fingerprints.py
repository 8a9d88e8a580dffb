"""What tells pictures apart: a digest of the pixels, and a difference hash with a thumbnail for near-identical ones.

Near-identical is decided in two steps. The 64-bit difference hash (is each of 8x8 places clearly darker than its right one?)
proposes pairs that differ in at most `radius` bits; aligned pictures such as faces agree there by chance, so a pair only
counts if the correlation of the two 16x16 thumbnails is high, too. Cost: linear in the number of pictures, as long as few
of them share a band of their hash.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dabench.data.lazy import chunks
from dabench.protocols import Images

THUMBNAIL = 16
_MARGIN = 3.0  # levels of 255: a flat background gives the same bits after noise or compression
_BLOCK = 2048
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Fingerprints:
    """What was taken of N pictures.

    Attributes:
        pixels: (N,) bytes, a digest of size and pixels; a picture of three equal channels has that of the grey one.
        hashes: (N,) uint64 difference hashes.
        thumbnails: (N, 256) float32 of mean 0 and length 1, so that a scalar product is a correlation; 0 if constant.
        constant: (N,) bool, whether all pixels are of one value.
    """

    pixels: NDArray[np.bytes_]
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.float32]
    constant: NDArray[np.bool_]

    @staticmethod
    def joined(parts: list[Fingerprints]) -> Fingerprints:
        """Return the fingerprints of several sets as one."""
        return Fingerprints(
            np.concatenate([p.pixels for p in parts]),
            np.concatenate([p.hashes for p in parts]),
            np.concatenate([p.thumbnails for p in parts]),
            np.concatenate([p.constant for p in parts]),
        )


def fingerprints(images: Images) -> Fingerprints:
    """Return the fingerprints of (N, C, H, W) uint8 images; a chunk of them is in memory at a time."""
    return Fingerprints.joined([_of_chunk(chunk) for chunk in chunks(images)] or [_of_chunk(np.asarray(images))])


def _of_chunk(images: NDArray[np.uint8]) -> Fingerprints:
    n, channels = images.shape[:2]
    grey = (images == images[:, :1]).all(axis=(1, 2, 3))
    pixels = np.array([_pixel_digest(image[:1] if g else image) for image, g in zip(images, grey, strict=True)], dtype="S32")
    plain = images[:, 0].astype(np.float32) if channels == 1 else np.einsum("nchw,c->nhw", images, _GREY)
    steps = _shrunk(plain, 8, 9)
    bits = (steps[:, :, :-1] + _MARGIN < steps[:, :, 1:]).reshape(n, 64)
    hashes = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    small = _shrunk(plain, THUMBNAIL, THUMBNAIL).reshape(n, THUMBNAIL**2)
    small = small - small.mean(1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    constant = (images == images[:, :, :1, :1]).all(axis=(1, 2, 3))
    thumbnails = np.divide(small, length, out=np.zeros_like(small), where=(length > 0) & ~constant[:, None])
    return Fingerprints(pixels, hashes, thumbnails, constant)


def _pixel_digest(image: NDArray[np.uint8]) -> bytes:
    size = ",".join(map(str, image.shape)).encode()
    return hashlib.sha256(size + b":" + image.tobytes()).hexdigest()[:32].encode()


def _shrunk(images: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return (N, H, W) images averaged over areas to (N, height, width)."""
    rows, columns = _areas(images.shape[1], height), _areas(images.shape[2], width)
    return np.asarray(rows @ images @ columns.T, dtype=np.float32)


def _areas(size: int, parts: int) -> NDArray[np.float32]:
    """Return (parts, size): how much of each pixel lies in each of `parts` equal lengths; every row sums to 1."""
    edges = np.linspace(0, size, parts + 1)
    low, high = np.maximum(edges[:-1, None], np.arange(size)), np.minimum(edges[1:, None], np.arange(size) + 1)
    return np.asarray((high - low).clip(0) * parts / size, dtype=np.float32)


def same_pixels(of: Fingerprints) -> list[NDArray[np.int64]]:
    """Return the groups of two or more pictures with the same pixels, each as positions in order."""
    _, number, counts = np.unique(of.pixels, return_inverse=True, return_counts=True)
    order = np.argsort(number, kind="stable")
    groups = np.split(order, np.cumsum(counts)[:-1])
    return sorted((g.astype(np.int64) for g in groups if len(g) > 1), key=lambda g: int(g[0]))


def near_pairs(of: Fingerprints, radius: int, correlation: float) -> NDArray[np.int64]:
    """Return (P, 2) positions of pictures whose pixels differ but which are near; of identical ones the first stands for all.

    Args:
        radius: bits in which two hashes may differ, 0 to 15. Two hashes within it agree in one of radius + 1 bands of bits.
        correlation: what the thumbnails must reach.
    """
    first = np.sort(np.unique(of.pixels, return_index=True)[1])
    first = first[~of.constant[first]]
    found = [np.empty((0, 2), np.int64)]
    for band in _bands(of.hashes[first], radius + 1):
        for bucket in band:
            found.extend(_near_in(first[bucket], of, radius, correlation))
    return np.unique(np.concatenate(found), axis=0)


def _bands(hashes: NDArray[np.uint64], count: int) -> Iterator[list[NDArray[np.int64]]]:
    """Yield for each of `count` bands of bits the buckets of two or more hashes that agree in it."""
    edges = np.linspace(0, 64, count + 1).astype(int)
    for low, high in itertools.pairwise(edges.tolist()):
        part = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(part, kind="stable")
        cuts = np.flatnonzero(np.diff(part[order])) + 1
        yield [b.astype(np.int64) for b in np.split(order, cuts) if len(b) > 1]


def _near_in(at: NDArray[np.int64], of: Fingerprints, radius: int, correlation: float) -> Iterator[NDArray[np.int64]]:
    """Yield (P, 2) the near pairs among the pictures `at`, block by block, so that a large bucket needs no more memory."""
    for i in range(0, len(at), _BLOCK):
        for j in range(i, len(at), _BLOCK):
            ours, theirs = at[i : i + _BLOCK], at[j : j + _BLOCK]
            apart = np.bitwise_count(of.hashes[ours][:, None] ^ of.hashes[theirs][None])
            a, b = np.nonzero(apart <= radius)
            a, b = ours[a], theirs[b]
            a, b = a[a < b], b[a < b]
            alike = np.einsum("pf,pf->p", of.thumbnails[a], of.thumbnails[b]) >= correlation
            if alike.any():
                yield np.stack([a[alike], b[alike]], axis=1)
