"""HandMLP checkpoints: safetensors with the hashes of everything the weights depend on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retarget.core.errors import ModelError
from retarget.core.files import replacing
from retarget.core.resources import resource
from retarget.mapping.network import Network

if TYPE_CHECKING:
    from retarget.mapping.fitter import MANOFitter

FORMAT = "retarget-hand-mlp-1"
_SCALING = ("center", "spread", "lower", "upper")


def provenance(fitter: MANOFitter) -> dict[str, str]:
    """What a network's inputs and outputs mean, which a fit must share to use it."""
    calibration = [
        {
            "scale": round(c.scale, 9),
            "rotation": np.round(c.rotation, 9).tolist(),
            "translation": np.round(c.translation, 9).tolist(),
        }
        for c in fitter.calibrations
    ]
    return {
        "format": FORMAT,
        "hand": fitter.hand_hash,
        "robot": fitter.robot.hash,
        "components": str(fitter.components),
        "calibration": json.dumps(calibration),
    }


def shipped_path(fitter: MANOFitter) -> Path:
    """Where a robot's weights for one hand model are: its own folder, else the library's."""
    name = f"hand_mlp_{fitter.hand_hash}.safetensors"
    own, kept = fitter.robot.path / name, resource("robots", fitter.robot.name, name)
    return kept if kept.is_file() and not own.is_file() else own


def save_network(
    path: str | Path, network: Network, fitter: MANOFitter, errors: dict[str, float]
) -> None:
    """Write beside the place and rename; float32 weights, as they were trained."""
    from safetensors.numpy import save

    arrays = {name: getattr(network, name) for name in _SCALING}
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays[f"weight{layer}"] = weight.astype(np.float32)
        arrays[f"bias{layer}"] = bias.astype(np.float32)
    metadata = {**provenance(fitter), "errors": json.dumps(errors, sort_keys=True)}
    with replacing(path) as beside:
        beside.write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata))


def load_network(path: str | Path | None, fitter: MANOFitter) -> tuple[Network, dict[str, float]]:
    """Read a checkpoint and refuse one that belongs to something else.

    Raises:
        ModelError: see `HandMLP.load`.
    """
    from safetensors import SafetensorError, safe_open

    place = shipped_path(fitter) if path is None else Path(path)
    if not place.is_file():
        hint = "train one with `retarget train-hand`"
        raise ModelError(place, f"no hand network for hand model {fitter.hand_hash}; {hint}")
    try:
        with safe_open(place, framework="numpy") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            arrays = {key: file.get_tensor(key).astype(np.float64) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(place, f"not a readable safetensors file ({error})") from error
    for key, wanted in provenance(fitter).items():
        if metadata.get(key) != wanted:
            raise ModelError(
                place,
                f"trained for another {key}: {metadata.get(key, 'nothing')}, here {wanted}",
                key=key,
            )
    count = sum(key.startswith("weight") for key in arrays)
    try:
        network = Network(
            weights=tuple(arrays[f"weight{k}"] for k in range(count)),
            biases=tuple(arrays[f"bias{k}"] for k in range(count)),
            **{name: arrays[name] for name in _SCALING},
        )
    except KeyError as error:
        raise ModelError(place, f"tensor {error} is missing") from error
    return network, json.loads(metadata.get("errors", "{}"))
