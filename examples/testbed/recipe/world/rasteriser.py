"""Which triangle does a pixel show, and where on it: a z-buffer rasteriser in plain tensor operations.

Every triangle is splatted over a small square of pixels that covers it, and the nearest triangle wins a
pixel. Triangles are handled in groups of similar size, so that small ones (nearly all) cost small squares.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

SIZE_CLASSES = ((-1, 3), (3, 7), (7, 15), (15, 40), (40, 96))
"""Groups of triangles by the larger side of their box, in pixels: above the first, up to the second number.

The largest triangle of a usual portrait at 256 pixels is well below 96; a larger one is not drawn.
"""
SPLATS_AT_ONCE = {"cuda": 24_000_000, "cpu": 3_000_000}
"""Pixels tested in one go, for a bounded memory."""

EMPTY = torch.iinfo(torch.int64).max
DEPTH_RESOLUTION = 1e6
TRIANGLE_BITS = 32


def edge_function(start: Tensor, stop: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Twice the signed area of the triangle (start, stop, pixel): zero on the edge, its sign tells the side.

    Args:
        start: Points (…, 2 or more); x and y come first.
        stop: Points of the same shape.
        x: Pixel x (…).
        y: Pixel y (…).
    """
    along_x, along_y = stop[..., 0] - start[..., 0], stop[..., 1] - start[..., 1]
    return along_x * (y - start[..., 1]) - along_y * (x - start[..., 0])


def rasterise(screen: Tensor, triangles: Tensor, drawn: Tensor, resolution: int) -> Tensor:
    """Find the nearest triangle of every pixel.

    Args:
        screen: Pixel x, pixel y and depth of the vertices (B, V, 3).
        triangles: Vertex numbers (F, 3).
        drawn: Which triangles to draw (B, F).
        resolution: Width and height of the picture.

    Returns:
        Triangle numbers (B, resolution, resolution), -1 where nothing is.
    """
    corners = screen[:, triangles]  # (B, F, 3, 3)
    low, high = corners[..., :2].amin(2), corners[..., :2].amax(2)
    area = edge_function(corners[..., 0, :], corners[..., 1, :], corners[..., 2, 0], corners[..., 2, 1])
    visible = drawn & (area.abs() > 1e-6) & (high >= 0).all(-1) & (low < resolution).all(-1)
    span = (high.floor() - low.floor()).amax(-1)
    nearest = torch.full((len(screen) * resolution * resolution,), EMPTY, dtype=torch.int64, device=screen.device)
    for smallest, largest in SIZE_CLASSES:
        of_class = ((span > smallest) & (span <= largest) & visible).nonzero()
        square = _square(largest + 1, screen)
        for member, triangle in _chunks(of_class, len(square), screen.device.type):
            pixel = low[member, triangle].floor()[:, None] + square  # (T, square, 2)
            inside, depth = _cover(corners[member, triangle], area[member, triangle], pixel)
            inside &= (pixel >= 0).all(-1) & (pixel < resolution).all(-1)
            # Depth in the high bits, triangle in the low ones: the smallest key is the nearest triangle.
            key = ((depth * DEPTH_RESOLUTION).clamp(0, 2**30).long() << TRIANGLE_BITS) | triangle[:, None]
            column, row = pixel.long().clamp(0, resolution - 1).unbind(-1)
            address = (member[:, None] * resolution + row) * resolution + column
            nearest.scatter_reduce_(0, address[inside], key[inside], "amin")
    triangle_mask = (1 << TRIANGLE_BITS) - 1
    found = torch.where(nearest == EMPTY, -1, nearest & triangle_mask)
    return found.view(len(screen), resolution, resolution)


def perspective_weights(corners: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Weigh a triangle's corners so that attributes interpolate as they do in space.

    Args:
        corners: Pixel x, pixel y and depth of the corners (…, 3, 3).
        x: Pixel x (…).
        y: Pixel y (…).

    Returns:
        Weights (…, 3) that sum to one.
    """
    a, b, c = corners.unbind(-2)
    areas = torch.stack([edge_function(b, c, x, y), edge_function(c, a, x, y), edge_function(a, b, x, y)], -1)
    flat = areas / (areas.sum(-1, keepdim=True) + 1e-12)
    by_depth = flat / corners[..., 2]
    return by_depth / by_depth.sum(-1, keepdim=True)


def _square(side: int, like: Tensor) -> Tensor:
    """Offsets (side², 2) of the pixels of a square, x first."""
    steps = torch.arange(side, device=like.device)
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).view(-1, 2)


def _chunks(pairs: Tensor, square: int, device_type: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield picture and triangle numbers (T,), (T,) out of pairs (P, 2) in pieces that fit in memory."""
    size = max(1, SPLATS_AT_ONCE.get(device_type, SPLATS_AT_ONCE["cpu"]) // square)
    for start in range(0, len(pairs), size):
        member, triangle = pairs[start : start + size].unbind(1)
        yield member, triangle


def _cover(corners: Tensor, area: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Test the centres of pixels against one triangle a row.

    Args:
        corners: Pixel x, pixel y and depth (T, 3, 3).
        area: Twice the triangles' signed areas (T,).
        pixel: Whole pixel coordinates (T, K, 2).

    Returns:
        Whether each pixel is inside (T, K), and the depth there (T, K).
    """
    a, b, c = corners[:, :, None, :].unbind(1)  # (T, 1, 3) each
    x, y = pixel[..., 0] + 0.5, pixel[..., 1] + 0.5
    weight_a = edge_function(b, c, x, y) / area[:, None]
    weight_b = edge_function(c, a, x, y) / area[:, None]
    weight_c = 1 - weight_a - weight_b
    inside = (weight_a >= 0) & (weight_b >= 0) & (weight_c >= 0)
    return inside, weight_a * a[..., 2] + weight_b * b[..., 2] + weight_c * c[..., 2]
