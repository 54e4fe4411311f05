"""A model's weights once in Ray's object store, and the module rebuilt from them on every process without a copy.

Runs inside the engine environment:

    shared = share(model)                 # once per PC; a Ray object reference
    model = load(shared)                  # in any process of that PC: milliseconds, no copy

All tensors lie in one read-only buffer of shared memory. The module around them travels as its classes and
plain attributes, without the dozen empty hook tables that every `torch.nn.Module` has. Two fences keep the
weights as they are: as parameters that ask for gradients they refuse to be changed in place, as torch has it;
and the pages are write-protected, so that what slips past (under `no_grad`, or through `.data`) ends this
process by signal 11 instead of changing everybody's model.
"""

from __future__ import annotations

import gc
import io
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from homecluster.jobs.write_protection import protect_pages

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    Buffer = np.ndarray[Any, Any]

_ALIGNMENT: Final = 64
"""Bytes; what torch's own allocator gives, so that vector instructions find what they expect."""

Place = tuple[int, str, tuple[int, ...], tuple[int, ...]]
"""Where a tensor lies: elements of its own type from the begin, that type, shape, strides."""
Named = tuple[tuple[str, int | None], ...]
"""(name, number of the tensor or module); None where a module registered nothing under the name."""
Described = tuple[dict[str, Any], Named, Named, Named]
"""A module's own attributes, its parameters, buffers and children."""


def share(model: nn.Module) -> Any:
    """The Ray reference of the model's weights and form; one copy of the weights is made, here.

    Parameters that are one tensor under two names (tied embeddings) stay one.

    Raises:
        ValueError: a tensor is not on the CPU.
    """
    import ray

    form, buffer = taken_apart(model)
    return ray.put((form, buffer))


def load(shared: Any, *, protect: bool = True) -> nn.Module:
    """The module on the shared weights, in evaluation mode if it was shared so; it computes, and cannot be trained."""
    import ray

    form, buffer = ray.get(shared)
    return put_together(form, buffer, protect=protect)


def taken_apart(model: nn.Module) -> tuple[bytes, Buffer]:
    """(the module's form, pickled; all its tensors' bytes end to end)."""
    collector = _Collector(list(model.modules()))
    tree = [collector.described(module) for module in collector.modules]
    form = io.BytesIO()
    inner = io.BytesIO()
    _Pickler(inner, collector).dump(tree)  # places the tensors that are plain attributes, too
    classes = [type(module) for module in collector.modules]
    pickle.dump((classes, collector.places), form, protocol=pickle.HIGHEST_PROTOCOL)
    return form.getvalue() + inner.getvalue(), collector.buffer()


def put_together(form: bytes, buffer: Buffer, *, protect: bool = True) -> nn.Module:
    """The module whose tensors are views of `buffer`, which stays alive with any of them."""
    import torch
    from torch import nn

    reader = io.BytesIO(form)
    classes, places = pickle.load(reader)  # noqa: S301 - made by `taken_apart` of this job's own processes
    modules = [kind.__new__(kind) for kind in classes]
    with _no_collection(), torch.no_grad():
        views = _views(buffer, places)
        tree: list[Described] = _Unpickler(reader, modules, views).load()
        parameters = {
            number: nn.Parameter(views[number], requires_grad=views[number].is_floating_point())
            for number in {n for _, named, _, _ in tree for _, n in named if n is not None}
        }
        for module, (own, named, buffers, children) in zip(modules, tree, strict=True):
            state = module.__dict__
            state.update([(name, make()) for name, make in _table_types()])
            state.update(own)
            state["_parameters"] = {n: None if i is None else parameters[i] for n, i in named}
            state["_buffers"] = {n: None if i is None else views[i] for n, i in buffers}
            state["_modules"] = {n: None if i is None else modules[i] for n, i in children}
    root = modules[0]
    assert isinstance(root, nn.Module)
    if protect:
        protect_pages(root, buffer)
    return root


class _Collector:
    """Numbers modules and tensors, each once, and gives every tensor its place."""

    def __init__(self, modules: list[nn.Module]) -> None:
        self.modules = modules
        self.module_numbers = {id(module): number for number, module in enumerate(modules)}
        self.places: list[Place] = []
        self._tensors: list[torch.Tensor] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[torch.Tensor] = []
        self._end = 0

    def tensor_number(self, tensor: torch.Tensor) -> int:
        known = self._numbers.get(id(tensor))
        if known is not None:
            return known
        if tensor.device.type != "cpu":
            raise ValueError(
                f"only weights in the PC's own memory can be shared, not on {tensor.device}"
            )
        whole = tensor.detach().contiguous()
        start = -(-self._end // _ALIGNMENT) * _ALIGNMENT
        self._end = start + whole.numel() * whole.element_size()
        number = len(self.places)
        self._numbers[id(tensor)] = number
        self._kept.append(tensor)  # an id is only good while its tensor lives
        self._tensors.append(whole)
        dtype = str(whole.dtype).removeprefix("torch.")
        offset = start // whole.element_size()
        self.places.append((offset, dtype, tuple(whole.shape), tuple(whole.stride())))
        return number

    def described(self, module: nn.Module) -> Described:
        def named(table: str, number: Any) -> Named:
            return tuple(
                (name, None if one is None else number(one))
                for name, one in module.__dict__[table].items()
            )

        empty = {name: make() for name, make in _table_types()}
        own = {
            name: value
            for name, value in module.__dict__.items()
            if name not in ("_parameters", "_buffers", "_modules")
            and not (name in empty and empty[name] == value)
        }
        return (
            own,
            named("_parameters", self.tensor_number),
            named("_buffers", self.tensor_number),
            named("_modules", lambda child: self.module_numbers[id(child)]),
        )

    def buffer(self) -> Buffer:
        import numpy as np
        import torch

        made = np.zeros(max(self._end, _ALIGNMENT), dtype=np.uint8)
        for (offset, *_), tensor in zip(self.places, self._tensors, strict=True):
            raw = tensor.reshape(-1).view(torch.uint8).numpy()
            first = offset * tensor.element_size()
            made[first : first + raw.size] = raw
        return made


class _Pickler(pickle.Pickler):
    """Writes modules and tensors inside plain attributes as their numbers."""

    def __init__(self, file: io.BytesIO, collector: _Collector) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._collector = collector

    def persistent_id(self, obj: Any) -> tuple[str, int] | None:
        import torch
        from torch import nn

        if isinstance(obj, torch.Tensor):
            return ("tensor", self._collector.tensor_number(obj))
        if isinstance(obj, nn.Module) and id(obj) in self._collector.module_numbers:
            return ("module", self._collector.module_numbers[id(obj)])
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, file: io.BytesIO, modules: list[nn.Module], views: list[torch.Tensor]
    ) -> None:
        super().__init__(file)
        self._known: dict[str, list[Any]] = {"module": modules, "tensor": views}

    def persistent_load(self, pid: tuple[str, int]) -> Any:
        what, number = pid
        return self._known[what][number]


def _views(buffer: Buffer, places: list[Place]) -> list[torch.Tensor]:
    """Every tensor as a window on the buffer."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the buffer is read-only is what is wanted
        base = torch.frombuffer(buffer, dtype=torch.uint8)
    typed: dict[str, torch.Tensor] = {}
    for name in {place[1] for place in places}:
        dtype = getattr(torch, name)
        typed[name] = base[: len(base) // dtype.itemsize * dtype.itemsize].view(dtype)
    return [
        torch.as_strided(typed[name], shape, strides, offset)
        for offset, name, shape, strides in places
    ]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's garbage collector kept still: it would look through all of torch for the few thousand objects made here."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@cache
def _table_types() -> tuple[tuple[str, Any], ...]:
    """(attribute, how to make its value) of a module that just began."""
    from torch import nn

    fresh = nn.Module().__dict__.items()
    plain = (bool, type(None))
    return tuple(
        (name, (lambda kept=value: kept) if isinstance(value, plain) else type(value))
        for name, value in fresh
    )
