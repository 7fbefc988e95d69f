"""Imports rows into a sandbox without blocking an event loop."""

import asyncio

from workos_importer import Importer, Sandbox

PEOPLE = [{"email": f"user{number}@example.com", "first_name": f"User {number}"} for number in range(1, 6)]


async def main() -> None:
    """Shows each row as it ends; then a second run, of which only the summary is wanted."""
    importer = Importer(sandbox=Sandbox())

    async with importer.run(PEOPLE) as run:
        async for result in run:
            print(result.record_number, result.email, result.outcome)
    print(run.summary)

    again = await importer.run(PEOPLE)
    print(f"The second time: {again.unchanged} of {again.total} unchanged")


if __name__ == "__main__":
    asyncio.run(main())
