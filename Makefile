# Each target does its own set-up. `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
CARGO ?= cargo
OUT ?= out
# One way to build for release: another selection of targets has other features, and builds half of it again.
RELEASE = $(CARGO) build --release --workspace --bins --examples --quiet
.PHONY: demo demo-campaign scan serve test check advisories bench bench-detectors bench-campaigns fuzz wheel setup setup-tests install clean

setup:
	@scripts/setup.sh

setup-tests:
	@scripts/setup.sh --tests

# Makes demo clips, scans them, and says where the reports are.
demo: setup
	$(RELEASE)
	@scripts/demo.sh $(OUT)/demo

# A campaign of fifty cuts of one clip, recorded, linked and shown on a page.
demo-campaign: setup
	$(RELEASE)
	@scripts/demo-campaign.sh $(OUT)/demo-campaign

# make scan CLIP=path
scan: setup
	@test -n "$(CLIP)" || { echo "usage: make scan CLIP=path" >&2; exit 2; }
	$(RELEASE)
	target/release/seamline scan "$(CLIP)" --html $(OUT)/scan --out $(OUT)/scan.jsonl

# The application on this machine: http://127.0.0.1:8750. STORE=path takes another store, ARGS= more options.
serve: setup
	$(RELEASE)
	@mkdir -p $(OUT)/serve
	target/release/seamline serve --store $(or $(STORE),$(OUT)/serve/seen.db) $(ARGS)

test: setup-tests
	@scripts/test.sh

check: setup-tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	@scripts/test.sh
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked --quiet
	$(CARGO) deny --log-level error check licenses bans sources

# Every parser under libFuzzer for SECONDS each (600); needs cargo-fuzz. TARGETS=names for some, JOBS=n at once.
fuzz: setup
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked --quiet
	@fuzz/all.sh $(or $(SECONDS),600) $(TARGETS)

# Known weaknesses of dependencies; fetches the advisory database, so it needs a network.
advisories:
	$(CARGO) deny --log-level error check advisories

bench: setup
	$(RELEASE)
	@benches/run.sh $(BENCH)

# Every detector over the evaluation clips, clean and under the ladder; writes benches/detectors.md. Hours on two
# cores, resumable. DATA=, WEIGHTS=, CONDITIONS= as benches/detectors.sh says.
bench-detectors: setup
	$(RELEASE)
	@benches/detectors.sh

# Search, store, matching and recall of variants; writes benches/campaigns.md. An hour on two cores, resumable. DATA=.
bench-campaigns: setup
	$(RELEASE)
	@test -d .cache/campaign-venv || python3 -m venv .cache/campaign-venv
	@.cache/campaign-venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r benches/campaign-requirements.txt
	.cache/campaign-venv/bin/python benches/campaigns.py target/release .cache/campaign-bench --data $(or $(DATA),../shared/data)

# The Python package, for CPython 3.11 and later: target/wheels.
wheel: setup
	@.cache/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r crates/seamline-py/requirements.txt
	.cache/venv/bin/maturin build --release --quiet --manifest-path crates/seamline-py/Cargo.toml --out target/wheels

# A copy that needs no source tree: PREFIX=/usr/local by default.
PREFIX ?= /usr/local
install: setup
	$(RELEASE)
	install -Dm755 target/release/seamline $(DESTDIR)$(PREFIX)/bin/seamline
	mkdir -p $(DESTDIR)$(PREFIX)/lib/seamline/.cache/models $(DESTDIR)$(PREFIX)/lib/seamline/.cache/lib
	cp -r models $(DESTDIR)$(PREFIX)/lib/seamline/
	cp .cache/models/*.onnx $(DESTDIR)$(PREFIX)/lib/seamline/.cache/models/
	cp .cache/lib/libonnxruntime.so.* $(DESTDIR)$(PREFIX)/lib/seamline/.cache/lib/
	target/release/seamline man --dir $(DESTDIR)$(PREFIX)/share/man/man1
	mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	target/release/seamline completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/seamline

clean:
	rm -rf target $(OUT)
