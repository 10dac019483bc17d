"""A chain for the tests of a worker; every test begins where it stood."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.chain.world import WALLET
from tests.support import local_chain
from tests.support.local_chain import LocalChain
from tests.support.services import Unavailable


class Nodes:
    """One node, made anew after a test that took blocks back: no snapshot survives that."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: LocalChain | None = None

    def current(self) -> LocalChain:
        if self._running is None:
            chain = self._stack.enter_context(local_chain.running())
            chain.fund(WALLET)
            chain.fund(chain.accounts[5])
            self._running = chain
        return self._running

    def discard(self) -> None:
        self._stack.close()
        self._running = None


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    try:
        local_chain.binary()
    except Unavailable as lacking:
        if local_chain.required():
            pytest.fail(f"REQUIRE_SERVICES=1: {lacking}", pytrace=False)
        pytest.skip(str(lacking))
    found = Nodes()
    yield found
    found.discard()


@pytest.fixture
def chain(nodes: Nodes) -> Iterator[LocalChain]:
    """Polygon on this machine, as new."""
    node = nodes.current()
    name = local_chain.snapshot(node)
    yield node
    if node.was_reorganised:
        nodes.discard()
        return
    node.ask("anvil_dropAllTransactions")
    local_chain.back_to(node, name)
    node.resume_blocks()
