"""What nbval compares in a notebook: text. Pictures, HTML and stderr are not stored either."""

import pytest

NOT_COMPARED = (
    "application/vnd.jupyter.widget-view+json",
    "image/png",
    "image/svg+xml",
    "stderr",
    "text/html",
    "text/latex",
    "text/markdown",
)


def pytest_collectstart(collector: pytest.Collector) -> None:
    if getattr(collector, "path", None) and collector.path.suffix == ".ipynb":
        collector.skip_compare += NOT_COMPARED  # type: ignore[attr-defined]
