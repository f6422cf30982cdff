"""Jobs of AI Search: looks at the source of an instance."""

from __future__ import annotations

from typing import Any

from cfai._resources.api import AccountApi, Operation, build_path, read_as
from cfai._resources.pages import AsyncPages, Pages
from cfai._resources.search_operations import build_operation, list_pages
from cfai.types import SearchJobInfo, SearchJobLog


class AiSearchJobs:
    """The jobs of an instance: `instance.jobs`. All raise as the methods of the instance do."""

    def __init__(self, api: AccountApi, instance_path: str) -> None:
        self._api = api
        self._path = f"{instance_path}/jobs"

    def list(self, *, page: int | None = None, per_page: int | None = None) -> Pages[SearchJobInfo]:
        """List the jobs, or those of one `page`. Each page is fetched when it is come to."""
        return Pages(self._api, *list_pages(self._path, SearchJobInfo, {"page": page, "per_page": per_page}))

    def alist(self, *, page: int | None = None, per_page: int | None = None) -> AsyncPages[SearchJobInfo]:
        """List the jobs, for `async for`."""
        return AsyncPages(self._api, *list_pages(self._path, SearchJobInfo, {"page": page, "per_page": per_page}))

    def create(self, *, description: str | None = None) -> SearchJobInfo:
        """Begin a look at the source."""
        return self._api.call(self._create(description))

    async def acreate(self, *, description: str | None = None) -> SearchJobInfo:
        """Begin a look at the source, awaited."""
        return await self._api.acall(self._create(description))

    def get(self, job_id: str) -> AiSearchJob:
        """Return a job by its id. Nothing is sent."""
        return AiSearchJob(self._api, self._path, job_id)

    def __repr__(self) -> str:
        return f"<AiSearchJobs of {self._path}>"

    def _create(self, description: str | None) -> Operation[SearchJobInfo]:
        body: dict[str, Any] = {} if description is None else {"description": description}
        return build_operation(self._path, read_as(SearchJobInfo), method="POST", json=body, makes_something=True)


class AiSearchJob:
    """One job: `instance.jobs.get(id)`. All raise as the methods of its instance do."""

    def __init__(self, api: AccountApi, jobs_path: str, id: str) -> None:
        self._api = api
        self._path = jobs_path + build_path(id)
        self.id = id
        """The service's own id for it."""

    def info(self) -> SearchJobInfo:
        """Return how far the job is."""
        return self._api.call(self._info())

    async def ainfo(self) -> SearchJobInfo:
        """Return how far the job is, awaited."""
        return await self._api.acall(self._info())

    def cancel(self) -> SearchJobInfo:
        """End the job, and return how far it came."""
        return self._api.call(self._cancel())

    async def acancel(self) -> SearchJobInfo:
        """End the job, awaited, and return how far it came."""
        return await self._api.acall(self._cancel())

    def logs(self, *, page: int | None = None, per_page: int | None = None) -> Pages[SearchJobLog]:
        """List what the job did, or one `page` of it. Each page is fetched when it is come to."""
        return Pages(self._api, *list_pages(f"{self._path}/logs", SearchJobLog, {"page": page, "per_page": per_page}))

    def alogs(self, *, page: int | None = None, per_page: int | None = None) -> AsyncPages[SearchJobLog]:
        """List what the job did, for `async for`."""
        return AsyncPages(
            self._api, *list_pages(f"{self._path}/logs", SearchJobLog, {"page": page, "per_page": per_page})
        )

    def __repr__(self) -> str:
        return f"<AiSearchJob {self._path}>"

    def _info(self) -> Operation[SearchJobInfo]:
        return build_operation(self._path, read_as(SearchJobInfo))

    def _cancel(self) -> Operation[SearchJobInfo]:
        return build_operation(self._path, read_as(SearchJobInfo), method="PATCH", json={"action": "cancel"})
