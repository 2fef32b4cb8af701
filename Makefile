# Ragdock's verbs. `make help` lists them; each is one line around a program
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
STAGES := lint unit refusals molecule stack browser
# One process for each processor: for tests that share nothing.
AT_ONCE := --numprocesses auto
SOAK ?= 5
BENCH ?= noop memory redeploy
LIBRARIES := $(subst $() ,:,$(patsubst %,services/%/src,rag_core rag-app rag-worker))

# Tools that bring a list of authorities of their own trust what this machine trusts.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export SSL_CERT_FILE ?= /etc/ssl/certs/ca-certificates.crt
endif

# The tools of this checkout come first, so that what they start finds its own kind.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What is said comes out at once, also into a pipe or a file.
export PYTHONUNBUFFERED := 1

##@ Try it

.PHONY: up
up: deps ## A whole deployment on this machine: sandbox, site.yml, URL and password
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
status: ## What runs, since when, and is it well
	@$(PLAYBOOK) playbooks/status.yml

.PHONY: url name user password token ca
url name user password token ca: ## Print just that value, for scripts
	@$(SANDBOX) show $@

##@ Prove it

.PHONY: test
test: deps-tests ## Lint, unit, refusals, molecule, stack and browser tests
	@for stage in $(STAGES); do \
	  SECONDS=0; $(MAKE) $$stage; times="$${times:-}$$(printf '\n%6d s  make %s' $$SECONDS $$stage)"; \
	done; printf 'Everything passed:%s\n' "$$times"

.PHONY: lint
lint: ## Every linter, at its strictest profile
	@$(MAKE) --jobs=2 --output-sync=target lint-playbooks lint-programs lint-collection

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
unit: ## Tests that need nothing but this checkout
	@pytest $(AT_ONCE) tests/unit services -m "not real and not restic"

.PHONY: refusals
refusals: ## Bad input is refused before anything changes
	@pytest $(AT_ONCE) tests/refusals

.PHONY: molecule
molecule: ## Every molecule scenario
	@molecule test --scenario-name host
	@molecule test --scenario-name default --destroy=never

.PHONY: stack
stack: ## Through the public endpoint of the standing sandbox, and on its host
	@pytest $(AT_ONCE) --dist loadfile tests/unit -m restic
	@pytest services -m real
	@pytest tests/host tests/stack tests/security tests/sandbox -m "always or not (release or disaster or rotation)"

.PHONY: release
release: ## Redeploy under load, break a release, roll back, interrupt, collide
	@pytest tests/stack -m release

.PHONY: rotation
rotation: ## Change every secret while programs work
	@pytest tests/stack -m rotation

.PHONY: disaster
disaster: ## Lose the host and its disks, then the whole deployment; bring back the same answers
	@pytest tests/stack -m disaster

.PHONY: browser
browser: ## A researcher's day in a real browser
	@pytest tests/browser

.PHONY: soak
soak: deps-tests ## Repeat the fault tests SOAK times (default 5)
	@SOAK=$(SOAK) $(MAKE) stack release rotation disaster

.PHONY: bench
bench: ## Measure a standing sandbox (BENCH="noop" for one, ARGS for its words); tables go to bench/results
	@for name in $(BENCH); do PYTHONPATH=$(LIBRARIES) $(PYTHON) -m bench.$$name $(ARGS); done

##@ Keep it

.PHONY: deps
deps: ## Install what is missing: Docker Engine, Python tools
	@sandbox/bootstrap.sh

.PHONY: deps-tests
deps-tests: ## The same, and what the tests need
	@sandbox/bootstrap.sh --tests

.PHONY: lock
lock: ## Resolve pyproject.toml files into requirements.txt with hashes
	@$(COMPILE) pyproject.toml $(GROUPS) --output-file requirements.txt
	@for service in $(SERVICES); do \
	  $(COMPILE) --python-version 3.13 services/$$service/pyproject.toml --output-file services/$$service/requirements.txt; \
	done

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z -]*:.*## / {printf "  make %-32s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
