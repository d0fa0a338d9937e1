# Every command that a person or CI runs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help
help: ## List the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the whole system on this machine: etcd, 2 sentinels, 3 keepers, a proxy on 127.0.0.1:25432
	@demo/up

.PHONY: demo-failover
demo-failover: ## Kill the demo's master while a client writes; print the outage and what was lost
	@demo/failover

.PHONY: demo-down
demo-down: ## Stop the demo and remove its data
	@demo/down

.PHONY: deps
deps: ## Install what building and testing need and this machine lacks
	@scripts/deps test

.PHONY: binaries
binaries: ## Build the four binaries with optimisations into target/release
	@scripts/deps build
	cargo build --locked --release $(BINARIES)

BINARIES := -p stolon-proxy -p stolon-sentinel -p stolon-keeper -p stolonctl

.PHONY: lint
lint: ## Check format and lints
	@scripts/deps build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features $(PEER) -- -D warnings

.PHONY: test
test: ## Install what is missing and run every test: units, model, store, end to end, Docker
	@scripts/deps test
	cargo build --locked --workspace --all-targets
	majors=$$(scripts/postgres-majors) && \
	  export STOLON_BIN_DIR=$(CURDIR)/target/debug STOLON_PG_MAJORS_DIR=$$majors && \
	  if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --locked --workspace; \
	  else cargo test --locked --workspace; fi
	STOLON_BIN_DIR=$(CURDIR)/target/debug WALK_MAY_BE_LEFT_OUT=1 tests/docker/walk

.PHONY: test-replacement
test-replacement: ## Mix our binaries with those in STOLON_PEER=<directory>, and replace each by the other while clients write
	@[[ -n "$${STOLON_PEER:-}" ]] || { echo "STOLON_PEER must name the directory of the other four binaries" >&2; exit 1; }
	@scripts/deps test
	cargo build --locked --workspace --all-targets --features $(PEER)
	export STOLON_BIN_DIR=$(CURDIR)/target/debug && \
	  if cargo nextest --version >/dev/null 2>&1; then \
	    cargo nextest run --locked --workspace --features $(PEER) -E 'binary(replacement) + binary(mixture)'; \
	  else cargo test --locked --workspace --features $(PEER) --test replacement --test mixture; fi

PEER := stolon-tests/peer

.PHONY: bench
bench: ## Measure the data path beside HAProxy, nginx and PgBouncer, in 5 to 20 rounds; results in bench/results
	@scripts/deps bench
	cargo build --locked --release -p stolon-proxy -p stolon-bench
	target/release/compare --out bench/results
	cargo bench --locked -p stolon-bench --bench data_path

.PHONY: bench-quick
bench-quick: ## The same in about 4 minutes, for a first look; results in bench/results/work
	@scripts/deps bench
	cargo build --locked --release -p stolon-proxy -p stolon-bench
	target/release/compare --scale quick --out bench/results/work
	cargo bench --locked -p stolon-bench --bench data_path -- --sample-size 10 --measurement-time 0.5 --warm-up-time 0.1

.PHONY: bench-compare
bench-compare: ## A part of it: make bench-compare ARGS="--only pgbench,idle --peers stolon,haproxy --rounds 2"
	@scripts/deps bench
	cargo build --locked --release -p stolon-proxy -p stolon-bench
	target/release/compare $(ARGS)

.PHONY: bench-failover
bench-failover: ## Measure swaps of the target, outages and idle cost on real processes
	@scripts/deps test
	cargo build --locked --release $(BINARIES) -p stolon-bench
	STOLON_BIN_DIR=$(CURDIR)/target/release target/release/failover

.PHONY: syscalls
syscalls: ## Show the proxy's system calls for a request and its answer (strace)
	@scripts/deps test
	cargo test --locked --release -p stolon-proxy --test cost strace -- --nocapture

.PHONY: callgrind
callgrind: ## Show the proxy's instructions and allocations for a message of 100 bytes (valgrind)
	@scripts/deps test
	cargo test --locked --release -p stolon-proxy --test cost callgrind -- --nocapture

.PHONY: bench-relay
bench-relay: ## Measure the relay alone: answers by the threshold of bulk, small sessions beside a bulk stream
	@scripts/deps build
	cargo build --locked --release -p stolon-proxy --example relay
	target/release/examples/relay answers
	target/release/examples/relay fairness

.PHONY: sim
sim: ## Run the seeded simulation: SIM_RUNS=n seeds, or SIM_SEED=n to replay one
	cargo test --locked --release -p stolon-sim -- --nocapture

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

include docker/docker.mk
