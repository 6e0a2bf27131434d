"""Take pictures of every page, light and dark: ``python -m tests.browser.screenshots [FOLDER]``.

With ``--docs`` the few pictures of the README are written to docs/images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.browser.driving import CHECKOUT, browser, server, settle

PAGES = {
    "checkup": "",
    "data": "data",
    "distributions": "distributions",
    "one_run": "distributions?run=mnist-healthy",
    "map": "map?run=mnist-healthy&map_run=mnist-healthy",
    **{name: name for name in ("checkpoint", "pairs", "over_training", "compare", "lessons", "what_a_loss_sees")},
}
SIZES = {"1280": (1280, 800), "1920": (1920, 1080)}
DOCS = {"checkup": "checkup", "one_run": "distributions", "map": "map"}
DOCS_SIZE = (1280, 960)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=str(CHECKOUT / "screenshots"), type=Path)
    parser.add_argument("--docs", action="store_true", help="write the pictures of the README")
    parser.add_argument("--only", nargs="*", default=list(PAGES), choices=list(PAGES))
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--themes", nargs="*", default=["light", "dark"], choices=["light", "dark"])
    chosen = parser.parse_args()
    folder = CHECKOUT / "docs" / "images" if chosen.docs else Path(chosen.folder)
    names = list(DOCS) if chosen.docs else chosen.only
    folder.mkdir(parents=True, exist_ok=True)
    with server() as address, browser() as started:
        for theme in ["light", "dark"] if not chosen.docs else ["light"]:
            for size in chosen.sizes if not chosen.docs else ["1280"]:
                if theme not in chosen.themes:
                    continue
                width, height = DOCS_SIZE if chosen.docs else SIZES[size]
                page = started.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                for name in names:
                    page.goto(f"{address}/{PAGES[name]}")
                    settle(page)
                    page.wait_for_timeout(1500)
                    stem = DOCS[name] if chosen.docs else f"{name}-{theme}-{size}"
                    page.screenshot(path=folder / f"{stem}.png")
                    if not chosen.docs:
                        whole = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
                        page.set_viewport_size({"width": width, "height": int(whole) + 20})
                        page.wait_for_timeout(1200)
                        page.screenshot(path=folder / f"{stem}-whole.png")
                        page.set_viewport_size({"width": width, "height": height})
                page.close()


if __name__ == "__main__":
    main()
