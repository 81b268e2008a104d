# What people and the build machine run. "make test" is the whole routine.

GO   ?= go
TAGS ?= simplextls
export TAGS

# Packages that share memory between goroutines; they run under the race
# detector too.
CONCURRENT = ./lib/store/... ./lib/transport ./lib/session/... ./lib/smp/queuestore/... \
	./lib/smp/smpclient/... ./lib/smp/relayhome ./lib/smp/relayadmin ./lib/smp/relaycheck ./lib/smp/smpserver/... ./lib/smp/smpproxy ./lib/smp/smptest/... ./lib/agent/... \
	./lib/chat/... ./lib/remote ./lib/stdio/... ./lib/sdnotify/... ./lib/p2p ./lib/swarm ./lib/swarm/peer ./lib/swarm/online ./lib/swarm/verify
FUZZTIME  ?= 30s
BENCHTIME ?= 1s

# How hard "make crash" is; without these the crash test is a short one.
crash: export CRASH_MESSAGES ?= 2000
crash: export CRASH_KILLS    ?= 200
crash: export EXACT_MESSAGES ?= 10000
crash: export SIM_SEEDS      ?= 1000

.PHONY: all build gen test test-plain race check fuzz crash bench bench-go man demo timing vectors clean

all: build

build: gen ## the programs, into bin/
	$(GO) build -trimpath -ldflags '-s -w' -tags "$(TAGS)" -o bin/ ./cmd/...

gen: ## the patched copy of crypto/tls, where it is missing or old
	$(GO) run ./scripts/tlsfork

test: check test-plain race ## all that must hold before a change goes in

test-plain: gen
	$(GO) test -tags "$(TAGS)" -timeout 10m ./...

race: gen
	$(GO) test -tags "$(TAGS)" -race -timeout 10m $$($(GO) list -e -tags "$(TAGS)" $(CONCURRENT) | grep -v ' matched no packages')

check: gen ## format, vet, staticcheck, order of packages, tests of the tree
	bash scripts/check

fuzz: gen ## every fuzz target for FUZZTIME
	bash scripts/fuzz $(FUZZTIME)

crash: gen ## processes killed, networks cut, disks full, in the middle of work
	$(GO) test -tags "$(TAGS)" -count=1 -v -timeout 90m -run '^Test(Kill|Crash|ExactlyOnce|Simulation)$$' ./lib/store ./lib/smp/... ./lib/testworld

bench: build ## what the parts cost, as ratios against a floor of the same run
	$(GO) run -tags "$(TAGS)" ./scripts/bench -bin bin

bench-go: gen ## the packages' own benchmarks
	$(GO) test -tags "$(TAGS)" -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

timing: gen ## whether times tell secrets; on a machine that does little else
	SIMPLEXKIT_TIMING=1 $(GO) test -tags "$(TAGS)" -count=1 -v -run '^TestTiming$$' ./lib/crypto/...

vectors: gen ## only the tests against recorded values; SIMPLEXKIT_VECTORS names others
	$(GO) test -tags "$(TAGS)" -count=1 -v -run Vector ./lib/...

man: gen ## docs/man, from what the programs say with --help
	$(GO) run ./scripts/gendoc

demo: build ## two people and a relay at work
	$(GO) run -tags "$(TAGS)" ./scripts/demo -bin bin

clean:
	rm -rf bin lib/transport/gotls/internal/tls
	$(GO) clean -testcache
