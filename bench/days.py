#!/usr/bin/env python3
"""Daily backups of a database that changes: what they take, beside other tools that are given the same copy.

  days.py --recoup PATH [--mb 100] [--days 30] [--hot 0.9] [--work DIR] [--database FILE --churn COMMAND]

Z is the size of one copy compressed by `zstd -3`. Recoup's backups are encrypted, and everything at the destination counts
but the capture that is kept for the next day, which is told apart. Every day each tool makes its backup from the same file;
the time of a day is divided by that of `zstd -3 -T2` on the same day, and the median of these ratios is quoted. Sizes are the
same on every machine, ratios of times nearly. restic and borg take part where they are installed.

At the end everything is verified – every byte read, and Recoup's newest backup restored and checked besides, which no other
tool does – and the newest and the oldest backup are restored, beside `cp` of the database; medians of `--rounds`.
"""
import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
parser = argparse.ArgumentParser()
parser.add_argument("--recoup", required=True)
parser.add_argument("--mb", type=float, default=100)
parser.add_argument("--days", type=int, default=30)
parser.add_argument("--hot", type=float, default=0.0)
parser.add_argument("--work", default="/var/tmp/recoup-days")
parser.add_argument("--database", help="begin with this file instead")
parser.add_argument("--churn", help="a day of use instead: {path} and {day} are filled in")
parser.add_argument("--only", default="", help="tools, by comma")
parser.add_argument("--rounds", type=int, default=3, help="of verifications and restores")
given = parser.parse_args()

shutil.rmtree(given.work, ignore_errors=True)
os.makedirs(given.work)
at = lambda name: os.path.join(given.work, name)
ENV = dict(os.environ, RESTIC_PASSWORD="days", BORG_PASSPHRASE="days", RESTIC_REPOSITORY=at("restic"), RESTIC_CACHE_DIR=at("cache"),
           BORG_BASE_DIR=at("borg-home"), XDG_CACHE_HOME=at("cache"))


def run(command, **more):
    started = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV, **more)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr.decode()[-2000:]}")
    return time.monotonic() - started, done.stdout


def size(path):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


class Recoup:
    name = "recoup, history, encrypted"
    def __init__(self):
        with open(at("passphrase"), "w") as file:
            file.write("days\n")
        self.key = ["--at", at("recoup"), "--passphrase-file", at("passphrase")]
        self.options = ["--to", at("recoup"), "--layout", "history", "--format", "database", "--passphrase-file", at("passphrase"), "--plan", "days"]
    def back_up(self, day):
        return run([given.recoup, "backup", "--database", at("copy.db"), *self.options])[0]
    def stored(self):
        return size(at("recoup"))
    def verify(self):
        return run([given.recoup, "verify", "--all", "--level", "checksum", *self.key])[0] + run([given.recoup, "verify", "latest", "--level", "restore", *self.key])[0]
    def restore(self, oldest, to):
        listed = json.loads(run([given.recoup, "list", "--json", *self.key])[1])["backups"]
        which = (min if oldest else max)(listed, key=lambda backup: backup["created_at"])["id"]
        return run([given.recoup, "restore", which, "--to", to, *self.key])[0]


class Zstd:
    name = "zstd -3 -T2, a file a day"
    total = 0
    def back_up(self, day):
        taken, _ = run(["zstd", "-q", "-f", "-3", "-T2", at("copy.db"), "-o", at("copy.zst")])
        self.total += os.path.getsize(at("copy.zst"))
        return taken
    def stored(self):
        return self.total


class Restic:
    name = "restic"
    def __init__(self):
        run(["restic", "init", "--repository-version", "2"])
    def back_up(self, day):
        return run(["restic", "backup", "-q", "--ignore-inode", at("copy.db")])[0]
    def stored(self):
        return size(at("restic"))
    def verify(self):
        return run(["restic", "check", "-q", "--read-data"])[0]
    def restore(self, oldest, to):
        snapshots = json.loads(run(["restic", "snapshots", "--json"])[1])
        which = (min if oldest else max)(snapshots, key=lambda snapshot: snapshot["time"])["id"]
        return run(["restic", "restore", "-q", which, "--target", to])[0]


class Borg:
    name = "borg, zstd,3"
    def __init__(self):
        run(["borg", "init", "-e", "repokey-blake2", at("borg")])
    def back_up(self, day):
        return run(["borg", "create", "--compression", "zstd,3", f"{at('borg')}::{day:03}", at("copy.db")])[0]
    def stored(self):
        return size(at("borg"))


kinds = [Zstd, Recoup] + [kind for kind in (Restic, Borg) if shutil.which(kind.__name__.lower())]
kinds = [kind for kind in kinds if not given.only or kind.__name__.lower() in given.only.split(",")]
tools = [kind() for kind in kinds]
if given.database:
    shutil.copyfile(given.database, at("live.db"))
else:
    run([sys.executable, os.path.join(HERE, "generate.py"), "database", at("live.db"), "--mb", str(given.mb)])
seconds = {tool: [] for tool in tools}
for day in range(given.days):
    if day and given.churn:
        run(shlex.split(given.churn.format(path=at("live.db"), day=day)))
    elif day:
        run([sys.executable, os.path.join(HERE, "generate.py"), "day", at("live.db"), "--day", str(day), "--hot", str(given.hot)])
    if os.path.exists(at("copy.db")):
        os.unlink(at("copy.db"))
    run([sys.executable, "-c", "import sqlite3,sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))", at("live.db"), at("copy.db")])
    if not day:
        run(["zstd", "-q", "-f", "-3", at("copy.db"), "-o", at("copy.zst")])
        one = os.path.getsize(at("copy.zst"))
        print(f"database {os.path.getsize(at('copy.db')) / 1e6:.1f} MB, Z {one / 1e6:.1f} MB, {given.days} days", flush=True)
    turn = day % len(tools)
    for tool in tools[turn:] + tools[:turn]:
        seconds[tool].append(tool.back_up(day))
        if day == 0:
            tool.first = tool.stored()
print(f"| {'tool':27} |    MB | x Z   | a day, % of Z | first / zstd | a day / zstd |")
for tool in tools:
    stored = tool.stored()
    each = (stored - tool.first) / max(1, given.days - 1) / one * 100
    base = seconds[tools[0]]
    ratios = [mine / theirs for mine, theirs in zip(seconds[tool], base)]
    print(f"| {tool.name:27} | {stored / 1e6:5.0f} | {stored / one:5.2f} | {each:13.1f} | {ratios[0]:12.2f} | {statistics.median(ratios[1:] or ratios):12.2f} |", flush=True)


def fresh(do):
    """Into a folder that is not there, on a machine that has written what it had to."""
    shutil.rmtree(at("restored"), ignore_errors=True)
    run(["sync"])
    return do(at("restored"))


print(f"| {'tool':27} | verify s | newest / cp | oldest / newest |")
for tool in tools:
    if not hasattr(tool, "verify"):
        continue
    verified = statistics.median(tool.verify() for _ in range(given.rounds))
    newest, oldest = [], []
    for _ in range(given.rounds):
        copied = fresh(lambda to: run(["cp", at("copy.db"), to])[0])
        os.unlink(at("restored"))
        first = fresh(lambda to: tool.restore(False, to))
        newest.append(first / copied)
        oldest.append(fresh(lambda to: tool.restore(True, to)) / first)
    print(f"| {tool.name:27} | {verified:8.1f} | {statistics.median(newest):11.2f} | {statistics.median(oldest):15.2f} |", flush=True)
shutil.rmtree(given.work)
