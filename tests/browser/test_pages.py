"""The report as a reader meets it: opened in a real browser, asking nothing of any outside address."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from driven import Browser

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium browser is installed")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-features=NetworkTimeServiceQuerying",
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """One area of the demo study, made by the real command with a real kernel."""
    out = tmp_path_factory.mktemp("browser")
    command = [sys.executable, "-m", "svmodel", "run", str(ROOT / "pipelines" / "demo.yaml"), "--out", str(out)]
    done = subprocess.run([*command, "--areas", "E08000012", "--jobs", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "demo"


def open_page(page: Path, profile: Path, *extra: str) -> subprocess.CompletedProcess:
    command = [CHROMIUM, *QUIET, f"--user-data-dir={profile}", *extra, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def requested_urls(log: Path) -> set[str]:
    """Every address that the page's own loads asked for, from the browser's network log."""
    text = log.read_text(encoding="utf-8").rstrip().rstrip(",")
    try:
        held = json.loads(text)
    except json.JSONDecodeError:
        held = json.loads(text + "]}")
    kinds = {code: name for name, code in held["constants"]["logEventTypes"].items()}
    started = [e for e in held["events"] if kinds[e["type"]] == "URL_REQUEST_START_JOB"]
    asked = [e["params"] for e in started if "url" in e.get("params", {})]
    # the browser looks for updates of its own whatever the page holds; such requests have no page as their origin
    return {p["url"] for p in asked if p.get("initiator") != "not an origin"}


@pytest.mark.parametrize("name", ["index.html", "areas/E08000012/report.html"])
def test_page_opens_and_asks_for_nothing(run_folder, tmp_path, name):
    log = tmp_path / "net.json"
    done = open_page(run_folder / name, tmp_path / "profile", f"--log-net-log={log}", "--dump-dom")
    assert done.returncode == 0
    assert "</html>" in done.stdout
    assert len(re.findall(r"<h1\b", done.stdout)) == 1
    outside = {u for u in requested_urls(log) if u.startswith(("http:", "https:", "ws:", "ftp:"))}
    assert not outside


def test_synthetic_mark_is_seen(run_folder, tmp_path):
    done = open_page(run_folder / "areas/E08000012/report.html", tmp_path / "profile", "--dump-dom")
    assert "synthetic data" in re.sub(r"<[^>]+>", " ", done.stdout).casefold()


def test_the_network_log_would_show_a_request(tmp_path):
    """The test above can fail: a page that does ask for something outside is caught."""
    page = tmp_path / "asks.html"
    asking = '<img src="http://127.0.0.1:9/x.png"><script>fetch("http://127.0.0.1:9/y").catch(() => 0)</script>'
    page.write_text(f"<html><body>{asking}</body></html>", encoding="utf-8")
    log = tmp_path / "net.json"
    open_page(page, tmp_path / "profile", f"--log-net-log={log}", "--dump-dom")
    assert {"http://127.0.0.1:9/x.png", "http://127.0.0.1:9/y"} <= requested_urls(log)


def test_nothing_scrolls_sideways_on_a_narrow_screen_and_regions_take_the_keyboard(run_folder, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        for name in ("index.html", "areas/E08000012/report.html"):
            browser.open(run_folder / name, width=320)
            assert browser.run("document.documentElement.scrollWidth") <= 320, name
            regions = "[...document.querySelectorAll('.table')]"
            assert browser.run(f"{regions}.length") > 0
            assert browser.run(f"{regions}.filter(r => r.tabIndex !== 0 || !r.getAttribute('aria-label')).length") == 0
