"""What schemathesis does besides its own checks: it asks about things that are there, and looks for what must not be told.

SCENE names a JSON file: who asks, the ids of things that a path or a body may name, words that this one must never read,
whether nobody is signed in. REPORT is written at the end: how many cases, and what each operation was answered.
"""

import atexit
import collections
import json
import os
import random
import re

import schemathesis

SCENE = json.load(open(os.environ["SCENE"]))
SECRET = r"\$argon2|rcp_[A-Za-z0-9_-]{20}|SELECT .* FROM|panicked at"
# An admin sees the plan of the catalog itself, which names it.
SECRET = re.compile(SECRET if SCENE["admin"] else SECRET + r"|/recoup-data|catalog\.db")
# What the document leaves open.
USUAL = {
    "confirm": True,
    "password": "correct horse battery staple",
    "schedule": {"every": "daily", "at": "03:00", "zone": "Europe/Berlin"},
    "plan": {"databases": ["app/site.db"], "destinations": ["here"], "retention": {"preset": "last-7"}},
}
counted = collections.defaultdict(collections.Counter)
cases = 0


def positive(case, where):
    component = case.meta and next((c for place, c in case.meta.components.items() if place.name == where), None)
    return component is not None and component.mode.name == "POSITIVE"


def seed(template, name):
    kind = template.split("/")[3]
    found = SCENE["ids"].get(f"{kind}.{name}") or SCENE["ids"].get(name)
    return random.choice(found) if found else None


@schemathesis.hook
def filter_case(context, case):
    """A header more than we know is no mistake: proxies add them."""
    return not any("unknown-property" in name for name in case.headers or {})


@schemathesis.hook
def before_call(context, case, kwargs):
    """In two of three questions a well-formed id becomes that of a thing that is there."""
    template = case.operation.path
    if positive(case, "PATH") and random.random() < 0.67:
        victim = case.method.upper() in ("DELETE", "PATCH") and "users" not in template
        for name in list(case.path_parameters or {}):
            found = seed(template, f"{name}.gone" if victim else name) or seed(template, name)
            if found:
                case.path_parameters[name] = found
    if positive(case, "BODY") and isinstance(case.body, dict) and random.random() < 0.67:
        for name in ("backup", "plan", "preview"):
            if isinstance(case.body.get(name), str):
                case.body[name] = seed(template, name) or case.body[name]
        for name, usual in USUAL.items():
            if isinstance(case.body.get(name), type(usual)):
                case.body[name] = usual


@schemathesis.check
def nothing_that_is_not_theirs(ctx, response, case):
    global cases
    cases += 1
    counted[case.operation.label][response.status_code] += 1
    text = response.content.decode("utf-8", "replace") + "\n".join(f"{k}: {v}" for k, v in response.headers.items())
    asked = f"{response.request.url} {response.request.body!r}"
    for word in SCENE["foreign"]:
        if word in text and word not in asked:
            raise AssertionError(f"told of a foreign object: {word}")
    if SECRET.search(text) and not (case.operation.label == "POST /api/v1/tokens" and response.status_code == 201):
        raise AssertionError(f"told something that is ours: {SECRET.search(text).group()}")
    open_to_all = case.operation.definition.raw.get("security") == [{}]
    if SCENE["nobody"] and response.status_code < 300 and not open_to_all:
        raise AssertionError("nobody was signed in")


@atexit.register
def report():
    with open(os.environ["REPORT"], "w") as file:
        json.dump({"cases": cases, "answers": {name: dict(found) for name, found in counted.items()}}, file)
