# The ways to build, show and check Culvert. `make` alone lists them.
# Builds, tools and peers live in one cache folder. Only ui/dist is in the checkout, because the app takes it from there.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/culvert

# Fixed here, because tests and the demo give their processes a private HOME.
export CARGO_TARGET_DIR := $(CACHE)/target
export PATH := $(CACHE)/tools/bin:$(PATH)

# Setup comes before the build, whatever -j says; cargo and nextest are parallel themselves.
.NOTPARALLEL:
.PHONY: help setup setup-all build demo fmt lint deny test test-all fuzz package package-cli package-desktop test-package test-package-desktop test-windows ui ui-test ui-pictures app desktop desktop-pictures bench soak order clean-cache
.DEFAULT_GOAL := help

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "  make %-20s %s\n", $$1, $$2 }'

setup: ## install what the demo and the tests need (about a second when it is there)
	@sh tests/setup/setup.sh test

setup-all: setup ## setup, and the peers that only the benchmark needs
	@sh bench/setup.sh

build: ## build the headless part: the program `culvert`
	@cargo build -p culvert-cli

demo: ## show a local MCP server called through a gateway, on this machine
	@sh tests/setup/setup.sh demo
	@"$(CACHE)/peers/mcp2/bin/python" -I -B tests/demo/demo.py \
		--culvert "$(CARGO_TARGET_DIR)/debug/culvert" --peers "$(CACHE)/peers/env"

fmt: ## format the code
	@cargo fmt

# The app holds the front end, so that is there first.
ui/dist/index.html:
	@$(MAKE) --no-print-directory ui

lint: ui/dist/index.html ## check format and lints, as CI does
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

deny: ## check the licences, versions and sources of the dependencies
	cargo deny --locked check licenses bans sources

# The tests drive the built programs from outside, so they are built first.
test: setup build ## run the tests (what CI runs)
	@sh ui/run.sh build
	cargo build -p culvert-desktop
	cargo nextest run
	cargo nextest run -p culvert-desktop
	cargo test --doc --quiet
	@fuzz/run
	@sh ui/run.sh check
	@sh ui/run.sh test

test-all: test setup-all test-package test-package-desktop ## the tests, those that take long, and a release build
	cargo nextest run --run-ignored only --no-tests pass
	cargo nextest run -p culvert-bench

fuzz: ## fuzz everything that reads foreign bytes, an hour each, as many at a time as there are processors
	@fuzz/run --seconds 3600

package: package-cli package-desktop ## make all packages (in the cache, packages/)

package-cli: ## make the command line's Debian package and tarball (in the cache, packages/)
	cargo build --release --locked -p culvert-cli
	@rm -rf "$(CACHE)/packages"
	@sh deploy/package/build.sh "$(CARGO_TARGET_DIR)/release/culvert" "$(CACHE)/packages"

test-package: package-cli ## install, run, remove and purge them in a bare Debian (as root)
	@sh tests/package/installed.sh "$(CACHE)"/packages/culvert_*.deb "$(CACHE)"/packages/culvert-*.tar.gz

package-desktop: ## make the app's Debian package and rpm (in the cache, packages/)
	@sh tests/setup/setup.sh package
	@sh ui/run.sh build
	cargo build --release --locked -p culvert-desktop
	@rm -f "$(CACHE)"/packages/culvert-desktop*
	@sh deploy/package/desktop.sh "$(CARGO_TARGET_DIR)/release/culvert-desktop" \
		"$$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)" "$(CACHE)/packages"

test-package-desktop: package ## install the app in a bare Debian, start it there, remove it (as root, after test-package)
	@sh tests/package/desktop.sh "$(CACHE)"/packages/culvert_*.deb "$(CACHE)"/packages/culvert-desktop_*.deb \
		"$(CACHE)"/packages/culvert-desktop-*.rpm

# Not in test-all: the first time it takes half an hour and 8 GB.
test-windows: ## build for Windows, and try it under Wine in a bare Debian (as root)
	@sh tests/windows/wine.sh

ui: ## build the window's front end
	@sh tests/setup/setup.sh ui
	@sh ui/run.sh build

ui-test: ## check the front end, and test it in a headless browser on a made-up back end
	@sh tests/setup/setup.sh ui-test
	@sh ui/run.sh check
	@sh ui/run.sh test

ui-pictures: ## draw the window's views into docs/images
	@sh tests/setup/setup.sh ui-test
	@sh ui/run.sh pictures

app: ## build the desktop app, and start it
	@sh tests/setup/setup.sh app
	@sh ui/run.sh build
	cargo run -p culvert-desktop

desktop: setup build ## test the app alone: tray, window, keychain, on a desktop without a screen
	@sh ui/run.sh build
	cargo build -p culvert-desktop
	cargo nextest run -p culvert-tests --test desktop

desktop-pictures: setup build ## draw the tray's menu into docs/images
	@sh ui/run.sh build
	cargo build -p culvert-desktop
	CULVERT_PICTURES="$(CURDIR)/docs/images" cargo nextest run -p culvert-tests --test desktop pictures

bench: ## speed and memory, beside peers in the same run where there are any (about 27 minutes; wants a quiet machine)
	@bench/run base
	@bench/run channels
	@bench/run desktop
	@bench/run load

order: ## tell the linker anew which functions run, before a release (about ten minutes; needs valgrind)
	@sh bench/order.sh

# How long `make soak` takes, and the number of its first round; a random one unless given.
MINUTES ?= 60
soak: ## an hour (MINUTES=60) of calls while networks and children fail; draws memory and descriptors
	@mkdir -p "$(CACHE)/logs"
	bench/run soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) \
		--csv "$(CACHE)/logs/soak.csv" --svg docs/images/soak.svg

clean-cache: ## remove builds, tools and peers
	rm -rf "$(CACHE)"
