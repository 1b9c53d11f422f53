"""What MkDocs calls while it builds the site; mkdocs.yml names this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.site.demo import with_tables
from scripts.site.links import PAGES, with_links
from scripts.site.methods import method_pages, navigation
from scripts.site.reference import command_line_page, params_page

METHODS = "methods"
"""Where mkdocs.yml has this word as a page, the pages of the methods stand."""
NOTEBOOKS = Path("notebooks")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the methods into the navigation."""
    config.nav = [_filled(entry) for entry in config.nav or []]
    return config


@event_priority(100)  # before the plugin that shows notebooks looks for them
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and those whose text lies elsewhere in the repository."""
    made = {**method_pages(), "reference/command_line.md": command_line_page(), "reference/params.md": params_page()}
    made |= {page: Path(source).read_text(encoding="utf-8") for source, page in PAGES.items()}
    made["index.md"] = f"---\nhide: [navigation]\n---\n{made['index.md']}"
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        files.append(File(notebook.name, str(NOTEBOOKS.resolve()), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show the demo's tables where a link names them, and make links to files links to their pages."""
    return with_links(with_tables(markdown), page.file.src_uri)


def _filled(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {title: _filled(inner) for title, inner in entry.items()}
    if isinstance(entry, list):
        return [_filled(inner) for inner in entry]
    return navigation() if entry == METHODS else entry
