# Every target works on a machine with Python 3.11+ and make; those that need more say so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KOPFKA := $(BIN)/kopfka
IMAGE ?= kopfka:dev
# commands that return when kubectl and helm, and a real cluster, are there: for CI, which makes them meanwhile
AWAIT_PROGRAMS ?= :
# tests run side by side, each worker with brokers of its own: one more than cores, as many wait
WORKERS ?= 3
AWAIT_CLUSTER ?= :
# a command for the time when only those that wait for a cluster are left
MEANWHILE ?= :
# options of `make bench`, such as BENCH="--only start --rounds 2"
BENCH ?=
ROOMS := wire runtime broker registry connect mirror streams operator console local cli bench

.PHONY: up test test-here test-cluster lint format crds lock bench compatibility image kind-up e2e soak fuzz clean help

help:           ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

up: $(VENV)/installed  ## run examples/quickstart.yaml on this machine, in the foreground
	@$(KOPFKA) up -f examples/quickstart.yaml

test: lint      ## everything that can run on this machine; what lacks its prerequisites skips, with a reason
	@$(MAKE) --no-print-directory -j2 -Oline test-here test-cluster

test-here: $(VENV)/installed-dev
	$(BIN)/pytest -n $(WORKERS) -m "not kubectl and not kubernetes"
	@$(MEANWHILE)

# beside the others: these wait for a cluster more than they work
test-cluster: $(VENV)/installed-dev
	@$(AWAIT_PROGRAMS)
	$(BIN)/pytest -m kubectl
	@$(AWAIT_CLUSTER)
	$(BIN)/pytest -m kubernetes

lint: $(VENV)/installed-dev  ## format, lint, types, import rules, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m kopfka_operator.api.generate --check

format: $(VENV)/installed-dev  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

crds: $(VENV)/installed-dev  ## write crds/ and docs/reference from the API models
	$(BIN)/python -m kopfka_operator.api.generate

lock: $(VENV)/installed-dev  ## resolve the lock files anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements-dev.lock

bench: $(VENV)/installed  ## measure side by side with Apache Kafka (needs Java 17, Maven), and write docs/benchmarks
	$(KOPFKA) bench --output docs/benchmarks $(BENCH)

compatibility: $(VENV)/installed-dev  ## drive every client, against Apache Kafka too, and write docs/compatibility.md
	rm -rf build/compatibility
	$(BIN)/pytest tests/interop -m client
	PYTHONPATH=tests $(BIN)/python -m interop.compatibility

image:          ## build the container image with Docker
	docker build -t $(IMAGE) .

kind-up: image  ## a kind cluster with the operator in it (needs Docker, kind, helm)
	kind get clusters | grep -qx kopfka || kind create cluster --name kopfka
	kind load docker-image $(IMAGE) --name kopfka
	helm upgrade --install kopfka charts/kopfka --kube-context kind-kopfka --namespace kopfka-system --create-namespace \
	  --set image.repository=$(firstword $(subst :, ,$(IMAGE))) --set image.tag=$(lastword $(subst :, ,$(IMAGE))) --wait

e2e: $(VENV)/installed-dev  ## end to end, on this machine and on the cluster of KUBECONFIG (with the image kopfka:dev in it)
	KOPFKA_E2E_KUBECONFIG="$(KUBECONFIG)" $(BIN)/pytest tests/e2e

soak: $(VENV)/installed-dev  ## the fault tests for as long as SOAK_SECONDS says
	KOPFKA_SOAK_SECONDS=$${SOAK_SECONDS:-600} $(BIN)/pytest tests/faults

fuzz: $(VENV)/installed-dev  ## look for bytes that break the parsers, each target for FUZZ_SECONDS; finds stay in build/fuzz
	PYTHONPATH=tests $(BIN)/python tests/fuzz/seeds.py build/fuzz
	for target in frames batches; do mkdir -p build/fuzz/found-$$target && PYTHONPATH=tests $(BIN)/python \
	  tests/fuzz/$$target.py -max_total_time=$${FUZZ_SECONDS:-300} -rss_limit_mb=1500 -timeout=20 \
	  -artifact_prefix=build/fuzz/$$target- build/fuzz/found-$$target build/fuzz/$$target || exit 1; done

clean:          ## remove what the other targets made (not ~/.kopfka: that is `kopfka down --purge`)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build

# Two stamps: `make up` needs the product alone, the rest its tools as well.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kopfka needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@$(BIN)/python -m compileall -q $(ROOMS)
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@$(BIN)/python -m compileall -q $(ROOMS)
	@touch $@ $(VENV)/installed
