"""Compiles the kernels for a GPU that need not be there, and prints what each of them takes.

A line has a kernel, the bytes of shared memory that it takes, and what it was compiled for.
"""

from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rnnlab.kernels.arguments import Kernel, Options, Readout, Tensors
from rnnlab.kernels.gpu import calls, jordan_call, products, scan_call

TARGET = GPUTarget("cuda", 90, 32)  # an H100
TYPES = {torch.float32: "*fp32", torch.int32: "*i32"}
BLOCKS = {"elman": (0, 1, 1, 1), "gru": (3, 3, 3, 4), "lstm": (4, 4, 4, 4)}  # code, P, Q, G
NETS = [
    *(
        (name, size, classes)
        for name in BLOCKS
        for size in (8, 32, 64, 128)
        for classes in (10, 64)
    ),
    *(("jordan", size, classes) for size, classes in ((8, 10), (64, 128), (128, 64))),
]
printed = set()


class Compiled:
    """A kernel that is compiled in place of a launch."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __getitem__(self, grid: Any) -> Any:
        """Return what takes the arguments of a launch."""
        return self.compile

    def compile(self, *args: Any, **named: Any) -> None:
        """Compile for these arguments."""
        options = {key: named.pop(key) for key in ("num_warps", "num_stages") if key in named}
        names = self.function.arg_names
        given = dict(zip(names, args, strict=False)) | named
        signature, constants, aligned = {}, {}, {}
        for place, name in enumerate(names):
            value = given[name]
            is_tensor = isinstance(value, torch.Tensor)
            fixed = value is None or (not is_tensor and value == 1)  # as a launch takes these too
            if fixed or self.function.params[place].is_constexpr:
                signature[name], constants[name] = "constexpr", value
                continue
            kind = "fp32" if isinstance(value, float) else "i32"
            signature[name] = TYPES[value.dtype] if is_tensor else kind
            if is_tensor or (isinstance(value, int) and value % 16 == 0):
                aligned[(place,)] = [["tt.divisibility", 16]]
        source = ASTSource(self.function, signature, constants, aligned)
        found = triton.compile(source, target=TARGET, options=options)
        line = f"{self.function.__name__} {found.metadata.shared} {signature} {constants}"
        if line not in printed:
            printed.add(line)
            print(line)


def learn(name: str, size: int, classes: int) -> None:
    """Call all kernels of a net."""
    members, batch, length = 2, 64, 40
    draw = torch.randn
    ids = torch.randint(0, classes, (members, batch, length))
    mask = torch.ones(members, batch, length, dtype=torch.bool)
    readout = Readout(draw(members, classes, size), draw(members, classes), ids, mask)
    if name == "jordan":
        kernel, sums = Kernel("jordan", 0, decay=0.5, squashed=True), [1, 1, 1]
        fed, remembers = classes, 1
    else:
        code, *sums = BLOCKS[name]
        kernel, fed, remembers = Kernel("scan", code), size, int(name == "lstm")
    read, back, all_sums = sums
    cell = Tensors(
        draw(members, read * size, classes),
        draw(members, back * size, fed),
        draw(members, all_sums * size),
        None,
        None,
        draw(members, batch, fed),
        draw(members, batch, fed * remembers),
        ids,
    )
    calls.learn(Options(kernel), cell, readout, (True, True, False))


if __name__ == "__main__":
    for module in (scan_call, jordan_call):
        for name in ("forward", "backward"):
            setattr(module, name, Compiled(getattr(module, name)))
    products._products = Compiled(products._products)
    for net in NETS:
        learn(*net)
    scan_call._MANY = 1
    learn("elman", 32, 10)
