# Two commands are enough: "make run" and "make test". Both set everything up the first time.

PY := .venv/bin/python
INSTALLED := .venv/.installed
QT_READY := .venv/.qt-ready

.PHONY: help run demo test check style screenshots clean

help:
	@echo "make run          set up, then open the window (without a display: restore a sample and show it)"
	@echo "make test         set up, then check style and types and run every test"
	@echo "make demo         restore a bundled photo without a window, into output/demo"
	@echo "make check        style, types and who imports whom, only"
	@echo "make screenshots  draw the pictures of the window that the README shows"
	@echo "make clean        remove the set-up and everything built"

run: $(QT_READY)
	@if $(PY) -m core.display; then \
	  exec $(PY) main.py --sample; \
	else \
	  echo "Doing the same without a window: a bundled photo is restored, measured and shown in pictures."; \
	  exec $(PY) main.py demo; \
	fi

demo: $(QT_READY)
	@$(PY) main.py demo

# The types are checked beside the tests, on whatever processor is free, and told last. Bytecode is kept even where the
# environment asks Python not to: some forty processes would compile the program anew, and each of pytest's all tests.
test: export PYTHONDONTWRITEBYTECODE =
test: style
	@types=$$(mktemp); $(PY) -m mypy >"$$types" 2>&1 & checking=$$!; \
	$(PY) -m pytest -n logical --maxprocesses 4 --dist worksteal; failed=$$?; \
	wait $$checking || failed=1; cat "$$types"; rm -f "$$types"; exit $$failed

check: style
	$(PY) -m mypy

style: $(QT_READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(dir $(PY))lint-imports

screenshots: $(QT_READY)
	$(PY) scripts/make_screenshots.py

$(INSTALLED): pyproject.toml constraints.txt scripts/setup.sh
	@sh scripts/setup.sh install
	@touch $@

$(QT_READY): $(INSTALLED) scripts/check_qt.py
	@sh scripts/setup.sh libraries
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
