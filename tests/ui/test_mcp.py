"""The MCP server of the page, asked by a client of its library; without that, nothing is tried."""

import ast
import asyncio

import pytest

from tests.support.fakes import PaintingStream, opener, painted_preset
from tests.support.serving import serving


pytest.importorskip("mcp", reason="`longtake app --mcp` needs mcp, which is a dev dependency")

SETTINGS = {"prompt": "a red star", "preset": "painted", "num_chunks": 2, "seed": 5}


async def asked(url, function):
    """What a function of an MCP session gives."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await function(session)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mcp")
    presets = {"painted": painted_preset()}
    with serving(opener(PaintingStream()), presets, folder, mcp_server=True) as (url, _):
        yield url


def test_tools_have_the_names_and_parameters_of_the_docs(url):
    tools = asyncio.run(asked(url, lambda session: session.list_tools())).tools
    by_name = {tool.name: tool for tool in tools}
    assert {"make", "describe_run", "take_settings"} <= by_name.keys()
    make = by_name["make"]
    assert {"prompt", "num_chunks", "seed"} <= make.inputSchema["properties"].keys()
    assert make.description


def test_a_tool_makes_a_video(url):
    answer = asyncio.run(asked(url, lambda session: session.call_tool("make", SETTINGS)))
    assert not answer.isError
    event, _ = ast.literal_eval(answer.content[0].text)
    assert (event["type"], event["summary"]["num_frames"]) == ("Finished", 24)


def test_a_wrong_setting_is_an_error_with_its_sentence(url):
    wrong = SETTINGS | {"num_chunks": 0}
    answer = asyncio.run(asked(url, lambda session: session.call_tool("make", wrong)))
    assert answer.isError
    assert "Chunks must be a whole number from 1 to 10000" in answer.content[0].text
