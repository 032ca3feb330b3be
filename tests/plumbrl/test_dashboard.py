"""The pages over run folders: who may see them, what they say, and that they keep up."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
import yaml
from httpx2 import Client
from starlette.testclient import TestClient

from plumbrl.cli import main
from plumbrl.dashboard.access import HEADERS
from plumbrl.dashboard.app import make_app
from plumbrl.dashboard.folders import DEPTH, find_runs, look
from plumbrl.dashboard.judging import Judge, Judged
from plumbrl.dashboard.listing import QUIET, Listing
from plumbrl.dashboard.outcomes import differing, outcome_of, settings_of
from plumbrl.dashboard.server import _listener
from plumbrl.dashboard.workshop import Workshop
from plumbrl.findings import Report

KEY = "the key of the tests"
EVIL = "<script>alert(1)</script>"
SECRET = "nobody is to read this"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FACTS = {"algo": "PPO", "env": "CartPole-v1", "total_timesteps": 200_000}


def row(step, value):
    metrics = {"rollout/ep_rew_mean": value, "train/approx_kl": 0.01}
    return json.dumps({"step": step, "update": step // 1000, "metrics": metrics}) + "\n"


def write_run(folder, rows=60, gain=100.0, facts=FACTS):
    """A run that learns, or, without a gain, one that does not."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, rows) + gain * np.linspace(0, 1, rows) ** 0.3
    lines = [row(1000 * (i + 1), float(v)) for i, v in enumerate(values)]
    (folder / "metrics.jsonl").write_text(
        json.dumps({"schema": 1, "facts": facts}) + "\n" + "".join(lines)
    )
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 3, "algo": {"gain": gain}}))
    return folder


def log(folder, text):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(text)


def write_report(folder, verdict="HEALTHY"):
    (folder / "report.json").write_text(Report("x", verdict).to_json())


@contextmanager
def browser(root, host="127.0.0.1", key=KEY):
    """A client that has been let in."""
    with TestClient(make_app([root], KEY), base_url=f"http://{host}", cookies=None) as client:
        if key:
            assert client.get("/", params={"token": key}).status_code == 200
        yield client


@pytest.fixture
def root(tmp_path):
    write_run(tmp_path / "runs/good")
    write_report(tmp_path / "runs/good")
    return tmp_path / "runs"


def run_of(root, name):
    (run,) = [r for r in find_runs([root]).values() if r.path.name == name]
    return run


def address(root, name="good"):
    return f"/run/{run_of(root, name).id}"


def wait_for(what, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come in time")


# Who may see them


@pytest.mark.parametrize("path", ["/", "/changes", "/assets/page.js", "/compare", "/nothing", "{}"])
def test_without_the_key_nothing_is_shown(root, path):
    path = path.format(address(root))
    with browser(root, key=None) as client:
        for given in ({}, {"token": "wrong"}, {"token": ""}, {"token": KEY + "é"}):
            answer = client.get(path, params=given)
            assert answer.status_code == 403
            assert "address that plumbrl serve has printed" in answer.text
        client.cookies.set("plumbrl-80", "wrong")
        assert client.get(path).status_code == 403


def test_the_key_becomes_a_cookie_that_only_this_page_gets(root):
    with browser(root, key=None) as client:
        answer = client.get("/run/x", params={"token": KEY, "a": "b"})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert 'content="0; url=/run/x?a=b"' in answer.text
        assert KEY not in answer.text
        assert client.get("/").status_code == 200


def test_the_key_leads_to_no_other_host(root):
    with browser(root, key=None) as client:
        answer = client.get("http://127.0.0.1//elsewhere.org/x", params={"token": KEY})
        assert 'content="0; url=/elsewhere.org/x"' in answer.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.4", ""])
def test_other_hosts_are_refused_even_with_the_key(root, host):
    with browser(root) as client:
        answer = client.get("/", headers={"host": host}, params={"token": KEY})
        assert answer.status_code == 400
        assert "runs" not in answer.text
    with browser(root, host="localhost") as client:
        assert client.get("/").status_code == 200


def test_every_answer_tells_browsers_to_be_strict(root):
    with browser(root) as client:
        pages = ["/", "/changes", address(root), "/nothing", "/assets/live.js"]
        answers = [client.get(page) for page in pages]
        answers.append(client.get("/", headers={"host": "evil.example"}))
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
    assert "script-src 'self';" in policy


def test_pages_hold_no_script_of_their_own(root):
    with browser(root) as client:
        for page in ("/", address(root)):
            text = client.get(page).text
            assert all("src=" in found for found in re.findall("<script[^>]*>", text))
            assert not re.search(r"\son\w+=", text)


# What can be reached


TRAVERSALS = [
    "/run/../etc/passwd", "/run/%2e%2e/files/passwd", "{}/files/..%2f..%2fsecret.txt",
    "{}/files/%2e%2e%2fsecret.txt", "{}/files/secret.txt", "{}/files/model.zip",
    "{}/episodes/..%2fconfig.yaml", "{}/episodes/..%2f..%2f..%2fsecret.html",
    "{}/episodes/away.html", "{}/files/report.html", "/assets/..%2faccess.py", "/assets/access.py",
    "/run/%2fetc/files/config.yaml", "/run/good",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_nothing_outside_is_handed_out(root, path):
    (root.parent / "secret.txt").write_text(SECRET)
    (root.parent / "secret.html").write_text(SECRET)
    good = root / "good"
    (good / "model.zip").write_text(SECRET)
    (good / "episodes").mkdir()
    (good / "episodes/away.html").symlink_to(root.parent / "secret.html")
    (good / "report.html").symlink_to(root.parent / "secret.html")
    with browser(root) as client:
        answer = client.get(path.format(address(root)))
        assert answer.status_code == 404
        assert SECRET not in answer.text


def test_a_run_with_a_link_that_leads_out_is_not_read(root):
    (root.parent / "other.jsonl").write_text(row(777_777, 1.0))
    (root / "bad").mkdir()
    (root / "bad/metrics.jsonl").symlink_to(root.parent / "other.jsonl")
    with browser(root) as client:
        for page in ("/", address(root, "bad")):
            text = client.get(page).text
            assert "a link that leads out" in text
            assert "777,777" not in text


def test_linked_folders_and_hidden_ones_are_not_entered(tmp_path):
    write_run(tmp_path / "elsewhere/run")
    runs = tmp_path / "runs"
    write_run(runs / "in")
    write_run(runs / ".trash/run")
    (runs / "out").symlink_to(tmp_path / "elsewhere")
    (runs / "again").symlink_to(runs / "in")
    write_run(runs.joinpath(*"abcdefgh"[: DEPTH + 1]))
    assert [run.label for run in find_runs([runs]).values()] == ["in"]
    assert len(find_runs([tmp_path / "nowhere"])) == 0
    assert [run.label for run in find_runs([runs / "in"]).values()] == ["in"]


def test_files_are_downloads_and_replays_are_boxed_in(root):
    (root / "good/episodes").mkdir()
    (root / "good/episodes/best one.html").write_text(f"<p>replay</p>{EVIL}")
    (root / "good/episodes/worst.npz").write_bytes(b"states")
    (root / "good/episodes/notes.txt").write_text("no")
    with browser(root) as client:
        page = client.get(address(root)).text
        found = re.findall(rf'href="({address(root)}/(?:files|episodes)/[^"]+)"', page)
        assert {f.rpartition("/")[2] for f in found} == {
            "metrics.jsonl", "config.yaml", "report.json", "best%20one.html", "worst.npz",
        }  # fmt: skip
        for link in found:
            answer = client.get(link)
            assert answer.status_code == 200
            if link.endswith(".html"):
                assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts")
                assert "allow-same-origin" not in answer.headers["content-security-policy"]
            else:
                assert answer.headers["content-disposition"].startswith("attachment")
        answer = client.get(f"{address(root)}/files/metrics.jsonl")
        assert answer.content == (root / "good/metrics.jsonl").read_bytes()


# What they say


def test_the_list_says_the_verdict_first(root):
    write_run(root / "env/ppo/20260101-000000_flat_s7", gain=0.0)
    evil = {**FACTS, "env": EVIL, "algo": EVIL}
    write_run(root / f"{EVIL.replace('/', '')}", facts=evil)
    with browser(root) as client:
        first = client.get("/").text
        assert "judging" in first and "3 runs" in first
        text = wait_for(lambda: None if "judging" in (t := client.get("/").text) else t)
    assert "1 of 3 runs needs a look" in text
    line = next(part for part in text.split("<tr ") if "flat_s7" in part)
    assert line.index("Not learning") < line.index("flat_s7</a>")
    for said in ("CartPole-v1 · PPO · seed 7", "60,000", "of 200,000", "no better than when"):
        assert said in line
    assert EVIL not in text and "&lt;script&gt;" in text


def test_the_page_of_a_run_marks_the_moment_of_a_finding_in_its_curves(root):
    write_run(root / "bad", gain=0.0)
    with browser(root) as client:
        text = client.get(address(root, "bad")).text
    assert text.index("Not learning") < text.index('id="findings"') < text.index('id="curves"')
    curves = text[text.index('id="curves"') : text.index('id="checks"')]
    assert 'href="#finding-1"' in curves and "data-steps" in curves
    assert text.count("<h1") == 1
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_runs_are_compared_by_settings_outcome_and_curves(root):
    write_run(root / "other", gain=50.0)
    for name, mean in (("good", 5.0), ("other", 9.0)):
        returns = [mean + i / 10 for i in range(8)]
        line = json.dumps({"policy": "trained", "returns": returns})
        (root / name / "evaluations.jsonl").write_text(line + "\n")
    ids = [("run", run_of(root, name).id) for name in ("good", "other")]
    with browser(root) as client:
        text = client.get("/compare", params=ids).text
        for said in ("other came to the highest return, beyond", "algo.gain", "8 held-out episodes",
                     "5.35", "9.35", 'data-name="good"', 'data-name="other"'):  # fmt: skip
            assert said in text
        assert "<code>seed" not in text
        for wrong in (ids[:1], [], ids[:1] * 5, [("run", "nothing"), *ids]):
            answer = client.get("/compare", params=wrong)
            assert answer.status_code == 404
            assert "to compare; got" in answer.text or "not there" in answer.text


def test_settings_and_outcomes_take_what_there_is(tmp_path):
    assert differing([{"a": "1", "b": "2"}, {"a": "1", "c": "3"}]) == {
        "b": ["2", ""], "c": ["", "3"],
    }  # fmt: skip
    folder = write_run(tmp_path / "run")
    assert settings_of(folder, None) == {"seed": "3", "algo.gain": "100.0"}
    assert outcome_of(folder, None) is None
    np.savez(folder / "evaluations.npz", results=np.array([[1.0, 2.0], [5.0, 7.0]]))
    found = outcome_of(folder, None)
    assert found is not None and found.value == 6.0 and found.interval is not None
    (folder / "evaluations.npz").write_bytes(b"torn")
    (folder / "evaluations.jsonl").write_text("{")
    (folder / "config.yaml").write_text("a: [")
    assert outcome_of(folder, None) is None
    assert settings_of(folder, None) == {}


def test_a_run_is_running_ended_or_quiet(tmp_path):
    folder = write_run(tmp_path / "run")
    now = time.time()

    def state(**files):
        for name, age in files.items():
            path = folder / name.replace("_", ".")
            path.touch()
            os.utime(path, (now - age, now - age))
        run = look(folder, tmp_path)
        assert run is not None
        return Listing().entry(run).state(now)

    old = QUIET + 60
    assert state(metrics_jsonl=1) == "running"
    assert state(metrics_jsonl=old, config_yaml=1) == "quiet"
    assert state(metrics_jsonl=old, report_json=old - 20) == "ended"
    assert state(metrics_jsonl=1) == "running", "resumed after its report"
    (folder / "report.json").unlink()
    log(folder, row(199_500, 1.0))
    assert state(metrics_jsonl=old) == "ended", "at the end of what was planned"


def test_a_report_that_is_older_than_the_log_is_not_believed(root):
    log = root / "good/metrics.jsonl"
    later = time.time() + 60
    os.utime(log, (later, later))
    asked = []
    workshop = Workshop()
    judge = Judge(workshop, asked.append)
    workshop.submit = lambda work, run: pytest.fail("judged") if run.reported else _Never()
    assert judge.of(run_of(root, "good")) is None
    os.utime(log, (later - 3600, later - 3600))
    assert judge.of(run_of(root, "good")) == Judged("HEALTHY", "")


class _Never:
    def add_done_callback(self, _):
        """It is not done."""


# That they keep up


def changes(client, page, etag=None, have=()):
    headers = {"If-None-Match": etag} if etag else {}
    path = "/changes" if page == "/" else f"{page}/changes"
    return client.get(path, params={"have": ".".join(have)}, headers=headers)


def test_only_what_has_changed_is_sent(root):
    write_run(root / "going", rows=20)
    with browser(root) as client:
        wait_for(lambda: "judging" not in client.get("/").text)
        first = changes(client, "/")
        assert len(first.json()["parts"]) == 3
        assert changes(client, "/", first.headers["etag"]).status_code == 304
        have = re.findall(r'data-hash="(\w+)"', "".join(first.json()["parts"].values()))
        log(root / "going", row(123_000, 100.0) + '{"step": 124000, "metr')
        time.sleep(1.1)
        second = changes(client, "/", first.headers["etag"], have)
        (name,) = second.json()["parts"]
        assert name == f"run-{run_of(root, 'going').id}"
        assert "123,000" in second.json()["parts"][name]


def test_the_page_of_a_run_grows_with_its_log(root):
    folder = write_run(root / "going", rows=20)
    page = address(root, "going")
    with browser(root) as client:
        assert "still training" in client.get(page).text
        first = changes(client, page)
        log(folder, row(123_000, 100.0))

        def seen():
            answer = changes(client, page, first.headers["etag"])
            return answer.status_code == 200 and answer.json()["parts"].get("curves-part", "")

        wait_for(lambda: "123000" in (seen() or ""))
        assert changes(client, page).status_code == 200


def torn(folder):
    (folder / "metrics.jsonl").write_bytes((folder / "metrics.jsonl").read_bytes()[:-20])


def bytes_(folder):
    for name in ("metrics.jsonl", "report.json", "config.yaml", "manifest.json", "progress.csv"):
        (folder / name).write_bytes(b"\x00\xff\xfe{[" * 999)


def odd(folder):
    (folder / "metrics.jsonl").write_text('{"step": 1e999}\n[[[\n"a"\n{"step": [1]}\n' * 9)
    (folder / "manifest.json").write_text('{"seeds": 3, "created": 5, "env": [1], "algo": null}')
    (folder / "report.json").write_text('{"verdict": [], "findings": 4}')
    (folder / "progress.csv").write_text('"a\rb,step\n1,"\n')
    os.utime(folder / "metrics.jsonl", (1e11, 1e11))


def folders(folder):
    for name in ("metrics.jsonl", "report.json", "config.yaml"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()
    (folder / "progress.csv").touch()


def facts(folder):
    write_run(folder, facts={"algo": 5, "total_timesteps": "many", "env": {"a": 1}})


def locked(folder):
    (folder / "metrics.jsonl").chmod(0)


@pytest.mark.parametrize("damage", [torn, bytes_, odd, folders, facts, locked])
def test_whatever_lies_in_a_run_the_pages_stay(root, damage):
    damage(write_run(root / "bad"))
    with browser(root) as client:
        ids = [("run", run_of(root, name).id) for name in ("good", "bad")]
        text = wait_for(lambda: None if "judging" in (t := client.get("/").text) else t)
        assert ">bad<" in text and ">good<" in text
        for page in (address(root, "bad"), f"{address(root, 'bad')}/changes"):
            assert client.get(page).status_code == 200
        assert client.get("/compare", params=ids).status_code == 200


def test_runs_come_and_go_while_the_page_is_open(root):
    with browser(root) as client:
        page = address(root)
        assert client.get(page).status_code == 200
        shutil.rmtree(root / "good")
        answer = changes(client, page)
        assert answer.status_code == 404 and "moved or deleted" in answer.json()["error"]
        assert "moved or deleted" in client.get(page).text
        time.sleep(1.1)
        assert "No runs yet" in client.get("/").text
        (root / "new").mkdir()
        (root / "new/manifest.json").write_text("{}")
        (root / "notes").mkdir()
        (root / "notes/todo.txt").write_text("no run")
        time.sleep(1.1)
        text = wait_for(lambda: None if "judging" in (t := client.get("/").text) else t)
        assert "1 run" in text and "Nothing is logged yet." in text and "notes" not in text
        shutil.rmtree(root)
        time.sleep(1.1)
        assert "No runs yet" in client.get("/").text


def test_work_that_takes_the_process_down_does_not_take_the_server_down():
    workshop = Workshop()
    with pytest.raises(Exception, match="terminated abruptly"):
        workshop.submit(os._exit, 1).result(30)
    assert workshop.submit(abs, -2).result(30).result == 2
    workshop.close()


def test_the_process_ends_when_there_is_nothing_to_do_and_comes_back(monkeypatch):
    monkeypatch.setattr("plumbrl.dashboard.workshop.IDLE", 0.05)
    workshop = Workshop()
    first = workshop.submit(os.getpid).result(30).result
    assert first != os.getpid()
    wait_for(lambda: not _lives(first))
    assert workshop.submit(abs, -3).result(30).result == 3
    workshop.close()
    assert workshop.submit(abs, -3).cancelled()


def _lives(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_names_that_are_no_text_are_shown_all_the_same(root):
    name = os.fsdecode(b"a\xff<b>")
    write_run(root / name)
    (root / name / "episodes").mkdir()
    (root / name / "episodes" / f"{name}.npz").write_bytes(b"states")
    with browser(root) as client:
        page = address(root, name)
        for path in ("/", "/changes", page, f"{page}/changes"):
            answer = client.get(path)
            assert answer.status_code == 200 and "<b>.npz" not in answer.text
        assert "a?&lt;b&gt;" in client.get(page).text


# The command


def said(capsys, *args):
    with pytest.raises(SystemExit) as end:
        main(["serve", *args, "--no-open"])
    assert end.value.code == 2
    text = capsys.readouterr().err.strip()
    assert len(text.splitlines()) == 1
    return text


def test_what_cannot_be_served_is_said_in_a_sentence(tmp_path, capsys, monkeypatch):
    assert "no folder" in said(capsys, str(tmp_path / "nowhere"))
    assert "--port must be" in said(capsys, str(tmp_path), "--port", "99999")
    with _listener(0) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in said(capsys, str(tmp_path), "--port", str(port))
    monkeypatch.setattr("plumbrl.cli.serve.find_spec", lambda name: None)
    assert "pip install 'plumbrl[dashboard]'" in said(capsys, str(tmp_path))


def test_it_listens_here_alone():
    with _listener(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@contextmanager
def served(*args):
    program = [sys.executable, "-m", "plumbrl", "serve", *map(str, args), "--port", "0"]
    process = subprocess.Popen(
        [*program, "--no-open"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def modules_of(pid):
    return set(re.findall(r"site-packages/(\w+)", Path(f"/proc/{pid}/maps").read_text()))


@pytest.mark.slow
def test_ctrl_c_ends_it_cleanly_and_it_stays_light(root):
    with served(root) as (process, link):
        with Client() as client:
            assert client.get(link).status_code == 200
            assert "1 run" in client.get(link.partition("?")[0]).text
            page = link.partition("/?")[0] + address(root)
            assert 'id="curves"' in client.get(page, timeout=30).text
        assert not modules_of(process.pid) & {"numpy", "torch", "matplotlib", "mujoco"}
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert errors == ""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_shows_the_page_and_keeps_it_up_to_date(root):
    folder = write_run(root / "going", rows=20)
    app, asked = make_app([root], KEY), []

    async def growing(scope, receive, send):
        """The log grows when the page asks for changes for the first time."""
        if scope["type"] == "http" and scope["path"].endswith("/changes"):
            if not asked:
                log(folder, row(123_000, 100.0))
            asked.append(scope["path"])
        await app(scope, receive, send)

    listener = _listener(0)
    server = uvicorn.Server(uvicorn.Config(growing, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        run = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
             "--virtual-time-budget=30000", f"{base}{address(root, 'going')}?token={KEY}"],
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
    page = run.stdout
    assert len(asked) > 1
    assert 'role="slider"' in page, "the script of the charts runs under the policy"
    assert re.search(r"<time[^>]*>(just now|\d+ seconds ago)</time>", page)
    assert "123,000" in page and "123000" in page
    assert "does not answer" not in page
