"""Lists of contracts, and how one that is broken is reported."""

from collections.abc import Callable
from typing import Any, TypeVar

Contract = TypeVar("Contract", bound=Callable[..., None])


class Contracts(list[Callable[..., None]]):
    """Functions that raise `AssertionError` where what they are given breaks a contract."""

    def add(self, contract: Contract) -> Contract:
        """Add a contract, as a decorator."""
        self.append(contract)
        return contract

    def check(self, name: str, *given: Any) -> None:
        """Hold something to every contract.

        Args:
            name: what is checked, for the message.
            given: what the contracts take.

        Raises:
            AssertionError: a contract is broken; the message names it and says what it asks.
        """
        for contract in self:
            try:
                contract(*given)
            except AssertionError as error:
                asks = (contract.__doc__ or "").splitlines()[0]
                raise AssertionError(
                    f"{name} breaks the contract {contract.__name__}: {asks}\n{error}"
                ) from error
