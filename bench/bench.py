#!/usr/bin/env python3
"""Speed beside the peers, as paired ratios of one run.

  bench.py --recoup PATH --measure PATH [--mb 1000] [--repetitions 5] [--work DIR] [--only NAME…]

In every repetition a subject and its peer run one after the other on the same data, the order rotated; the ratio is taken
within the repetition and the median of the ratios is quoted. Seconds of one machine mean little; ratios travel better.
Peak memory is what the kernel accounts for the largest process of the command.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ONE_STEP = "import sqlite3,sys; s=sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True); d=sqlite3.connect(sys.argv[2]); s.backup(d); d.close(); s.close()"
ZIPFILE = """
import os,sys,zipfile
z=zipfile.ZipFile(sys.argv[1],'w',zipfile.ZIP_DEFLATED)
z.write(sys.argv[2],'database.db')
for folder,_,names in os.walk(sys.argv[3]):
    for name in sorted(names):
        path=os.path.join(folder,name); z.write(path,'directories/thumbs/'+os.path.relpath(path,sys.argv[3]))
z.close()
"""


def run(command, good=(0,), **kwargs):
    """Wall seconds and peak memory in MiB of one command, with everything it started."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **kwargs)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    if os.waitstatus_to_exitcode(status) not in good:
        raise SystemExit(f"{command} failed: {error.decode(errors='replace')[-2000:]}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def clear(work):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)


class Bench:
    def __init__(self, given):
        self.given = given
        self.out = os.path.join(given.work, "out")
        self.rows = []

    def compare(self, name, goal, ours, peers, repetitions=None):
        """`ours` and each peer: label and a function that gives the commands to run one after the other."""
        if self.given.only and name not in self.given.only:
            return
        subjects = [ours] + peers
        seconds = {label: [] for label, _ in subjects}
        memory = {label: 0.0 for label, _ in subjects}
        for repetition in range((repetitions or self.given.repetitions) + 1):
            turn = repetition % len(subjects)
            for label, commands in subjects[turn:] + subjects[:turn]:
                clear(self.out)
                os.sync()
                total = 0.0
                for command in commands():
                    wall, peak = run(command)
                    total += wall
                    memory[label] = max(memory[label], peak)
                if repetition > 0:  # the first round warms the cache
                    seconds[label].append(total)
        own = seconds[ours[0]]
        for label, _ in subjects:
            ratios = [a / b for a, b in zip(own, seconds[label])]
            ratio = statistics.median(ratios)
            row = (name, label, statistics.median(seconds[label]), ratio, min(ratios), max(ratios), memory[label], goal if label == peers[0][0] else "")
            self.rows.append(row)
            print(f"{name:14} {label:42} {row[2]:8.3f} s   ours/this {ratio:6.2f} ({row[4]:.2f}-{row[5]:.2f})   {row[6]:7.1f} MiB   {row[7]}", flush=True)

    def table(self):
        print("\n| what | command | median s | ours / this (min–max) | peak MiB | goal |\n|---|---|---|---|---|---|")
        for name, label, wall, ratio, low, high, peak, goal in self.rows:
            print(f"| {name} | {label} | {wall:.3f} | {ratio:.2f} ({low:.2f}–{high:.2f}) | {peak:.0f} | {goal} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--recoup", required=True)
    parser.add_argument("--measure", required=True, help="the testkit's program that runs one step of the library alone")
    parser.add_argument("--mb", type=float, default=1000)
    parser.add_argument("--thumbnails", type=int, default=10000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--work", default="target/bench")
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    given.work = os.path.abspath(given.work)
    recoup, measure = os.path.abspath(given.recoup), os.path.abspath(given.measure)
    os.makedirs(given.work, exist_ok=True)
    big, small, thumbs = (os.path.join(given.work, name) for name in (f"big-{given.mb:g}.db", "small.db", f"thumbs-{given.thumbnails}"))
    generate = [sys.executable, os.path.join(HERE, "generate.py")]
    if not os.path.exists(big):
        subprocess.check_call(generate + ["database", big, "--mb", str(given.mb)])
    if not os.path.exists(small):
        subprocess.check_call(generate + ["database", small, "--mb", "0.93"])
    if not os.path.exists(thumbs):
        subprocess.check_call(generate + ["thumbnails", thumbs, "--count", str(given.thumbnails)])

    bench = Bench(given)
    out = lambda name: os.path.join(bench.out, name)
    python = lambda code, *arguments: [sys.executable, "-c", code, *arguments]
    whole = lambda source, *more: lambda: [[recoup, "backup", "--database", source, "--to", out("backups"), "--quiet", *more]]

    bench.compare("capture", "≤ 1.2", ("recoup, capture alone", lambda: [[measure, "capture", big, out("copy.db")]]), [
        ("one-step backup API (Python)", lambda: [python(ONE_STEP, big, out("copy.db"))]),
        ("sqlite3 .backup", lambda: [["sqlite3", big, f".backup {out('copy.db')}"]]),
        ("sqlite3 VACUUM INTO", lambda: [["sqlite3", big, f"VACUUM INTO '{out('copy.db')}'"]]),
        ("cp (unsafe)", lambda: [["cp", big, out("copy.db")]]),
    ])
    bench.compare("database", "≤ 1.0", ("recoup backup --format database", whole(big, "--format", "database")), [
        ("one-step backup; sha256sum; integrity_check", lambda: [
            python(ONE_STEP, big, out("copy.db")), ["sha256sum", out("copy.db")],
            ["sqlite3", out("copy.db"), "PRAGMA integrity_check"]]),
    ])
    bench.compare("archive", "≤ 0.3", ("recoup, packing alone", lambda: [[measure, "pack", big, thumbs, out("a.zip")]]), [
        ("Python zipfile, deflate", lambda: [python(ZIPFILE, out("a.zip"), big, thumbs)]),
        ("zip -6", lambda: [["zip", "-q", "-r", out("a.zip"), big, thumbs]]),
    ], repetitions=min(given.repetitions, 3))
    bench.compare("whole archive", "", ("recoup backup (archive, proven)", whole(big, "--directory", thumbs)), [
        ("backup API; Python zipfile", lambda: [python(ONE_STEP, big, out("copy.db")), python(ZIPFILE, out("a.zip"), out("copy.db"), thumbs)]),
    ], repetitions=min(given.repetitions, 3))
    bench.compare("json", "", ("recoup backup --format json", whole(big, "--format", "json")), [
        ("sqlite3 .dump", lambda: [["sh", "-c", f"sqlite3 '{big}' .dump > '{out('dump.sql')}'"]]),
    ], repetitions=1)
    bench.compare("csv", "", ("recoup backup --format csv", whole(big, "--format", "csv")), [
        ("cp (unsafe)", lambda: [["cp", big, out("copy.db")]]),
    ], repetitions=1)
    bench.compare("small", "≤ 0.040 s", ("recoup backup, 1.6 MB", whole(small, "--format", "database")), [
        ("sqlite3 .backup", lambda: [["sqlite3", small, f".backup {out('copy.db')}"]]),
    ], repetitions=max(given.repetitions, 20))
    restore(bench, recoup, big)
    bench.table()
    shutil.rmtree(bench.out, ignore_errors=True)


# An application that asks for the write lock again and again without writing anything: how long does it wait at most?
WAITER = """
import os, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=600)
print("ready", flush=True)
longest = 0.0
while True:
    started = time.monotonic()
    db.execute("BEGIN IMMEDIATE"); db.execute("ROLLBACK")
    longest = max(longest, time.monotonic() - started)
    with open(sys.argv[2] + "~", "w") as file: file.write(str(longest))
    os.rename(sys.argv[2] + "~", sys.argv[2])
    time.sleep(0.005)
"""


def restore(bench, recoup, big):
    """Restores: to a folder, and in place with a safety backup, the proof and the comparison. The longest wait of an application
    that has the database open meanwhile is a row of its own."""
    given = bench.given
    if given.only and not {"restore to", "restore in place", "restore, waiting"} & set(given.only):
        return
    kept = os.path.join(given.work, "restore")
    clear(kept)
    live = os.path.join(kept, "live.db")
    subprocess.check_call(["cp", big, live])
    subprocess.check_call(["sqlite3", live, "CREATE TABLE round(n)"])
    for format in ("database", "archive"):
        subprocess.check_call([recoup, "backup", "--plan", format, "--database", live, "--format", format, "--to", os.path.join(kept, format), "--quiet"])
    out = lambda name: os.path.join(bench.out, name)
    copy = ("cp", lambda: [["cp", big, out("copy.db")]])
    durable = ("cp; sync of the file", lambda: [["sh", "-c", f"cp '{big}' '{out('copy.db')}' && sync '{out('copy.db')}'"]])
    for format in ("database", "archive"):
        bench.compare("restore to", "≤ 2.5", (f"recoup restore --to ({format})", lambda: [[recoup, "restore", "latest", "--at", os.path.join(kept, format), "--to", out("fresh"), "--quiet"]]), [copy, durable])

    def in_place():
        # Another state than the backup's, and no safety backups of earlier rounds.
        subprocess.check_call(["sqlite3", live, "INSERT INTO round SELECT count(*) FROM round; PRAGMA wal_checkpoint(TRUNCATE)"], stdout=subprocess.DEVNULL)
        listed = subprocess.check_output([recoup, "list", "--at", os.path.join(kept, "database"), "--json"])
        old = [backup["id"] for backup in json.loads(listed)["backups"] if backup["kind"] == "pre_restore"]
        if old:
            subprocess.check_call([recoup, "delete", *old, "--force", "--yes", "--quiet", "--at", os.path.join(kept, "database")])
        os.sync()
        return [[recoup, "restore", "latest", "--at", os.path.join(kept, "database"), "--yes", "--quiet"]]

    bench.compare("restore in place", "≤ 12", ("recoup restore --yes", in_place), [copy, durable])
    waiting(bench, recoup, live, kept, copy, in_place)
    shutil.rmtree(kept, ignore_errors=True)


def waiting(bench, recoup, live, kept, copy, in_place):
    """How long an application waits for the write lock: when one row differs, and when every page does."""
    given = bench.given
    if given.only and "restore, waiting" not in given.only:
        return
    at = os.path.join(kept, "shifted")
    backup = [recoup, "backup", "--plan", "shifted", "--database", live, "--format", "database", "--to", at, "--quiet"]
    restore = lambda which: [recoup, "restore", which, "--at", at, "--yes", "--quiet"]

    def shifted():
        run(restore(states[1]), (0, 3))
        os.sync()
        return restore(states[0])

    states = []
    for label, before in (("one row differs", in_place), ("every page differs", None)):
        if before is None:
            # The same rows on other pages: what a restore after a VACUUM meets.
            for change in ("SELECT 1", "CREATE TABLE first(x); DROP TABLE round; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"):
                subprocess.check_call(["sqlite3", live, change], stdout=subprocess.DEVNULL)
                subprocess.check_call(backup)
            listed = json.loads(subprocess.check_output([recoup, "list", "--at", at, "--json"]))
            states = [listed["backups"][1]["id"], listed["backups"][0]["id"]]
            before = lambda: [shifted()]
        waits, copies = [], []
        for _ in range(given.repetitions):
            command = before()[0]
            waiter = subprocess.Popen([sys.executable, "-c", WAITER, live, os.path.join(bench.out, "longest")], stdout=subprocess.PIPE)
            waiter.stdout.readline()
            run(command, (0, 3))
            waiter.kill()
            waiter.wait()
            waits.append(float(open(os.path.join(bench.out, "longest")).read()))
            clear(bench.out)
            os.sync()
            copies.append(run(copy[1]()[0])[0])
        ratios = [wait / cp for wait, cp in zip(waits, copies)]
        median, ratio = statistics.median(waits), statistics.median(ratios)
        bench.rows.append(("restore, waiting", f"longest wait, {label}", median, 1.0, 1.0, 1.0, 0.0, ""))
        bench.rows.append(("restore, waiting", "cp", statistics.median(copies), ratio, min(ratios), max(ratios), 0.0, "≤ 3.5"))
        print(f"restore, waiting  {label}: {median:.3f} s   wait/cp {ratio:.2f} ({min(ratios):.2f}-{max(ratios):.2f})   <= 3.5", flush=True)


main()
