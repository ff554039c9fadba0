"""Writes archives that somebody made to hurt: corpus.py FOLDER CANARY. One file for each case; names that begin with
`fine-` are odd but honest. Nothing here is ever committed as a binary."""
import io, os, sqlite3, struct, sys, zipfile, zlib

folder, canary = sys.argv[1], sys.argv[2]


def database():
    path = os.path.join(folder, "sample.db")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photo(id INTEGER PRIMARY KEY, name TEXT)")
    db.executemany("INSERT INTO photo(name) VALUES (?)", [("p%d" % i,) for i in range(100)])
    db.commit()
    db.close()
    data = open(path, "rb").read()
    os.unlink(path)
    return data


DB = database()


class Raw:
    """A ZIP in which every number can be wrong."""

    def __init__(self):
        self.out, self.central, self.count = bytearray(), bytearray(), 0

    def add(self, name, data=b"x", mode=0o100644, method=8, flags=0x800, crc=None, size=None, packed=None, start=None,
            local=None, extra=b"", local_extra=b"", system=3, gap=b"", body=None, header=True, local_flags=None,
            need=20, comment=b"", trailing=b"", local_size=None, local_time=0):
        name = name if isinstance(name, bytes) else name.encode()
        local = name if local is None else local
        if body is None:
            pack = zlib.compressobj(6, zlib.DEFLATED, -15)
            body = data if method == 0 else pack.compress(data) + pack.flush()
        crc = zlib.crc32(data) if crc is None else crc
        size = len(data) if size is None else size
        packed = len(body) if packed is None else packed
        self.out += gap
        start = len(self.out) if start is None else start
        if header:
            self.out += struct.pack("<IHHHHHIIIHH", 0x04034B50, need, flags if local_flags is None else local_flags,
                                    method, local_time, 0x21, crc, packed, size if local_size is None else local_size,
                                    len(local), len(local_extra)) + local + local_extra + body + trailing
        self.central += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, system << 8 | 20, need, flags, method, 0, 0x21,
                                    crc, packed, size, len(name), len(extra), len(comment), 0, 0,
                                    (mode << 16) & 0xFFFFFFFF, start & 0xFFFFFFFF) + name + extra + comment
        self.count += 1
        return self

    def end(self, prefix=b"", before=b"", suffix=b"", count=None, comment=b"", wide=b"", shift=0, length=None):
        start = len(self.out) + len(before)
        tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, self.count if count is None else count,
                           self.count if count is None else count,
                           len(self.central) if length is None else length, start + shift, len(comment)) + comment
        return prefix + bytes(self.out) + before + self.central + wide + tail + suffix


def save(name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def good():
    return Raw().add("database.db", DB)


def bad_name(case, name, **more):
    save(case, good().add(name, **more).end())


# Names that lead elsewhere, or mean different things to different systems.
bad_name("dot-dot", "../canary/evil")
bad_name("dot-dot-inside", "thumbnails/../../canary/evil")
bad_name("dot", "thumbnails/./a")
bad_name("absolute", canary + "/evil")
bad_name("backslash", "thumbnails\\..\\..\\evil")
bad_name("drive", "C:/evil")
bad_name("drive-relative", "c:evil/x")
bad_name("nul", "thumbnails/a\0b")
bad_name("control", "thumbnails/a\nb")
bad_name("control-c1", "thumbnails/a\u0085b")
bad_name("empty-name", "")
bad_name("empty-part", "thumbnails//a")
bad_name("slash-alone", "/")
bad_name("trailing-dot", "thumbnails/a.")
bad_name("trailing-space", "thumbnails /a")
bad_name("long-part", "thumbnails/" + "n" * 256)
bad_name("long-name-4k", "thumbnails/" + "/".join(["n" * 250] * 17))
bad_name("depth-1500", "/".join(["d"] * 1500))
bad_name("depth-33", "/".join(["d"] * 33))
bad_name("not-utf8", b"thumbnails/\xff\xfe")
bad_name("two-names", "thumbnails/a", extra=struct.pack("<HHBI", 0x7075, 10, 1, 0) + b"other")

# What a member is.
bad_name("symlink-file", "thumbnails/link", data=b"/etc/passwd", mode=0o120777)
save("symlink-folder", good().add("thumbnails/out", b"../../canary", mode=0o120777).add("thumbnails/out/evil").end())
bad_name("fifo", "thumbnails/pipe", mode=0o010666)
bad_name("character-device", "thumbnails/null", mode=0o020666)
bad_name("block-device", "thumbnails/disk", mode=0o060666)
bad_name("socket", "thumbnails/socket", mode=0o140666)
bad_name("setuid", "thumbnails/tool", mode=0o104755)
bad_name("setgid", "thumbnails/tool", mode=0o102755)
bad_name("folder-by-mode-only", "thumbnails/a", mode=0o040755)
bad_name("folder-with-bytes", "thumbnails/a/", mode=0o040755)
bad_name("unknown-file", "evil.sh")
bad_name("unknown-text", "RESTORE.txt")

# The same file twice.
save("duplicate-database", good().add("database.db", DB).end())
save("duplicate-file", good().add("thumbnails/a").add("thumbnails/a", b"y").end())
save("case-twins", good().add("thumbnails/a").add("thumbnails/A").end())
save("case-twins-folders", good().add("thumbnails/a").add("Thumbnails/b").end())
save("case-twins-sharp-s", good().add("t/stra\u00dfe").add("t/STRASSE").end())
save("normal-twins", good().add("t/caf\u00e9").add("t/cafe\u0301").end())
save("file-and-folder", good().add("t/a").add("t/a/b").end())
save("file-and-folder-entry", good().add("t/a").add("t/a/", b"", mode=0o040755).end())

# The container.
bad_name("local-other-name", "thumbnails/a", local=b"thumbnails/b")
bad_name("local-other-size", "thumbnails/a", local_size=77)
bad_name("local-other-flags", "thumbnails/a", local_flags=0)
bad_name("local-other-time", "thumbnails/a", local_time=77)
bad_name("encrypted", "thumbnails/a", flags=0x801)
bad_name("strong-encryption", "thumbnails/a", flags=0x840)
bad_name("masked-header", "thumbnails/a", flags=0x2800)
bad_name("method-lzma", "thumbnails/a", method=14)
bad_name("method-unknown", "thumbnails/a", method=77)
bad_name("method-deflate64", "thumbnails/a", method=9)
bad_name("crc", "thumbnails/a", crc=1)
bad_name("size-too-small", "thumbnails/a", data=b"x" * 100, size=10)
bad_name("size-too-large", "thumbnails/a", data=b"x" * 100, size=1000)
bad_name("size-huge", "thumbnails/a", data=b"x" * 100, size=0xFFFFFFF0)
bad_name("stored-two-sizes", "thumbnails/a", data=b"x" * 100, method=0, size=50)
bad_name("packed-too-long", "thumbnails/a", packed=100)
bad_name("hidden-in-packed", "thumbnails/a", body=zlib.compress(b"x")[2:-4] + b"hidden bytes")
bad_name("not-deflated", "thumbnails/a", data=b"x" * 20, body=b"\xff" * 20)
bad_name("start-elsewhere", "thumbnails/a", start=0)
bad_name("start-beyond", "thumbnails/a", start=0x7FFFFFFF)
bad_name("member-comment", "thumbnails/a", comment=b"hello")
bad_name("gap", "thumbnails/a", gap=b"hidden")
bad_name("descriptor-missing", "thumbnails/a", flags=0x808)
bad_name("descriptor-wrong", "thumbnails/a", flags=0x808, trailing=struct.pack("<IIII", 0x08074B50, 1, 2, 3))
bad_name("extra-cut-off", "thumbnails/a", extra=b"\x01\x00\xff\x00")
bad_name("zip64-unasked", "thumbnails/a", extra=struct.pack("<HHQ", 1, 8, 5))
bad_name("zip64-missing", "thumbnails/a", size=0xFFFFFFFF)
bad_name("zip64-too-long", "thumbnails/a", size=0xFFFFFFFF, extra=struct.pack("<HHQQ", 1, 16, 1, 1))
bad_name("zip64-twice", "thumbnails/a", size=0xFFFFFFFF, extra=struct.pack("<HHQ", 1, 8, 1) * 2)
bad_name("zip64-size-huge", "thumbnails/a", size=0xFFFFFFFF, extra=struct.pack("<HHQ", 1, 8, 1 << 62))
bad_name("zip64-start-huge", "thumbnails/a", start=0xFFFFFFFF, extra=struct.pack("<HHQ", 1, 8, (1 << 64) - 1))
save("prefix", good().end(prefix=b"#!/bin/sh\n"))
save("suffix", good().end(suffix=b"tail"))
save("comment", good().end(comment=b"hello"))
save("before-directory", good().end(before=b"hidden"))
save("after-directory", good().end(wide=b"hidden"))
save("count-too-small", good().add("thumbnails/a").end(count=1))
save("count-too-large", good().end(count=2))
save("count-65535", good().end(count=65535))
save("directory-elsewhere", good().end(shift=4))
save("directory-longer", good().end(length=0xFFFFFFF0))
locator = struct.pack("<IIQI", 0x07064B50, 0, 0, 1)
save("locator-astray", good().end(wide=locator))
one = good()
wide = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 7, 7, len(one.central), len(one.out))
save("zip64-disagrees",
     one.end(wide=wide + struct.pack("<IIQI", 0x07064B50, 0, len(one.out) + len(one.central), 1)))
one = good()
wide = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1 << 60, 1 << 60, len(one.central), len(one.out))
save("zip64-members-huge",
     one.end(wide=wide + struct.pack("<IIQI", 0x07064B50, 0, len(one.out) + len(one.central), 1), count=65535))

# Bombs.
pack = zlib.compressobj(6, zlib.DEFLATED, -15)
zeros = b"".join(pack.compress(b"\0" * (1 << 20)) for _ in range(100)) + pack.flush()
crc = 0
for _ in range(100):
    crc = zlib.crc32(b"\0" * (1 << 20), crc)
save("bomb-1000-to-1", good().add("thumbnails/zeros", b"", body=zeros, size=100 << 20, crc=crc).end())
save("bomb-that-lies", good().add("thumbnails/zeros", b"", body=zeros, size=1000, crc=crc).end())
first = good()
start = len(first.out)
overlap = first.add("thumbnails/0", b"", body=zeros, size=100 << 20, crc=crc)
for i in range(1, 250):
    overlap.add("thumbnails/%d" % i, b"", packed=len(zeros), size=100 << 20, crc=crc, start=start, header=False)
save("bomb-overlap", overlap.end())
many = io.BytesIO()
with zipfile.ZipFile(many, "w") as z:
    z.writestr("database.db", DB)
    for i in range(70_000):
        z.writestr("thumbnails/%05d" % i, b"")
save("70000-empty", many.getvalue())
save("long-names", (lambda raw: [raw.add("t/%05d" % i + "/".join(["n" * 200] * 19), b"") for i in range(6000)]
                    and raw.end())(good()))

# Documents.
bad_name("metadata-depth", "metadata.json", data=b'{"folders": ' + b"[" * 10_000 + b"]" * 10_000 + b"}")
bad_name("metadata-twice", "metadata.json", data=b'{"version": "1", "version": "2"}')
bad_name("metadata-text", "metadata.json", data=b"hello")
bad_name("metadata-huge", "metadata.json", data=b'{"a": "' + b"x" * (2 << 20) + b'"}')
bad_name("metadata-forged", "metadata.json", data=b'{"recoup_manifest": 1, "id": "x"}')
bad_name("metadata-newer-unsealed", "metadata.json", data=b'{"recoup_manifest": 99}')
bad_name("settings-twice", "settings.json", data=b'{"a": 1, "a": 2}')
bad_name("settings-text", "settings.json", data=b"hello")
bad_name("settings-surrogate", "settings.json", data=b'{"\\ud800": 1}')
bad_name("settings-huge", "settings.json", data=b'{"a": "' + b"x" * (2 << 20) + b'"}')
save("undeclared-folder", good().add("metadata.json", b'{"folders": ["thumbnails"]}').add("evil/x").end())

# Databases.
save("database-empty", Raw().add("database.db", b"").end())
save("database-text", Raw().add("database.db", b"hello " * 2000).end())
save("database-one-byte", Raw().add("database.db", b"S").end())
save("database-half", Raw().add("database.db", DB[: len(DB) // 2]).end())
save("database-page", Raw().add("database.db", DB[:4096] + b"\xff" * 4096 + DB[8192:]).end())
save("database-page-count", Raw().add("database.db", DB[:28] + b"\x7f\xff\xff\xff" + DB[32:]).end())

# Files.
save("empty", b"")
save("one-byte", b"P")
save("text", b"hello\n")
save("only-end", Raw().end())
save("pk-and-zeros", b"PK\3\4" + b"\0" * 1000)
whole = good().add("thumbnails/a", b"x" * 5000).add("settings.json", b"{}").end()
for i in range(20):
    save("truncated-%02d" % i, whole[: len(whole) * i // 20 + 7])

# Odd but honest.
fine = lambda: good().add("thumbnails/2026-11/a.jpg", b"\xff\xd8" + os.urandom(3000), method=0)
save("fine-plain", fine().add("settings.json", b'{"theme": "dark", "n": 1}').add(
    "metadata.json", b'{"version": "1.2.0", "created_at": "2026-01-02T03:04:05Z", "app": "Shop", "thumbnail_count": 1}').end())
save("fine-nested-zip", fine().add("thumbnails/inner.zip", whole).end())
save("fine-folders-only", Raw().add("thumbnails/", b"", mode=0o040755).add("thumbnails/a/", b"", mode=0o040755).end())
save("fine-dos", Raw().add("database.db", DB, system=0, mode=0).add("thumbnails/x", system=0, mode=0).end())
save("fine-depth-32", fine().add("/".join(["d"] * 32)).end())
save("fine-percent", fine().add("thumbnails/100%41.txt").end())


class Pipe(io.RawIOBase):
    """Where a writer cannot go back, sizes follow the data."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, bytes):
        self.data += bytes
        return len(bytes)


pipe = Pipe()
with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("database.db", DB)
    z.writestr("thumbnails/a/b.txt", "streamed " * 50)
save("fine-streamed", pipe.data)
