"""The queue for the models: bounded, in order, and never leaking a place."""

import asyncio

import pytest

from rag_app.errors import Busy
from rag_app.gate import ModelGate, Routes, Searches, Ticket


async def turn(ticket: Ticket) -> None:
    """Wait until it is this ticket's turn."""
    async for _ in ticket.places():
        pass


def test_one_too_many_gets_retry_after() -> None:
    gate = ModelGate(slots=1, waiting=2)
    for _ in range(3):
        gate.enter()
    with pytest.raises(Busy) as refused:
        gate.enter()
    assert int(refused.value.headers["Retry-After"]) > 0
    assert gate.length == 3


def test_served_in_order_and_shown_how_many_are_ahead() -> None:
    async def story() -> tuple[list[str], list[int]]:
        gate, served, ahead = ModelGate(slots=1, waiting=5), [], []

        async def ask(name: str) -> None:
            async with gate.enter() as ticket:
                async for places in ticket.places():
                    if name == "c":
                        ahead.append(places.ahead)
                served.append(name)
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(ask(name))
        assert gate.length == 0
        return served, ahead

    assert asyncio.run(story()) == (["a", "b", "c"], [2, 1, 0])


def test_leaving_early_frees_the_place() -> None:
    async def story() -> int:
        gate = ModelGate(slots=1, waiting=1)
        holder = gate.enter()

        async def wait() -> None:
            async with gate.enter() as ticket:
                await turn(ticket)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert gate.length == 2
        waiting.cancel()
        await asyncio.wait({waiting})
        gate.leave(holder, 1.0)
        return gate.length

    assert asyncio.run(story()) == 0


def test_slots_are_held_at_the_same_time() -> None:
    async def story() -> int:
        gate, now, most = ModelGate(slots=2, waiting=8), 0, 0

        async def ask() -> None:
            nonlocal now, most
            async with gate.enter() as ticket:
                await turn(ticket)
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.005)
                now -= 1

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(ask())
        return most

    assert asyncio.run(story()) == 2


def test_a_ticket_that_moves_frees_its_place_and_joins_the_end_of_the_other_queue() -> None:
    async def story() -> tuple[list[str], list[int]]:
        remote, here = ModelGate(slots=2, waiting=5), ModelGate(slots=1, waiting=5)
        served, ahead = list[str](), list[int]()

        async def ask(name: str) -> None:
            async with remote.enter() as ticket:
                await turn(ticket)
                ticket.move(here)
                assert not ticket.admitted
                async for place in ticket.places():
                    if name == "b":
                        ahead.append(place.ahead)
                served.append(name)
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(ask(name))
        assert (remote.length, here.length) == (0, 0)
        return served, ahead

    assert asyncio.run(story()) == (["a", "b", "c"], [1, 0])


def test_a_ticket_that_a_full_queue_refuses_keeps_its_place() -> None:
    async def story() -> int:
        remote, here = ModelGate(slots=1, waiting=0), ModelGate(slots=1, waiting=0)
        here.enter()
        async with remote.enter() as ticket:
            with pytest.raises(Busy):
                ticket.move(here)
            assert (remote.length, here.length) == (1, 1)
        return remote.length

    assert asyncio.run(story()) == 0


def test_each_remote_model_has_a_queue_and_the_models_of_this_host_share_one() -> None:
    here, big, large = (ModelGate(slots=1, waiting=0) for _ in range(3))
    routes = Routes(here, {"big": big, "large": large})
    assert [routes.to(name) for name in ("big", "large", "small", None)] == [big, large, here, here]
    for gate in (here, big):
        gate.enter()
    assert routes.length == 2


def test_a_model_starts_after_the_searches_of_others() -> None:
    async def story() -> list[str]:
        searches, order = Searches(), list[str]()

        async def search(seconds: float) -> None:
            with searches.one():
                await asyncio.sleep(seconds)
                order.append("search")

        async def model() -> None:
            await searches.over(5.0)
            order.append("model")

        async with asyncio.TaskGroup() as group:
            for one in (search(0.02), search(0.05), model()):
                group.create_task(one)
        return order

    assert asyncio.run(story()) == ["search", "search", "model"]


def test_endless_searches_do_not_keep_a_model_waiting() -> None:
    async def story() -> None:
        searches = Searches()
        with searches.one():
            async with asyncio.timeout(5.0):
                await searches.over(0.05)

    asyncio.run(story())
