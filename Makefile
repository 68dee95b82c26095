# Everything a user needs; `make` alone lists it. Requires python 3.11 or newer, make and git.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
PROFILE ?= mini
SEEDS ?=
EXAMPLES ?= 4000
COUNT := $(if $(SEEDS),--seeds "$(SEEDS)")
CHANGED := $(foreach one,$(SET),--set "$(one)")
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m georeplicate
INSTALLED := $(VENV)/.installed

.PHONY: help reproduce smoke test coverage check pair pages figures publish verify reliability fuzz base table1 table2 ablations curve bench site atlas sbom data clean

help:  ## list what can be made
	@echo "usage: make TARGET [PROFILE=mini] [SEEDS=3] [PYTHON=python3]"
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	  while IFS=$$'\t' read -r target text; do printf '  %-10s %s\n' "$$target" "$$text"; done

reproduce: $(INSTALLED)  ## train, evaluate, run the notebooks in order (PROFILE=smoke | mini | geographic | small | paper-dry | single_gpu | paper; SEEDS=1; on photographs SET="accumulation=8 beta=0.1", OPTIONS="--records FOLDER")
	$(RUN) reproduce --profile "$(PROFILE)" $(COUNT) $(if $(ROOT),--root "$(ROOT)") $(if $(LAUNCH),--launch "$(LAUNCH)") $(if $(GPUS),--gpus "$(GPUS)") $(CHANGED) $(OPTIONS)

smoke:  ## the same at the smallest size, in minutes
	@$(MAKE) --no-print-directory reproduce PROFILE=smoke

test: $(INSTALLED)  ## run the tests; they need no network
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

coverage: $(INSTALLED)  ## run the tests and list the lines of the library that none reaches
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --cov=georeplicate --cov-report=term-missing:skip-covered

check: $(INSTALLED)  ## style, types, which room imports which, committed notebooks and runs match their sources
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(RUN) reproduce --check-pairs
	$(RUN) check
	$(BIN)/pytest -q tests/report/test_docs.py tests/test_environment.py tests/test_contributing.py

pair: $(INSTALLED)  ## write notebooks/*.ipynb from the last run of PROFILE=mini
	$(RUN) reproduce --pair

pages: $(INSTALLED)  ## write the pages below georeplicate/docs again, from the code
	$(BIN)/python -m georeplicate.report.pages

figures: $(INSTALLED)  ## draw the committed tables and figures again, from the committed predictions and logs
	$(RUN) publish --figures-only --profile "$(PROFILE)"

publish: $(INSTALLED)  ## copy a finished run into results/: predictions, logs, manifests, tables, figures
	$(RUN) publish --profile "$(PROFILE)"
	$(RUN) publish --figures-only --profile "$(PROFILE)"

verify: $(INSTALLED)  ## compare the tables of a run here with the committed ones, number by number
	$(RUN) verify --profile "$(PROFILE)"

base: $(INSTALLED)  ## train a mini base policy below .georeplicate (an hour or two on one core; goes on after a kill; WORLD=geographic: taught for a shorter time; SEED=1, RULE=1)
	OMP_NUM_THREADS=1 $(RUN) train base $(if $(WORLD),--world "$(WORLD)") $(if $(SEED),--seed "$(SEED)") $(if $(RULE),--rule)

table2: $(INSTALLED)  ## train and evaluate the four systems of Table 2, on two cores (part of reproduce)
	$(RUN) train table2 --profile "$(PROFILE)" $(COUNT) $(if $(ROOT),--root "$(ROOT)") $(CHANGED) $(OPTIONS)

table1: $(INSTALLED)  ## the systems of Table 1: stand-ins trained here, or (PROFILE=paper) the published ones that are there
	$(RUN) train table1 --profile "$(PROFILE)" $(COUNT) $(if $(ROOT),--root "$(ROOT)")

ablations: $(INSTALLED)  ## train and evaluate the controls: random reward, shuffled pairing, blank pictures, released rewards (PROFILE=geographic: its arms)
	$(RUN) train ablations --profile "$(PROFILE)" $(COUNT)

curve: $(INSTALLED)  ## train one GRPO run whose policies in the middle are kept, and evaluate these on validation questions (ten minutes)
	$(RUN) train curve --profile "$(PROFILE)"

reliability: $(INSTALLED)  ## inject faults into smoke runs and write results/reliability.md (SHORT=1: a few, nothing is written)
	$(BIN)/python tests/bench/reliability.py $(if $(SHORT),--short,--out results/reliability.md)

fuzz: $(INSTALLED)  ## try invented answers, tables, photographs and tiles, EXAMPLES=4000 of each kind (ten minutes)
	OMP_NUM_THREADS=1 HYPOTHESIS_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -p no:xdist -q tests/hostile/test_fuzz.py

bench: $(INSTALLED)  ## measure sizes and speeds on this machine into results/bench/
	$(BIN)/python tests/bench/bench_data.py
	$(BIN)/python tests/bench/bench_rewards.py
	$(BIN)/python tests/bench/bench_world_gate.py
	$(BIN)/python tests/bench/bench_grpo.py

site: $(INSTALLED)  ## notebooks, figures, tables, pages and reference as HTML in .georeplicate/site/html (needs a network once)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[site]'
	$(BIN)/python -m georeplicate.report.site

atlas: $(INSTALLED)  ## rebuild the embedded data from its sources and compare checksums (needs a network and npm)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[atlas]'
	$(BIN)/python tests/build/build_atlas.py
	$(BIN)/python tests/build/build_exonyms.py

sbom: $(INSTALLED)  ## list all dependencies: licences in georeplicate/docs/dependencies.md, an SBOM in .georeplicate (needs a network)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[audit,site,atlas]'
	(printf '# Dependencies\n\nWhat `make` installs, directly and indirectly, with the licences that the packages state; made by `make sbom`.\n\n' && \
	  $(BIN)/pip-licenses --from=mixed --format=markdown --with-system --packages $$(sed 's/==.*//' constraints.txt) | sed 's/  */ /g; s/-\{4,\}/---/g') \
	  > georeplicate/docs/dependencies.md
	mkdir -p .georeplicate
	$(BIN)/cyclonedx-py environment $(BIN)/python --output-reproducible -o .georeplicate/sbom.cdx.json

data: $(INSTALLED)  ## download a source of photographs, or say whom to ask for it (SOURCE=cv-cities, ROOT=data/cv-cities)
	@$(RUN) data "$(SOURCE)" $(if $(ROOT),--root "$(ROOT)") \
	  $(if $(filter 1,$(ACCEPT_UNSTATED_LICENCE)),--accept-unstated-licence)

clean:  ## remove the environment, caches and unpublished runs; never committed results
	rm -rf $(VENV) .georeplicate build *.egg-info .pytest_cache .ruff_cache .hypothesis .mypy_cache .import_linter_cache .coverage
	find georeplicate tests -name __pycache__ -type d -prune -exec rm -rf {} +

# torch is named on the command line, with its version, so that no other is fetched first. Which build that is depends on the
# index: PyPI's for Linux is a build for CUDA, several GB; one for CPUs wants PyTorch's own index in PIP_EXTRA_INDEX_URL.
# Killed, it goes on when it is made again: pip keeps what it downloaded, and writes INSTALLER into a package after its files.
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: this needs Python 3.11 or newer as '$(PYTHON)'; name one with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@for half in $$(find $(VENV) -path '*/site-packages/*.dist-info' -type d); do \
	  test -e "$$half/INSTALLER" || { echo "$$half: half installed, once more"; rm -r "$$half"; }; done
	@begun=$$SECONDS; megabytes() { du -sm $(VENV) 2>/dev/null | cut -f1; }; \
	echo "installing into $(VENV): about 2 GB with PyTorch's build for CPUs, several more with that for CUDA, which PyPI has for Linux; two minutes for the former on a fast line and disk, ten on slow ones"; \
	(while sleep 10 >/dev/null 2>&1; do echo "  $$((SECONDS - begun)) s, $$(megabytes) MB on disk"; done) & \
	clock=$$!; trap 'kill $$clock 2>/dev/null || true' EXIT; \
	PYTHONUNBUFFERED=1 $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(TORCH) --editable '.[dev]' | \
	  awk '/^(Collecting|Processing) /{printf "  %3d %s\n", ++n, $$2} /^Installing coll/{print "  unpacking " NF - 3 " packages"} {fflush()}'; \
	echo "installed in $$((SECONDS - begun)) s; $(VENV) has $$(megabytes) MB"
	@touch $@
