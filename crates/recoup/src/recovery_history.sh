python3 - "$MANIFEST" "$SCRATCH" ${IDENTITY:+"$IDENTITY"} <<'PY'
import hashlib, io, json, os, struct, subprocess, sys, zstandard
WINDOW, MAGIC, FRAME = 4 << 20, b"RECOUPH\x01", b"\x28\xb5\x2f\xfd"
RAW, PACKED, AGAINST, ALONE, PLAIN = range(5)
SAME, NEW, CHANGED = range(3)
def manifest(text):
    found = json.loads(text)
    assert hashlib.sha256(text[: text.rindex(b'  "manifest_sha256"')]).hexdigest() == found["manifest_sha256"], "the manifest is damaged"
    return found
def proven(path, item):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    assert digest.hexdigest() == item["sha256"], path + " is damaged"
    return path
def unpack(stored, old=b""):
    past = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if old else None
    return zstandard.ZstdDecompressor(dict_data=past).decompressobj().decompress(FRAME + stored)
def number(source):
    value = shift = 0
    while (byte := next(source)) >= 128:
        value, shift = value | (byte & 127) << shift, shift + 7
    return value | byte << shift
def window(table, at, piece, old):
    """The bytes of a window: its table, where it begins in its object, its piece, its object of the state before."""
    before = lambda length, place: os.pread(old.fileno(), length, place)
    groups = [[number(table) for _ in range(3)] for _ in range(number(table))]
    extents, shift = [], 0
    for _ in range(number(table)):
        length, source = divmod(number(table), 4)
        if source != NEW:
            step = number(table)
            shift += step >> 1 ^ -(step & 1)
        extents.append((source, length, at + shift))
        at += length
    changed, held = (extent for extent in extents if extent[0] == CHANGED), {NEW: b"", CHANGED: b""}
    for shape, raw, stored in groups:
        data, older = piece.read(stored), b""
        while shape >= AGAINST and len(older) < raw:
            older += before(*next(changed)[1:])
        if shape in (PACKED, AGAINST, ALONE):
            data = unpack(data, older if shape == AGAINST else b"")
        held[CHANGED if shape >= AGAINST else NEW] += data
    own = {source: io.BytesIO(data) for source, data in held.items()}
    return b"".join(before(*place) if source == SAME else own[source].read(place[0]) for source, *place in extents)
def step(path, past, stem):
    """The objects of a piece as files, made from those of the state before, which go."""
    now = {}
    with open(path, "rb") as piece:
        end = piece.seek(-16, os.SEEK_END)
        packed, _, magic = struct.unpack("<II8s", piece.read())
        piece.seek(end - packed)
        index = iter(unpack(piece.read(packed)))
        piece.seek(0)
        assert piece.read(8) == magic == MAGIC, path + " is no piece, or of a newer version"
        for _ in range(number(index)):
            extension = bytes(next(index) for _ in range(number(index))).decode()
            now[extension], length = stem + extension, number(index)
            with open(past.get(extension, os.devnull), "rb") as old, open(now[extension], "wb") as new:
                for start in range(0, length, WINDOW):
                    table, _ = number(index), number(index)
                    new.write(window(iter(unpack(piece.read(table))), start, piece, old))
    for file in past.values():
        os.remove(file)
    return now
(path, folder, *identity), state = sys.argv[1:], {}
whole, place, age = manifest(open(path, "rb").read()), os.path.dirname(path), ["age", "-d", "-i", *identity]
locked = {item["name"]: item for item in whole["objects"]} if "encryption" in whole else {}
if locked:
    whole = manifest(subprocess.run(age, input=whole["encryption"]["sealed"].encode(), stdout=-1, check=True).stdout)
for n, item in enumerate(whole["history"]["pieces"]):
    path = os.path.join(place, item["name"])
    if locked:
        sealed, path = proven(path + ".age", locked[item["name"] + ".age"]), os.path.join(folder, "piece")
        subprocess.run([*age, "-o", path, sealed], check=True)
    state = step(proven(path, item), state, os.path.join(folder, f"state-{n}"))
    if locked: os.remove(path)
for name, item in [(item["name"], item) for item in whole["objects"]]:
    os.rename(proven(state[name[name.rindex("-") + 7 :]], item), os.path.join(folder, name))
    print("ok", name)
PY
