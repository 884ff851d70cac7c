"""Run every test of Terrapin and end with one table of what was skipped and why.

Go with the race detector, the Python client's tests against the binary, and the demo itself. The exit
status is 1 if anything failed, or, with TERRAPIN_REFEREES=required, if anything was skipped that is not in
the short list of harmless reasons: then a program that was not written here (a referee) did not judge.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
FRAMEWORKS = "clients/python/tests/integration/frameworks"
# Skips that keep no referee from judging, by a part of their reason.
HARMLESS = (
    "root may write everywhere",  # permissions bind nobody then
    "no /dev/full",
    "no right to mount",
    "TERRAPIN_DATA",  # more real data than the project ships
    "no shared data",
    "no libzstd-dev",  # the other build of the chunk codecs
    "no CUDA device",  # page-locked memory
    "TensorFlow is not installed",  # as large as all other frameworks together
    "a part of the benchmark that is not here",  # other people's loaders: .ci/setup bench-streaming
)


@dataclass
class Tally:
    """What ran: counts, and (suite, test, reason) of every skip."""

    passed: int = 0
    failed: int = 0
    skipped: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, suite: str, test: str, reason: str) -> None:
        self.skipped.append((suite, test, " ".join(reason.split()) or "no reason given"))


def run_go(tally: Tally, *what: str, race: bool = True) -> None:
    """Run `go test` over packages, printing a line a package and the output of failures."""
    # The race detector also checks conversions of pointers, of which SQLite, translated from C, is full: half its time.
    detector = ["-race", "-gcflags=modernc.org/...=-d=checkptr=0"] if race else []
    command = ["go", "test", *detector, "-timeout", "40m", "-json", *what]
    output: dict[tuple[str, str], list[str]] = {}
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                print(line, end="")
                continue
            key = (event.get("Package", event.get("ImportPath", "")), event.get("Test", ""))
            action = event.get("Action")
            if action in ("output", "build-output"):
                output.setdefault(key, []).append(event["Output"])
            elif action in ("pass", "fail", "skip", "build-fail"):
                finish_go(tally, key, action, output.pop(key, []), event.get("Elapsed", 0.0))
    if process.returncode != 0 and tally.failed == 0:
        tally.failed += 1
        print(f"go test ended with status {process.returncode}")


def run_libzstd(tally: Tally) -> None:
    """Run the tests of the chunk codecs again with the build tag that takes libzstd, where it is installed."""
    if subprocess.run(["pkg-config", "--exists", "libzstd"], check=False).returncode != 0:
        tally.add("cube/zarr", "-tags cgo_codecs", "no libzstd-dev: .ci/setup codecs installs it")
        return
    print("with the build tag cgo_codecs:")
    run_go(tally, "-tags", "cgo_codecs", "./cube/zarr")


def run_catalogs(tally: Tally) -> None:
    """Put all the generated questions to the catalogs: the race detector leaves time for a part of them."""
    print("all questions to the catalogs, without the race detector:")
    run_go(tally, "-run", "TestConformance/generated", "./catalog/sqlite", "./catalog/postgres", race=False)


def finish_go(tally: Tally, key: tuple[str, str], action: str, lines: list[str], elapsed: float) -> None:
    package, test = key
    short = package.removeprefix("github.com/terrapin-eo/terrapin").removeprefix("/") or "."
    if not test:
        if action == "skip":
            return  # a package without tests
        print(f"{'ok  ' if action == 'pass' else 'FAIL'} {short}  {elapsed:.1f}s", flush=True)
        if action != "pass":
            tally.failed += 1
            print("".join(lines))
        return
    if action == "pass":
        tally.passed += 1
    elif action == "skip":
        reasons = [part for part in lines if "=== " not in part and "--- SKIP" not in part]
        tally.add(short, test, "".join(reasons))
    else:
        tally.failed += 1
        print("".join(lines))


def run_pytest(tally: Tally, binary: Path, where: str, *flags: str, python: str = sys.executable) -> None:
    """Run the Python tests below a folder, in this environment unless another is named, against the built binary."""
    report = Path(tempfile.mkdtemp()) / "pytest.xml"
    environment = os.environ | {
        "TERRAPIN_BIN": str(binary),
        "PYTHONPATH": str(TOP / "clients/python/src"),
    }
    command = [python, "-m", "pytest", "-q", "--junit-xml", str(report), *flags, where]
    status = subprocess.run(command, cwd=TOP, env=environment, check=False).returncode
    if status < 0:
        print(f"the interpreter was killed by signal {-status}; its tests are run again")
        status = subprocess.run(command, cwd=TOP, env=environment, check=False).returncode
    if not report.exists():
        tally.failed += 1
        return
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if skip is not None:
            tally.add(where, name, skip.get("message", ""))
        elif case.find("failure") is not None or case.find("error") is not None:
            tally.failed += 1
        else:
            tally.passed += 1
    if status != 0 and tally.failed == 0:
        tally.failed += 1


def run_client(tally: Tally, binary: Path, frameworks: str) -> None:
    """Run the tests of the Python client; those in other people's frameworks where an environment has them."""
    run_pytest(tally, binary, "clients/python", f"--ignore={FRAMEWORKS}")
    if frameworks:
        run_pytest(tally, binary, FRAMEWORKS, python=frameworks)
    else:
        tally.add(FRAMEWORKS, "*", "no environment with the frameworks: .ci/setup frameworks")


def run_demo(tally: Tally, binary: Path) -> None:
    """Run the demo twice in one folder, the second like the first, and then on a folder of scenes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TOP / "demo/run.py"), "--binary", str(binary), "--out", folder]
        for name, extra in (("first", []), ("second", []), ("DATA=FOLDER", ["--data", str(TOP / "demo/data")])):
            started = time.monotonic()
            status = subprocess.run([*command, *extra], cwd=TOP, check=False).returncode
            print(f"demo, {name} run: {time.monotonic() - started:.0f}s, status {status}", flush=True)
            picture = Path(folder) / "summary.png"
            if status == 0 and (extra or picture.stat().st_size > 50_000):
                tally.passed += 1
            else:
                tally.failed += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--frameworks", default="", help="the interpreter of .ci/setup frameworks")
    parser.add_argument("--only", choices=("go", "python", "demo"), help="run one part")
    options = parser.parse_args()
    binary = options.binary.resolve()
    tally = Tally()
    if options.only in (None, "go"):
        run_go(tally, "./...")
        run_libzstd(tally)
        run_catalogs(tally)
    if options.only in (None, "python"):
        run_client(tally, binary, options.frameworks)
        run_pytest(tally, binary, "benchmarks", "--import-mode=importlib")
    if options.only in (None, "demo"):
        run_demo(tally, binary)

    print("\nskipped, and why:" if tally.skipped else "\nnothing was skipped")
    for suite, test, reason in tally.skipped:
        print(f"  {suite:28} {test:50} {reason[:160]}")
    missed = [s for s in tally.skipped if not any(part in s[2] for part in HARMLESS)]
    required = os.environ.get("TERRAPIN_REFEREES") == "required"
    if missed and required:
        print(f"a referee was skipped {len(missed)} times, and TERRAPIN_REFEREES=required")
    print(f"{tally.passed} passed, {tally.failed} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed or (missed and required) else 0


if __name__ == "__main__":
    sys.exit(main())
