"""Nested plain values and tensors as one JSON document plus named tensors, and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def pack(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """A JSON-ready document and its tensors: CPU, contiguous, no two sharing memory.

    Takes dicts (keys: strings, numbers), lists, tuples, strings, numbers, None, tensors and NumPy arrays. Containers
    become tagged lists, so that no string of a state can be taken for a tag.
    """
    tensors: dict[str, Tensor] = {}
    return _pack(value, "state", tensors, set()), tensors


def unpack(document: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `pack` was given: equal types, values and bits."""
    if not isinstance(document, list):
        return document
    tag, content = document
    if tag == "tensor":
        return tensors[content].clone()  # into memory of its own, aligned as any fresh tensor
    if tag == "array":
        return tensors[content].clone().numpy()
    if tag == "dict":
        return {key: unpack(item, tensors) for key, item in content}
    items = [unpack(item, tensors) for item in content]
    return tuple(items) if tag == "tuple" else items


def _pack(value: Any, path: str, tensors: dict[str, Tensor], taken: set[int]) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return ["tensor", _own(value.detach(), tensors, taken)]
    if isinstance(value, np.ndarray):
        return ["array", _own(torch.from_numpy(np.ascontiguousarray(value)).reshape(value.shape), tensors, taken)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int, float)):
                raise TypeError(f"a state's keys are strings or numbers, found {type(key).__name__} at {path}")
        return ["dict", [[key, _pack(item, f"{path}.{key}", tensors, taken)] for key, item in value.items()]]
    if isinstance(value, (list, tuple)):
        tag = "tuple" if isinstance(value, tuple) else "list"
        return [tag, [_pack(item, f"{path}[{i}]", tensors, taken) for i, item in enumerate(value)]]
    kinds = "tensors, arrays, numbers, strings, None, dicts and lists"
    raise TypeError(f"a state holds {kinds}, found {type(value).__name__} at {path}")


def _own(tensor: Tensor, tensors: dict[str, Tensor], taken: set[int]) -> str:
    """Stores the tensor under a running number; safetensors refuses names that share memory, so those are copied."""
    tensor = tensor.cpu().contiguous()
    place = tensor.untyped_storage().data_ptr()
    if place in taken or tensor.untyped_storage().nbytes() != tensor.nbytes:
        tensor = tensor.clone()
    taken.add(place)
    name = str(len(tensors))
    tensors[name] = tensor
    return name
