# Each target does its own set-up in .venv; Python >= 3.10 and a C++17 compiler are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint types unit sanitize bench clean

demo: $(VENV)/ready
	$(BIN)/retarget make-demo demo.hdf5
	$(BIN)/retarget replay demo.hdf5

test: lint types unit

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

unit: $(VENV)/ready
	$(BIN)/python -m pytest -n 2 --durations=10

# CHECK=1: exit code 1 where a ratio or limit of benchmarks/bounds.py falls short
bench: $(VENV)/bench-ready
	env -u OMP_NUM_THREADS $(BIN)/python -m benchmarks.run $(if $(CHECK),--check)

$(VENV)/bench-ready: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,bench]"
	touch $@

$(VENV)/ready: pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

# the native core under -fsanitize=address,undefined; any finding ends the run
sanitize: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/sanitize . \
		-C cmake.define.RETARGET_SANITIZE=ON -C build-dir=build/sanitize-objects
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0 $(BIN)/python tests/sanitized.py build/sanitize

clean:
	rm -rf $(VENV) build out
