"""A server's part in a test that kills it: one library, one long job, and nothing that would stop it."""

from __future__ import annotations

import asyncio
import sys

from openbook.library import Library
from openbook.serve.jobs import Jobs
from openbook.settings import Settings


async def main(place: str, folder: str) -> None:
    """Tell when the first documents are in the library, and then wait for the end of the job."""
    with Library(place, settings=Settings(embedder="hash:64", read_workers=2)) as library:
        jobs = Jobs(library, "library")
        job = jobs.submit("sync", "Many", [folder])
        told = False
        async for seen in jobs.watch(job.id):
            if seen.progress is not None and not told and any(True for _ in library.documents()):
                told = True
                print("reading", flush=True)
        print(seen.state, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
