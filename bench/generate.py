#!/usr/bin/env python3
"""Seeded data for the benches: the same arguments give the same bytes.

  generate.py database OUT.db --mb 1000     an application's database, WAL mode, 4 KiB pages
  generate.py day OUT.db --day 1            a day of use: 0.5 % of the rows are new, 1 % change, 0.2 % go
  generate.py thumbnails DIR --count 10000  small files that look like JPEG to a compressor

Two thirds of the database are rows of text and JSON with secondary indexes, a third are BLOBs that do not compress.
"""
import argparse
import json
import os
import random
import sqlite3

SCHEMA = """
CREATE TABLE customer(id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, notes TEXT);
CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE product(id INTEGER PRIMARY KEY, sku TEXT, title TEXT, description TEXT, attributes TEXT);
CREATE INDEX product_sku ON product(sku);
CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer INTEGER, product INTEGER, at INTEGER, state TEXT, detail TEXT);
CREATE INDEX purchase_at ON purchase(at);
CREATE INDEX purchase_customer ON purchase(customer, at);
CREATE INDEX purchase_state ON purchase(state);
CREATE TABLE picture(id INTEGER PRIMARY KEY, product INTEGER, data BLOB);
CREATE INDEX picture_product ON picture(product);
"""
STATES = ["new", "paid", "packed", "sent", "returned", "closed"]


class Words:
    def __init__(self, rng):
        self.rng = rng
        syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
        self.words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(5000)]
        self.weights = []
        total = 0.0
        for rank in range(len(self.words)):
            total += 1 / (rank + 3)
            self.weights.append(total)

    def text(self, count):
        return " ".join(self.rng.choices(self.words, cum_weights=self.weights, k=count))


def database(path, mb, seed):
    rng = random.Random(f"database-{seed}")
    words = Words(rng)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000;" + SCHEMA)
    customers, products, purchases, pictures = 2000, int(mb * 430), int(mb * 1780), int(mb * 24)
    db.execute("BEGIN")
    db.executemany("INSERT INTO customer VALUES(?,?,?,?)",
                   ((i, f"{rng.getrandbits(48):012x}@example.org", words.text(2), words.text(40)) for i in range(customers)))
    db.executemany("INSERT INTO setting VALUES(?,?)", ((f"key{i:04}", words.text(5)) for i in range(200)))
    steps = 40
    for step in range(steps):
        part = lambda n: range(n * step // steps, n * (step + 1) // steps)
        db.executemany("INSERT INTO product VALUES(?,?,?,?,?)", (
            (i, f"{rng.getrandbits(40):010x}", words.text(6), words.text(rng.randint(20, 120)),
             json.dumps({"weight": rng.randint(1, 9000), "tags": rng.sample(words.words[:500], 5), "code": f"{rng.getrandbits(64):016x}"}))
            for i in part(products)))
        db.executemany("INSERT INTO purchase VALUES(?,?,?,?,?,?)", (
            (i, rng.randrange(customers), rng.randrange(max(1, products)), 1_700_000_000_000 + i * 977, rng.choice(STATES),
             json.dumps({"price": rng.randint(100, 99999), "trace": f"{rng.getrandbits(64):016x}", "note": words.text(rng.randint(2, 16))}))
            for i in part(purchases)))
        db.executemany("INSERT INTO picture VALUES(?,?,?)", (
            (i, rng.randrange(max(1, products)), rng.randbytes(rng.randint(4000, 24000))) for i in part(pictures)))
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    print(path, os.path.getsize(path), "bytes")


def day(path, number, hot, seed):
    """`hot` is the share of changes and deletions that concern the newest twentieth of the rows; the others hit any row."""
    rng = random.Random(f"day-{seed}-{number}")
    words = Words(random.Random(f"database-{seed}"))
    words.rng = rng
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-200000")
    db.execute("BEGIN")
    product = lambda: (f"{rng.getrandbits(40):010x}", words.text(6), words.text(rng.randint(20, 120)),
                       json.dumps({"weight": rng.randint(1, 9000), "code": f"{rng.getrandbits(64):016x}"}))
    purchase = lambda: (rng.randrange(2000), rng.randrange(1000), 1_800_000_000_000 + number * 86_400_000 + rng.randrange(86_400_000),
                        rng.choice(STATES), json.dumps({"price": rng.randint(100, 99999), "note": words.text(rng.randint(2, 16))}))
    picture = lambda: (rng.randrange(1000), rng.randbytes(rng.randint(4000, 24000)))
    tables = {
        "product": (product, "UPDATE product SET attributes=?2 WHERE id=?1", lambda: product()[3], "?,?,?,?"),
        "purchase": (purchase, "UPDATE purchase SET state=?2, detail=detail || ' ' WHERE id=?1", lambda: rng.choice(STATES), "?,?,?,?,?"),
        "picture": (picture, "UPDATE picture SET data=?2 WHERE id=?1", lambda: picture()[1], "?,?"),
    }
    for table, (make, update, value, marks) in tables.items():
        count, last = db.execute(f"SELECT count(*), max(id) FROM {table}").fetchone()
        row = lambda: rng.randint(last - last // 20, last) if rng.random() < hot else rng.randint(0, last)
        db.executemany(f"INSERT INTO {table} VALUES(NULL,{marks})", [make() for _ in range(max(1, count // 200))])
        db.executemany(update, [(row(), value()) for _ in range(max(1, count // 100))])
        db.executemany(f"DELETE FROM {table} WHERE id=?", [(row(),) for _ in range(max(1, count // 500))])
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def thumbnails(folder, count, seed):
    rng = random.Random(f"thumbnails-{seed}")
    total = 0
    for i in range(count):
        place = os.path.join(folder, f"{i % 100:02}")
        os.makedirs(place, exist_ok=True)
        data = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + rng.randbytes(rng.randint(5_000, 45_000)) + b"\xff\xd9"
        with open(os.path.join(place, f"{i:06}.jpg"), "wb") as file:
            file.write(data)
        total += len(data)
    print(folder, total, "bytes")


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(dest="command", required=True)
one = commands.add_parser("database")
one.add_argument("path")
one.add_argument("--mb", type=float, default=1000)
one.add_argument("--seed", default="1")
two = commands.add_parser("thumbnails")
two.add_argument("path")
two.add_argument("--count", type=int, default=10000)
two.add_argument("--seed", default="1")
three = commands.add_parser("day")
three.add_argument("path")
three.add_argument("--day", type=int, required=True)
three.add_argument("--hot", type=float, default=0.0)
three.add_argument("--seed", default="1")
given = parser.parse_args()
if given.command == "database":
    if os.path.exists(given.path):
        raise SystemExit(f"{given.path} exists")
    database(given.path, given.mb, given.seed)
elif given.command == "day":
    day(given.path, given.day, given.hot, given.seed)
else:
    thumbnails(given.path, given.count, given.seed)
