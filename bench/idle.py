#!/usr/bin/env python3
"""What `recoup serve` takes when nothing is to be done: idle.py RECOUP [SECONDS].

Ten plans that are due once a day at another hour, one sign-in before (a password costs 19 MiB for a moment), then silence.
CPU is user and system time of the process over the silence, memory what is resident at its end (proc_pid_status(5))."""
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

recoup = os.path.abspath(sys.argv[1])
seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 180
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def status(pid):
    found = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return {key: found[key].split()[0] for key in ("VmRSS", "VmHWM", "RssAnon", "RssFile", "Threads")}


def ask(url, body, **headers):
    headers = {"Content-Type": "application/json", "X-Recoup": "1", **headers}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    return urllib.request.urlopen(request).read()


with tempfile.TemporaryDirectory() as folder:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    toml = f'destinations = ["./backups"]\n[server]\nlisten = "127.0.0.1:{port}"\n'
    hour = time.gmtime().tm_hour
    for n in range(10):
        sqlite3.connect(f"{folder}/{n}.db").execute("CREATE TABLE t(x)").connection.close()
        toml += f'[plan.p{n}]\ndatabases = ["{n}.db"]\n'
        toml += f'schedule = {{ every = "daily", at = "{(hour + 2 + n) % 24:02}:00", zone = "UTC" }}\n'
    open(f"{folder}/recoup.toml", "w").write(toml)
    log = open(f"{folder}/log", "w+")
    daemon = subprocess.Popen([recoup, "serve"], cwd=folder, stdout=log, stderr=log)
    try:
        code = None
        while not code:
            time.sleep(0.2)
            code = re.search(r"shown this once: ([A-Z0-9-]+)", open(log.name).read())
            if daemon.poll() is not None:
                sys.exit(open(log.name).read())
        password = "a long enough password"
        time.sleep(1)
        ask(f"http://127.0.0.1:{port}/api/v1/setup", {"code": code[1], "name": "admin", "password": password})
        ask(f"http://127.0.0.1:{port}/api/v1/session", {"name": "admin", "password": password})
        time.sleep(10)
        begin, before = time.monotonic(), cpu(daemon.pid)
        time.sleep(seconds)
        share = (cpu(daemon.pid) - before) / (time.monotonic() - begin)
        now = status(daemon.pid)
        kib = {key: int(value) for key, value in now.items()}
        print(f"idle for {seconds} s: CPU {share:.4%}, resident {kib['VmRSS'] / 1024:.1f} MiB "
              f"(own {kib['RssAnon'] / 1024:.1f}, of the program's file {kib['RssFile'] / 1024:.1f}), "
              f"most {kib['VmHWM'] / 1024:.1f} MiB, {now['Threads']} threads")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
