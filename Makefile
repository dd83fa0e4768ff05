# Everything that is made lies under build/. Go, make and git are all that is needed: PostgreSQL is found, or where the
# user is root on Debian or Ubuntu installed, by .ci/with-postgres; linters come by the Go module proxy.

GO          ?= go
PACKAGES    := ./... ./testdata/gen ./testdata/random ./testdata/bench
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || true)
LDFLAGS     := -s -w -X batchctl/cmd.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TESTFLAGS   ?=
FUZZTIME    ?= 5s
KILLS       ?= 200
BENCH       ?= -update docs/performance.md
export BENCH # words for the program: a shell would take ^(a|b) for its own
GOBENCH     ?= .
COUNT       ?= 1

# Packages whose code keeps, or hands on, memory of a chunk: they are tested a second time with released memory overwritten.
ARENAS := $(wildcard $(addprefix ./pkg/,record batch format expr readers processors writers tasklets runner plan))
# Packages with goroutines of their own, tested with in-memory fakes under the race detector.
RACED  := $(wildcard $(addprefix ./pkg/,record batch proc runner plan))

below = $(addsuffix /...,$(1))

export CGO_ENABLED = 0

.DEFAULT_GOAL := help
.PHONY: help build run test check soak bench gobench clean tidy fmt vet lint floors race kills fuzz

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build build/batchctl, one static binary
	$(GO) build -buildvcs=false -trimpath -ldflags '$(LDFLAGS)' -o build/batchctl .

run: build testdata/payments.csv ## run the quickstart: a file of payments into SQLite
	build/batchctl run jobs/quickstart.yaml --meta build/batchctl.db

testdata/payments.csv:
	$(GO) run -buildvcs=false ./testdata/gen -n 1000 -seed 42 -o $@

test: ## run the tests, PostgreSQL included (within 4 minutes)
	.ci/with-postgres $(GO) test -timeout 10m $(TESTFLAGS) $(PACKAGES)
	.ci/with-postgres $(GO) test -timeout 10m $(TESTFLAGS) -short -tags poison $(call below,$(ARENAS))

check: tidy fmt vet lint floors test race kills fuzz ## all that CI runs (within 15 minutes)

tidy: ## go.mod and go.sum name what is used, and nothing else
	$(GO) mod tidy -diff

fmt: ## every file is formatted
	@unformatted=$$($$($(GO) env GOROOT)/bin/gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w would change:" $$unformatted; exit 1; fi

vet: ## go vet, in both builds
	$(GO) vet $(PACKAGES)
	$(GO) vet -tags poison $(PACKAGES)

lint: ## staticcheck
	$(GO) run $(STATICCHECK) $(PACKAGES)

floors: ## the packages know only what lies on floors below them
	$(GO) test -count=1 ./floors_test.go

race: ## the race detector on what runs side by side (needs a C compiler)
	env -u BATCHCTL_TEST_POSTGRES -u CI CGO_ENABLED=1 $(GO) test -race -short -timeout 10m $(TESTFLAGS) $(call below,$(RACED))
	CGO_ENABLED=1 .ci/with-postgres $(GO) test -race -short -timeout 10m $(TESTFLAGS) ./pkg/sqldb
	CGO_ENABLED=1 .ci/with-postgres $(GO) test -race -short -timeout 10m $(TESTFLAGS) -run 'Workers|Partition|Settle' ./pkg/plan

kills: ## kill the binary at 200 random moments for each kind of target
	@$(GO) test -list Kill ./... | grep -q '^Test' || { echo 'no test with Kill in its name'; exit 1; }
	BATCHCTL_KILLS=$(KILLS) .ci/with-postgres $(GO) test -count=1 -timeout 20m -run Kill ./...

fuzz: ## every fuzz target for a few seconds
	.ci/fuzz $(FUZZTIME)

soak: ## the long tests, every number the project promises (within 90 minutes)
	BATCHCTL_SOAK=1 BATCHCTL_KILLS=1000 BATCHCTL_BREAKS=300 .ci/with-postgres $(GO) test -count=1 -p 1 -timeout 90m $(PACKAGES)

bench: build ## batchctl beside other programs; some of it: BENCH='-run sqlite -rounds 3 -n 100000'
	$(GO) build -buildvcs=false -o build/benchtool ./testdata/bench
	@set -f; .ci/with-postgres build/benchtool $$BENCH

gobench: ## the benchmarks of the parts, as benchstat reads them; some of it: GOBENCH=CSV COUNT=10
	@.ci/with-postgres $(GO) test -run '^$$' -bench '$(GOBENCH)' -count $(COUNT) -benchmem -timeout 60m $(PACKAGES)

clean: ## remove build/
	rm -rf build
