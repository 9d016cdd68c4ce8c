"""From shape weights to a posed head: vertices, normals and their place on the screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recipe.world.contexts import MICRO_EXPRESSIONS, Contexts
from recipe.world.fields import smoothstep
from recipe.world.identities import Identities
from recipe.world.mesh import Mesh
from recipe.world.palette import EXPRESSIONS, HairStyle, Material

NECK_PIVOT = (0.0, -1.3, -0.9)  # seen from the point between the eyes
CAMERA_DISTANCE = 13.0
FOCAL_LENGTH = 6.9  # in halves of the picture's width
HORIZON = 0.47  # where the eyes are, as a share of the picture's height


@dataclass(frozen=True)
class PosedHeads:
    """B heads in front of the camera.

    Attributes:
        vertices: Positions (B, V, 3); the origin is the point between the eyes before the head turned.
        normals: Unit normals (B, V, 3).
        scalp_height: How far each vertex lies above the person's own hairline on the template (B, V).
    """

    vertices: Tensor
    normals: Tensor
    scalp_height: Tensor


def pose_heads(mesh: Mesh, identities: Identities, contexts: Contexts) -> PosedHeads:
    """Shape, move and turn the template."""
    vertices = mesh.template + torch.einsum("bn,nvc->bvc", identities.shape, mesh.identity_offsets)
    units = _action_units(mesh, contexts)
    vertices = vertices + torch.einsum("be,evc->bvc", units, mesh.expression_offsets)
    vertices = vertices - _point_between_eyes(mesh, vertices)
    scalp_height = _scalp_height(mesh, identities)
    vertices = _with_hair_volume(mesh, vertices, scalp_height, identities)
    vertices = _turned(mesh, vertices, contexts)
    return PosedHeads(vertices, vertex_normals(mesh, vertices), scalp_height)


def vertex_normals(mesh: Mesh, vertices: Tensor) -> Tensor:
    """Average the normals of adjoining triangles by area: vertices (B, V, 3) to unit normals (B, V, 3)."""
    a, b, c = (vertices[:, corner] for corner in mesh.triangles.unbind(1))
    triangle_normals = torch.cross(b - a, c - a, dim=-1)  # as long as twice the area
    normals = torch.zeros_like(vertices)
    for corner in mesh.triangles.unbind(1):
        normals.index_add_(1, corner, triangle_normals)
    return functional.normalize(normals, dim=-1)


def project(vertices: Tensor, contexts: Contexts, resolution: int) -> Tensor:
    """Project with perspective: vertices (B, V, 3) to pixel x, pixel y and depth (B, V, 3)."""
    x, y, z = vertices.unbind(-1)
    depth = CAMERA_DISTANCE - z
    focal = FOCAL_LENGTH * contexts.zoom[:, None] * resolution / 2
    return torch.stack(
        [
            resolution / 2 + focal * (x + contexts.shift[:, :1]) / depth,
            resolution * HORIZON - focal * (y + contexts.shift[:, 1:]) / depth,
            depth,
        ],
        -1,
    )


def _action_units(mesh: Mesh, contexts: Contexts) -> Tensor:
    """Mix the expression, micro-expressions and the blink into weights (B, E) of the action units."""
    names = list(mesh.expression_names)
    recipes = torch.zeros(len(EXPRESSIONS), len(names), device=mesh.device)
    for row, expression in enumerate(EXPRESSIONS.values()):
        for unit, weight in expression.items():
            recipes[row, names.index(unit)] = weight
    micro = functional.pad(contexts.jitter.abs(), (0, len(names) - MICRO_EXPRESSIONS)) * 0.3
    units = recipes[contexts.expression] * contexts.strength[:, None] + micro
    for unit in ("eyeBlinkLeft", "eyeBlinkRight"):
        units[:, names.index(unit)] = contexts.blink
    return units


def _point_between_eyes(mesh: Mesh, vertices: Tensor) -> Tensor:
    """Find the midpoint (B, 1, 3) of the eyeballs: the fixed point of a portrait, whatever the face."""
    centres = torch.stack([vertices[:, eye].mean(1) for eye in mesh.eye_vertices], 1)
    return centres.mean(1, keepdim=True)


def _scalp_height(mesh: Mesh, identities: Identities) -> Tensor:
    middle = 1 - (mesh.template[:, 0] / 0.8) ** 2
    return mesh.height_above_hairline - identities.hairline[:, None] - identities.peak[:, None] * middle


def _with_hair_volume(mesh: Mesh, vertices: Tensor, scalp_height: Tensor, identities: Identities) -> Tensor:
    """Push the scalp out along its normals by the thickness of the hair that grows on it."""
    thickness = (0.03 + 0.22 * identities.hair_length)[:, None]
    has_hair = (identities.style > HairStyle.SHAVED)[:, None]
    on_skin = mesh.vertex_material == Material.SKIN
    lift = smoothstep(-0.02, 0.35, scalp_height) * on_skin * thickness * has_hair
    return vertices + vertex_normals(mesh, vertices) * lift[..., None]


def _turned(mesh: Mesh, vertices: Tensor, contexts: Contexts) -> Tensor:
    """Turn the head about the neck; the shoulders stay, and the neck follows in part."""
    pivot = vertices.new_tensor(NECK_PIVOT)
    turned = (vertices - pivot) @ _rotation(contexts).transpose(1, 2) + pivot
    return torch.lerp(vertices, turned, mesh.neck_weight[None, :, None])


def _rotation(contexts: Contexts) -> Tensor:
    """Compose rotation matrices (B, 3, 3): roll first, then pitch, then yaw."""
    yaw, pitch, roll = (angle * math.pi / 180 for angle in (contexts.yaw, contexts.pitch, contexts.roll))
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, -1).view(-1, 3, 3)

    # fmt: off
    about_y = matrix(yaw.cos(), zero, yaw.sin(),
                     zero, one, zero,
                     -yaw.sin(), zero, yaw.cos())
    about_x = matrix(one, zero, zero,
                     zero, pitch.cos(), -pitch.sin(),
                     zero, pitch.sin(), pitch.cos())
    about_z = matrix(roll.cos(), -roll.sin(), zero,
                     roll.sin(), roll.cos(), zero,
                     zero, zero, one)
    # fmt: on
    return about_y @ about_x @ about_z
