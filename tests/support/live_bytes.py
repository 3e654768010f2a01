"""Counts the memory of results, on any device: also where nothing is computed."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of results that are still in use, and the most there were."""

    def __init__(self):
        super().__init__()
        self.sizes = {}
        self.now = self.most = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        given = {tensor.untyped_storage()._cdata for tensor in tensors_in((args, kwargs))}
        result = operation(*args, **(kwargs or {}))
        for tensor in tensors_in(result):
            storage = tensor.untyped_storage()
            if storage._cdata not in given and storage._cdata not in self.sizes:
                self.sizes[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.free, storage._cdata)
        return result

    def free(self, key):
        self.now -= self.sizes.pop(key)


def tensors_in(values):
    return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
