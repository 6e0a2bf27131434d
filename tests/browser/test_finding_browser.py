"""Without a browser the browser tests fail where they are asked for, and are skipped elsewhere."""

import pytest

from tests.browser import driving


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving.shutil, "which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("CL_VIZ_REQUIRE_BROWSER", raising=False)


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("CL_VIZ_REQUIRE_BROWSER", "1")])
def test_it_fails_where_it_is_asked_for(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        driving.find_browser()


def test_it_is_skipped_elsewhere() -> None:
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        driving.find_browser()
