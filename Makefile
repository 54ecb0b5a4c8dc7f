# Each target does its own set-up in .venv; Python >= 3.10 and a C++17 compiler are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export OMP_NUM_THREADS ?= 1
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -n)

.PHONY: demo test lint types unit browser pictures docs wheel bench fuzz sanitize arm64 clean

# needs the package alone
demo: $(VENV)/installed
	$(BIN)/retarget make-demo demo.hdf5
	$(BIN)/retarget replay demo.hdf5

test: lint types unit

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/ready
	$(BIN)/mypy

unit: $(VENV)/ready browser
	$(BIN)/python -m pytest -n 2 --durations=10

# Chromium for the viewer's tests; without one they are skipped, but fail where CI is set
browser: $(VENV)/ready
	@$(BIN)/python -c "from retarget.viewer.browser import find_browser; find_browser()" 2>/dev/null \
		|| { command -v apt-get && $(AS_ROOT) apt-get update -qq && $(AS_ROOT) env \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
		} >/dev/null 2>&1 \
		|| echo "No Chromium or Chrome, and none can be installed here: browser tests are skipped."

# the pictures of README.md, by the commands it shows; the README's tests compare the two
PICTURES := build/pictures
IN_PICTURES = @cd $(PICTURES) && PATH="$(abspath $(BIN)):$$PATH"
pictures: $(VENV)/ready browser
	rm -rf $(PICTURES) && mkdir -p $(PICTURES) docs/pictures
	$(IN_PICTURES) retarget make-demo demo.hdf5
	$(IN_PICTURES) retarget view demo.hdf5 --png hand.png --camera left --frame 60 --size 640x640 --hide camera,wrists
	$(IN_PICTURES) retarget view demo.hdf5 --png robot.png --frame 120 --size 640x640
	$(IN_PICTURES) retarget view demo.hdf5 --png head.png --camera head --frame 120 --size 640x480 --hide camera,wrists
	mv $(PICTURES)/*.png docs/pictures/

# the documentation as a site: build/site/index.html; a broken link or reference fails
docs: $(VENV)/docs-ready
	$(BIN)/python tools/site_pages.py build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "built build/site/index.html; its search works behind a server: python3 -m http.server -d build/site"

# sdist and wheel in build/dist, the wheel made from the sdist, looked through, and tried by the demo
# in an environment and a folder of its own
CLEAN := build/clean
wheel: $(VENV)/wheel-ready
	rm -rf build/dist $(CLEAN)
	$(BIN)/python -m build --outdir build/dist
	$(BIN)/python tools/check_dist.py build/dist
	@echo "installing the wheel into $(CLEAN)/venv"
	$(PYTHON) -m venv $(CLEAN)/venv
	$(CLEAN)/venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt build/dist/*.whl
	cd $(CLEAN) && venv/bin/retarget make-demo demo.hdf5 && venv/bin/retarget replay demo.hdf5
	@du -h build/dist/*

# CHECK=1: exit code 1 where a limit of benchmarks/bounds.py falls short; JSON=out.json: every number
bench: $(VENV)/bench-ready
	env -u OMP_NUM_THREADS $(BIN)/python -m benchmarks.run \
		$(if $(CHECK),--check) $(if $(JSON),--json $(JSON))

# damaged files, wrong recordings and interrupted writes: docs/trust.md; another SEED tries others
FILES ?= 10000
SEED ?= 0
fuzz: $(VENV)/ready
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m fuzz --files $(FILES) --seed $(SEED) \
		$(if $(KEEP),--keep $(KEEP)) $(if $(JSON),--json $(JSON))

# Stamps of what is installed. `retarget[...]` is the package installed above, so only the extra's
# own packages are fetched.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt CMakeLists.txt retarget/core/version.py $(shell find native -type f) | $(BIN)/python
	@echo "setting up $(VENV): downloads PyTorch and compiles the native core, some minutes the first time"
	$(PIP) -e .
	@touch $@

$(VENV)/ready: $(VENV)/installed
	@echo "installing what lint, types and tests need"
	$(PIP) "retarget[test]"
	@touch $@

$(VENV)/docs-ready: $(VENV)/installed
	@echo "installing what the site is built with"
	$(PIP) "retarget[docs]"
	@touch $@

$(VENV)/bench-ready: $(VENV)/ready
	@echo "installing the peers that the benchmarks compare with"
	$(PIP) "retarget[test,bench]"
	@touch $@

$(VENV)/wheel-ready: | $(BIN)/python
	$(PIP) "build>=1.2"
	@touch $@

# the native core under -fsanitize=address,undefined; any finding ends the run
sanitize: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/sanitize . \
		-C cmake.define.RETARGET_SANITIZE=ON -C build-dir=build/sanitize-objects
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 $(BIN)/python tests/native/sanitized.py build/sanitize

# the native core cross-compiled for arm64, run under qemu, against this machine's numbers;
# needs aarch64-linux-gnu-g++ and qemu-aarch64
arm64: $(VENV)/ready
	$(BIN)/python tests/native/native_portable.py

clean:
	rm -rf $(VENV) build out
