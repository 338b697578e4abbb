"""Runs the gateway in TensorZero's wheel and prints its address; started by its own environment's interpreter."""

import asyncio
import sys

import tensorzero


async def main(config: str) -> None:
    gateway = await tensorzero._start_http_gateway(
        config_file=config, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=True
    )
    print(gateway.base_url, flush=True)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
