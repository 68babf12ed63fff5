# make demo   install into .venv and play a conversation (without a sound card: write demo.wav), drawn in demo.png
# make test   build the wheel, install it into .venv-test, check style and types, run the tests against it
# make lint   style and types only
# make wheel  build the wheel into dist/, with the C core (STOPGAP_NATIVE=optional make wheel: without, if need be)
# make sanitize  scenarios, any bytes and two threads on the C core by itself, under sanitizers (SEED=2: others)
# make clean  remove what these made
#
# PYTHON=python3.12 make test   another Python (3.11 or newer)
# ARGS="-k mixer -x" make test  more arguments for pytest
# DEMO_ARGS="--turns 3" make demo

PYTHON ?= python3
ARGS ?=
DEMO_ARGS ?= --plot demo.png
SEED ?= 1

DEMO := .venv
TEST := .venv-test
# with their folders, whose times tell when a file was taken away
SOURCES := $(shell find src engine fillers audio_assets benchmarks ! -name '*.pyc' ! -path '*.egg-info*' ! -path '*__pycache__*')

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# Copy the tree to the folder $$tree: with git, what is tracked or new and not ignored; without, all but leftovers.
define export_tree
if [ -e .git ] && git ls-files >/dev/null 2>&1; then \
  git -c core.quotePath=off ls-files -co --exclude-standard | while IFS= read -r file; do \
    if [ -e "$$file" ]; then printf '%s\0' "$$file"; fi; \
  done | tar -cf - --null -T - | tar -xf - -C "$$tree"; \
else \
  tar -cf - --exclude=./.git --exclude='./.venv*' --exclude=./build --exclude=./dist --exclude='*.egg-info' \
    --exclude=__pycache__ --exclude='./.*_cache' . | tar -xf - -C "$$tree"; \
fi
endef

# Build the wheel with the Python $(1) into the empty folder $(2). Never in the working tree: what an earlier build
# left behind there gets into the wheel.
define build_wheel
set -e; tree=$$(mktemp -d); trap 'rm -rf "$$tree"' EXIT; trap 'exit 130' INT TERM; \
$(export_tree); \
rm -rf $(2); mkdir -p $(2); \
$(1) -m pip wheel --quiet --no-deps --wheel-dir $(2) "$$tree"
endef

# Install the wheel in the environment $(1) with the extra $(2); again even if its version has not changed.
define install_wheel
set -e; wheel=$$(echo $(1)/wheel/*.whl); \
$(1)/bin/python -m pip install --quiet "$$wheel[$(2)]"; \
$(1)/bin/python -m pip install --quiet --no-deps --force-reinstall "$$wheel"
endef

# Say what is missing before something fails with a riddle.
define check_python
{ command -v $(PYTHON) >/dev/null || { echo "stopgap: there is no $(PYTHON) here; install Python 3.11 or newer" \
  "(Debian and Ubuntu: apt-get install python3 python3-venv) or name one: make PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "stopgap needs Python 3.11 or newer;" \
  "$(PYTHON) is $$($(PYTHON) -V 2>&1). Install a newer one and name it: make PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "stopgap: $(PYTHON) lacks venv and ensurepip;" \
  "install them (Debian and Ubuntu: apt-get install python3-venv)"; exit 1; }; } >&2
endef

.PHONY: demo test lint wheel sanitize clean install-for-tests

demo: $(DEMO)/.installed
	$(DEMO)/bin/stopgap demo $(DEMO_ARGS)

test: lint
	$(TEST)/bin/pytest $(ARGS)

lint: install-for-tests
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy --strict -p stopgap
	$(TEST)/bin/mypy --strict tests
	$(TEST)/bin/mypy --strict examples

wheel: export STOPGAP_NATIVE ?= require
wheel: $(TEST)/.created
	@$(call build_wheel,$(TEST)/bin/python,dist)
	@ls dist/*.whl

comma := ,
CORE := engine/mixer/core
# Build tests/core/$(1).c and the core under the sanitizers $(2) as $(3).
build_sanitized = $(CC) -std=c11 -g -O1 -Wall -Wextra -Werror -fsanitize=$(2) -fno-sanitize-recover=all -I$(CORE) \
  tests/core/$(1).c $(wildcard $(CORE)/*.c) -lm -lpthread -o build/sanitize/$(3)
# ThreadSanitizer knows fewer layouts of memory than newer kernels choose from.
UNSHUFFLED = $(shell setarch -R true 2>/dev/null && echo setarch -R)

sanitize:
	@mkdir -p build/sanitize
	$(call build_sanitized,check,address$(comma)undefined,check)
	$(call build_sanitized,fuzz,address$(comma)undefined,fuzz)
	$(call build_sanitized,stress,address$(comma)undefined,stress)
	$(call build_sanitized,stress,thread,stress-thread)
	build/sanitize/check
	build/sanitize/fuzz 100000 $(SEED)
	build/sanitize/stress 40000 $(SEED)
	$(UNSHUFFLED) build/sanitize/stress-thread 20000 $(SEED)

install-for-tests: $(TEST)/.created
	@echo "installing stopgap and what its tests need into $(TEST)"
	@$(call build_wheel,$(TEST)/bin/python,$(TEST)/wheel)
	@$(call install_wheel,$(TEST),dev)

$(DEMO)/.installed: pyproject.toml setup.cfg $(SOURCES) $(DEMO)/.created
	@echo "installing stopgap into $(DEMO)"
	@$(call build_wheel,$(DEMO)/bin/python,$(DEMO)/wheel)
	@$(call install_wheel,$(DEMO),plot)
	@touch $@

$(DEMO)/.created $(TEST)/.created:
	@$(check_python)
	@$(PYTHON) -m venv --clear $(@D)
	@touch $@

clean:
	rm -rf $(DEMO) $(TEST) build dist *.egg-info src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f demo.wav demo.png
	rm -f engine/mixer/_native.*.so benchmarks/_probe.*.so
	find src engine fillers audio_assets benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
