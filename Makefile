# Ragdock's commands. `make help` lists them; each is one line around a program
# that can also be called by itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
SANDBOX := $(PYTHON) -m sandbox
PLAYBOOK := .venv/bin/ansible-playbook -i inventory/sandbox
COMPILE := .venv/bin/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --quiet
GROUPS := --group sandbox --group test --group services
SERVICES := rag-app rag-worker landing
STAGES := lint-images unit refusals molecule stack browser
LINTERS := lint-playbooks lint-programs lint-collection
# For tests that share nothing. More processes than processors, because many tests wait.
AT_ONCE := --numprocesses $(shell expr $$(nproc) \* 3 / 2)
SOAK ?= 5
BENCH ?= noop memory redeploy
LIBRARIES := $(subst $() ,:,$(patsubst %,services/%/src,rag_core rag-app rag-worker))

# Tools with their own list of authorities trust what this machine trusts.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export SSL_CERT_FILE ?= /etc/ssl/certs/ca-certificates.crt
endif

# The tools of this checkout come first, so that what they start finds them too.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Output is not buffered, also into a pipe or a file.
export PYTHONUNBUFFERED := 1

# Each tier ends with its ten slowest tests.
export PYTEST_ADDOPTS := --durations=10 --durations-min=1 $(PYTEST_ADDOPTS)

##@ Try it

.PHONY: up
up: deps ## Deploy everything on this machine: sandbox, site.yml, URL and password
	@$(SANDBOX) up
	@$(PLAYBOOK) site.yml
	@$(SANDBOX) show summary

.PHONY: down
down: ## Stop the sandbox
	@$(SANDBOX) down

.PHONY: wipe
wipe: ## Remove every trace of the sandbox from this machine
	@$(SANDBOX) wipe

.PHONY: status
status: ## Show what runs, since when, and its health
	@$(PLAYBOOK) playbooks/status.yml

.PHONY: url name user password token ca
url name user password token ca: ## Print just that value, for scripts
	@$(SANDBOX) show $@

##@ Test it

.PHONY: test
test: deps-tests ## Run lint, unit, refusals, molecule, stack and browser tests
	@for stage in $(STAGES); do \
	  SECONDS=0; $(MAKE) $$stage; times="$${times:-}$$(printf '\n%6d s  make %s' $$SECONDS $$stage)"; \
	done; printf 'Everything passed:%s\n' "$$times"

.PHONY: lint
lint: ## Run every linter at its strictest profile
	@$(MAKE) --jobs=2 --output-sync=target $(LINTERS)

# Building images waits for downloads at first; the linters use the processors meanwhile.
.PHONY: lint-images
lint-images:
	@$(MAKE) --jobs=3 --output-sync=target $(LINTERS) images

.PHONY: lint-playbooks
lint-playbooks:
	@ansible-lint
	@yamllint --strict .

.PHONY: lint-programs
lint-programs:
	@ruff check .
	@ruff format --check .
	@mypy
	@mypy services/rag_core/tests
	@for name in landing rag-app rag-worker; do MYPYPATH=services/$$name mypy services/$$name/tests; done
	@hadolint $$(git ls-files '*Dockerfile')
	@shellcheck $$(git ls-files '*.sh') .ci/run

.PHONY: lint-collection
lint-collection:
	@tests/lint/collection.sh

.PHONY: unit
unit: ## Run the tests that need only this checkout
	@pytest $(AT_ONCE) tests/unit services -m "not real and not restic"

.PHONY: refusals
refusals: ## Test that bad input is refused before anything changes
	@pytest $(AT_ONCE) --dist worksteal tests/refusals

.PHONY: molecule
molecule: ## Run every molecule scenario
	@molecule test --scenario-name host
	@molecule test --scenario-name default --destroy=never

.PHONY: stack
stack: ## Test the running sandbox through its public endpoint and on its host
	@pytest $(AT_ONCE) --dist loadfile services -m "real and clock"
	@$(MAKE) --jobs=2 stack-deployed stack-beside

.PHONY: stack-deployed
stack-deployed:
	@pytest tests/host tests/stack tests/security tests/sandbox -m "always or not (release or disaster or rotation or model_host)"

# These need processors, but do not depend on time, so they take what the tests of the deployed stack leave idle.
.PHONY: stack-beside
stack-beside:
	@nice -n 5 pytest --quiet --numprocesses 2 --dist loadfile tests/unit services -m "restic or (real and not clock)"

.PHONY: release
release: ## Redeploy under load, break a release, roll back, interrupt, run two at once
	@pytest tests/stack -m release

.PHONY: rotation
rotation: ## Rotate every secret under load
	@pytest tests/stack -m rotation

.PHONY: disaster
disaster: ## Lose the host and its disks, then the whole deployment; restore the same answers
	@pytest tests/stack -m disaster

.PHONY: model-host
model-host: ## Make a second host for models, ask it, stop, start, rotate and remove it
	@pytest tests/stack -m model_host

.PHONY: browser
browser: ## Test a researcher's day in a real browser
	@pytest tests/browser

.PHONY: soak
soak: deps-tests ## Repeat the fault tests SOAK times (default 5)
	@SOAK=$(SOAK) $(MAKE) stack release rotation disaster

.PHONY: bench
bench: ## Measure a running sandbox (BENCH="noop" for one, ARGS for its arguments); tables go to bench/results
	@for name in $(BENCH); do PYTHONPATH=$(LIBRARIES) $(PYTHON) -m bench.$$name $(ARGS); done

##@ Maintain it

.PHONY: images
images: ## Pull or build the sandbox's images, and start nothing
	@$(SANDBOX) images

.PHONY: deps
deps: ## Install what is missing: Docker Engine, Python tools
	@sandbox/bootstrap.sh

.PHONY: deps-tests
deps-tests: ## Install the same, and what the tests need
	@sandbox/bootstrap.sh --tests

.PHONY: lock
lock: ## Resolve pyproject.toml files into requirements.txt with hashes
	@$(COMPILE) pyproject.toml $(GROUPS) --output-file requirements.txt
	@for service in $(SERVICES); do \
	  $(COMPILE) --python-version 3.13 services/$$service/pyproject.toml --output-file services/$$service/requirements.txt; \
	done
	@$(COMPILE) bench/peers/pyproject.toml --output-file bench/peers/requirements.txt

.PHONY: settings
settings: ## Write what is made of inventory/schema.yml: the defaults, the example and the table in docs
	@PYTHONPATH=.:collections $(PYTHON) -m inventory.generate

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z -]*:.*## / {printf "  make %-32s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
