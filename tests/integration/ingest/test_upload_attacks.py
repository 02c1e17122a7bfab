"""What strangers and broken clients do to the door of uploads; no file is harmed by it."""

from __future__ import annotations

import asyncio

import httpx

from tests.integration.ingest.plant import Plant
from tests.integration.ingest.upload_client import (
    IMPORTS,
    begun,
    history,
    number,
    part,
    ran,
    state_of,
)


async def test_a_part_that_is_none_changes_nothing(client: httpx.AsyncClient) -> None:
    content = history(200)
    upload = str((await begun(client, "a.csv", len(content)))["id"])
    assert (await part(client, upload, 0, content[:3000])).status_code == 200

    # another file, or one that was changed since: its bytes are not mixed with those that are here
    other = await part(client, upload, 1000, content[1000:2000].replace(b".5", b".7"))
    assert other.status_code == 409
    assert "begin a new import" in other.json()["detail"]
    packed = await client.put(
        f"{IMPORTS}/{upload}/content",
        params={"offset": 3000},
        content=content[3000:],
        headers={"Content-Encoding": "gzip"},
    )
    assert packed.status_code == 415
    for offset in ("-1", "1e3", str(1 << 70), "nan"):
        answer = await client.put(f"{IMPORTS}/{upload}/content?offset={offset}", content=content)
        assert answer.status_code in {400, 409, 422}, (offset, answer.text)
    for size in (0, -1, 1 << 70, 1.5, "many", None):
        answer = await client.post(IMPORTS, json={"name": "a.csv", "bytes": size})
        assert answer.status_code in {400, 413, 422}, (size, answer.text)
    assert (await client.get(f"{IMPORTS}/{upload}")).json()["received"] == 3000
    assert (await part(client, upload, 3000, content[3000:])).json()["state"] == "received"
    assert (await ran(client, upload, "take"))["report"]["stored"] == 200


async def test_two_clients_send_one_file_in_whatever_order(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    content = history(400)
    upload = str((await begun(client, "a.csv", len(content)))["id"])
    offsets = range(0, len(content), 50)

    async def send(order: list[int]) -> None:
        received = 0
        while received < len(content):
            for offset in order:
                answer = await part(client, upload, offset, content[offset : offset + 50])
                # what comes too early is refused, what is there is passed over
                assert answer.status_code in {200, 409}, answer.text
                if answer.status_code == 200:
                    received = max(received, answer.json()["received"])

    await asyncio.gather(send(list(offsets)), send([*offsets[1::2], *offsets[::2]]))
    await state_of(client, upload, lambda state: state["state"] == "received")
    assert (await ran(client, upload, "take"))["report"]["stored"] == 400
    assert number(plant) == 400


async def test_a_client_that_goes_away_within_a_part_leaves_what_was_acknowledged(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    content = history(200)
    upload = str((await begun(client, "a.csv", len(content)))["id"])
    await part(client, upload, 0, content[:2000])
    address = client.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = (
        f"PUT {IMPORTS}/{upload}/content?offset=2000 HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: 5000\r\n\r\n"
    )
    writer.write(head.encode() + content[2000:3000])
    await writer.drain()
    writer.close()
    assert await reader.read() == b""
    assert (await client.get(f"{IMPORTS}/{upload}")).json()["received"] == 2000
    assert (await part(client, upload, 2000, content[2000:])).json()["state"] == "received"
    assert (await ran(client, upload, "take"))["report"]["stored"] == 200
    assert number(plant) == 200
