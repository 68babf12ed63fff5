# make demo   hear and see stopgap: installs into .venv and renders a conversation
# make test   build the wheel, install it into .venv-test, check style and types, run the tests against it
# make lint   style and types only
# make wheel  build the wheel into dist/
# make clean  remove what these made
#
# PYTHON=python3.12 make test   another Python (3.11 or newer)
# ARGS="-k mixer -x" make test  more arguments for pytest
# DEMO_ARGS="--turns 3" make demo

PYTHON ?= python3
ARGS ?=
DEMO_ARGS ?= --out demo.wav --plot demo.png

DEMO := .venv
TEST := .venv-test
SOURCES := $(shell find src engine fillers audio_assets benchmarks -type f ! -name '*.pyc' ! -path '*.egg-info/*')

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

.PHONY: demo test lint wheel clean python
.DELETE_ON_ERROR:

demo: $(DEMO)/.installed
	$(DEMO)/bin/stopgap demo $(DEMO_ARGS)

test: lint
	$(TEST)/bin/pytest $(ARGS)

lint: $(TEST)/.installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy --strict -p stopgap
	$(TEST)/bin/mypy --strict tests

wheel: $(TEST)/.created
	@$(call build_wheel,$(TEST)/bin/python,dist)
	@ls dist/*.whl

$(DEMO)/.installed: pyproject.toml setup.cfg $(SOURCES) | $(DEMO)/.created
	@echo "installing stopgap into $(DEMO)"
	@$(call build_wheel,$(DEMO)/bin/python,$(DEMO)/wheel)
	@$(DEMO)/bin/python -m pip install --quiet "$$(ls $(DEMO)/wheel/*.whl)[plot]"
	@$(DEMO)/bin/python -m pip install --quiet --no-deps --force-reinstall $(DEMO)/wheel/*.whl
	@touch $@

$(TEST)/.installed: pyproject.toml setup.cfg $(SOURCES) | $(TEST)/.created
	@echo "installing stopgap and what its tests need into $(TEST)"
	@$(call build_wheel,$(TEST)/bin/python,$(TEST)/wheel)
	@$(TEST)/bin/python -m pip install --quiet "$$(ls $(TEST)/wheel/*.whl)[dev]"
	@$(TEST)/bin/python -m pip install --quiet --no-deps --force-reinstall $(TEST)/wheel/*.whl
	@touch $@

$(DEMO)/.created $(TEST)/.created: | python
	@$(PYTHON) -m venv --clear $(@D)
	@touch $@

# Say what is missing before something fails with a riddle.
python:
	@command -v $(PYTHON) >/dev/null || { echo "stopgap: there is no $(PYTHON) here; install Python 3.11 or newer" \
	  "(Debian and Ubuntu: apt-get install python3 python3-venv), or name one: PYTHON=python3.12 make ..."; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "stopgap: needs Python 3.11 or newer," \
	  "$(PYTHON) is $$($(PYTHON) -V 2>&1); install a newer one and name it: PYTHON=python3.12 make ..."; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "stopgap: $(PYTHON) cannot make environments; install" \
	  "its venv module (Debian and Ubuntu: apt-get install python3-venv)"; exit 1; } >&2

clean:
	rm -rf $(DEMO) $(TEST) build dist *.egg-info src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f demo.wav demo.png
	find src engine fillers audio_assets benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
