"""Lists of contracts, and how one that is broken is reported."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Contract:
    """Something that must hold.

    Attributes:
        check: raises `AssertionError` where what it is given breaks the contract; its docstring
            says in a line what the contract asks.
        applies: whether the contract asks anything of what it is given.
    """

    check: Callable[..., None]
    applies: Callable[..., bool] = lambda *_: True

    @property
    def name(self) -> str:
        """Name of the contract."""
        return self.check.__name__


class Contracts(list[Contract]):
    """Contracts of one kind of object."""

    def add(self, check: Callable[..., None]) -> Callable[..., None]:
        """Add a contract that always applies, as a decorator."""
        return self.where(lambda *_: True)(check)

    def where(
        self, applies: Callable[..., bool]
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Add a contract that applies to some objects only, as a decorator with a condition."""

        def add(check: Callable[..., None]) -> Callable[..., None]:
            self.append(Contract(check, applies))
            return check

        return add

    def check(self, name: str, *given: Any) -> None:
        """Hold an object to every contract that applies to it.

        Args:
            name: what is checked, for the message.
            given: what the contracts take.

        Raises:
            AssertionError: a contract is broken; the message names it and says what it asks.
        """
        for contract in self:
            if not contract.applies(*given):
                continue
            try:
                contract.check(*given)
            except AssertionError as error:
                asks = (contract.check.__doc__ or "").splitlines()[0]
                raise AssertionError(
                    f"{name} breaks the contract {contract.name}: {asks}\n{error}"
                ) from error
