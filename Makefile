# Terrapin. `make demo` and `make test` do everything; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := bin/terrapin
HTTP ?= 127.0.0.1:8080
FLIGHT ?= 127.0.0.1:8081
GO_FILES := $(shell git ls-files -co --exclude-standard '*.go' 2>/dev/null)
PY_SRC := clients/python/src clients/python/tests demo benchmarks .ci

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: demo
demo: build ## the whole job on the bundled Sentinel-2 scenes (DATA=FOLDER: ingest and check another folder)
	@python=$$(.ci/setup python); "$$python" demo/run.py --binary $(BIN) $(if $(DATA),--data "$(DATA)")

.PHONY: demo-serve
demo-serve: build ## serve what the demo made, until Ctrl-C (HTTP=127.0.0.1:8080 FLIGHT=127.0.0.1:8081)
	@test -d demo-out/data || { echo "run 'make demo' first"; exit 1; }
	$(BIN) serve --data demo-out/data --http $(HTTP) --flight $(FLIGHT)

.PHONY: test
test: build ## every test: Go with -race, Python, the official readers, S3 servers, PostgreSQL, the demo; ends with a table of skips
	@python=$$(.ci/setup python); servers=$$(.ci/setup servers) || echo 'no S3 servers: their tests are skipped' >&2; \
		postgres=$$(.ci/setup postgres) || echo 'no PostgreSQL: its tests are skipped' >&2; \
		frameworks=$$(.ci/setup frameworks) || echo 'no Lightning, accelerate, torchdata, JAX: loaders are not tested in them' >&2; \
		env $$servers $$postgres TERRAPIN_PYTHON=$$python "$$python" .ci/suite.py --binary $(BIN) --frameworks "$$frameworks"

N ?= 2000
SEED ?= 1
STORE ?=
.PHONY: torture
torture: build ## kill -9 at random and at every named step, every store fault at every step (N=2000 kills per store, SEED=1, STORE=file|s3)
	@python=$$(.ci/setup python); servers=$$(.ci/setup servers) || echo 'no S3 servers: only files' >&2; env $$servers TERRAPIN_PYTHON=$$python \
		TERRAPIN_TORTURE=$(N) TERRAPIN_TORTURE_SEED=$(SEED) TERRAPIN_TORTURE_STORE=$(STORE) \
		go test -count=1 -timeout 12h -v -run 'TestTorture|TestEveryFault|TestFsckFindsEveryDamagedObject' ./cmd/terrapin ./catalog/truth

.PHONY: build
build: setup ## bin/terrapin, with libzstd where its headers are (twice as fast at decoding)
	go build -trimpath $(if $(shell pkg-config --exists libzstd && echo yes),-tags cgo_codecs) -o $(BIN) ./cmd/terrapin

.PHONY: setup
setup: ## install what is missing to build (says what and why)
	@.ci/setup build

.PHONY: lint
lint: setup check-generate ## gofmt, vet, staticcheck, ruff, mypy
	@unformatted=$$(gofmt -l $(GO_FILES)); test -z "$$unformatted" || { echo "gofmt these: $$unformatted"; exit 1; }
	go mod tidy -diff
	go vet ./...
	$$(.ci/setup lint) ./...
	python=$$(.ci/setup python); "$$python" -m ruff check $(PY_SRC) && "$$python" -m ruff format --check $(PY_SRC) && cd clients/python && "$$python" -m mypy --strict src

.PHONY: fmt
fmt: ## format Go and Python
	gofmt -w $(GO_FILES)
	python=$$(.ci/setup python); "$$python" -m ruff format $(PY_SRC) && "$$python" -m ruff check --fix $(PY_SRC)

.PHONY: generate
generate: build ## write the generated files again: docs/cli.md
	$(BIN) reference > docs/cli.md

.PHONY: check-generate
check-generate: build ## fail if a generated file is not what generate would write
	@$(BIN) reference | diff -u docs/cli.md - || { echo "docs/cli.md is stale: run 'make generate'"; exit 1; }

WORKLOADS ?= w1,w2,w3,w4
.PHONY: bench
bench: build ## benchmarks: our batches beside other loaders of training data and limits (WORKLOADS=w1,… ENGINES=… WORK=FOLDER keeps the pixels)
	@python=$$(.ci/setup bench-streaming); mosaic=$$(.ci/setup bench-mosaic); "$$python" -m benchmarks.streaming --binary $(BIN) \
		--mosaic-python "$$mosaic" --workloads "$(WORKLOADS)" $(if $(filter command environment,$(origin ENGINES)),--engines "$(ENGINES)") $(if $(WORK),--work "$(WORK)")

.PHONY: bench-cube
bench-cube: build ## benchmarks: the cube beside c-blosc, tensorstore, zarrs and xarray (CUBE=FOLDER keeps its 4 GB of pixels)
	@.ci/setup codecs; python=$$(.ci/setup bench); "$$python" benchmarks/cube/cube.py $(if $(CUBE),--cube "$(CUBE)")

ENGINES ?= pgstac,sqlite,postgres
CASES ?=
.PHONY: bench-catalog
bench-catalog: build ## benchmarks: our STAC API beside stac-fastapi-pgstac (ITEMS=100000,1000000 ENGINES=… CASES=… WORK=FOLDER keeps the databases)
	@python=$$(.ci/setup bench-catalog); go run ./benchmarks/catalog -binary $(BIN) -python "$$python" \
		-n $(or $(ITEMS),100000) -engines "$(ENGINES)" -cases "$(CASES)" $(if $(WORK),-work "$(WORK)" -keep)

.PHONY: clean
clean: ## remove what was built here (the cache outside the tree stays)
	rm -rf bin demo-out bench-out
