# Every verb first installs what the machine lacks; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run up down status cluster test screens unit fuzz faults drill lint bench migrate deb packages sbom audit stored release clean

BOOTSTRAP := deploy/local/bootstrap.sh
PYTHON := .venv/bin/python
# Without what it compiled once, Python takes almost twice as long to start any process of tonne.
unexport PYTHONDONTWRITEBYTECODE
STACK := $(PYTHON) -m deploy.local.stack
FUZZ_SECONDS ?= 30
TARGETS ?=
ROUNDS ?= 200
SEED ?= 1
FIRST ?= 0
KIND ?= gateway doors packing alerts states machines clocks
# A round that is played again is no run: it leaves the tables as they are.
ROUNDS_OF = --rounds $(ROUNDS) --seed $(SEED) --first $(FIRST) \
  $(if $(filter 0,$(FIRST)),--table deploy/docs/faults.md)
SOURCE ?= mqtt
ON ?= one
MINUTES ?= 60
RELEASE ?= 12
DRILLS ?= 4
# Files of tests that run at a time: more than there are cores, because many of them wait.
WORKERS ?= 6
KEY ?=
# As pyproject.toml has it.
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

run:  ## start everything, with the demo; Ctrl-C stops it
	@$(BOOTSTRAP) run
	@exec $(STACK) run

up:  ## start everything in the background; returns when it is ready
	@$(BOOTSTRAP) run
	@$(STACK) up

down:  ## stop what `make up` started
	@$(BOOTSTRAP) lint
	@$(STACK) down

status:  ## what runs, and whether it is ready
	@$(BOOTSTRAP) lint
	@$(STACK) status

cluster:  ## many machines on this one, in network namespaces, for MINUTES (60) or until Ctrl-C
	@$(BOOTSTRAP) cluster
	@exec $(PYTHON) -m deploy.cluster --minutes $(MINUTES)

test:  ## every test, against real servers
	@$(BOOTSTRAP) test
	@$(PYTHON) -m pytest --ignore=tests/bench --ignore=tests/packages -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

screens:  ## pictures of every page, for people to look at, into .tonne/screens
	@$(BOOTSTRAP) test
	@SCREENSHOTS=.tonne/screens $(PYTHON) -m pytest tests/e2e -m browser -n 2 -k "fit or fits or drawn_as_limits" $(ARGS)

unit:  ## the fast tests: no server
	@$(BOOTSTRAP) lint
	@deploy/local/unit.sh $(ARGS)

fuzz:  ## look for input that breaks a decoder, FUZZ_SECONDS (30) for each of TARGETS (all), and for new examples that break a property
	@$(BOOTSTRAP) fuzz
	@$(PYTHON) -m tests.fuzz --seconds $(FUZZ_SECONDS) $(TARGETS)
	@$(if $(TARGETS),,$(PYTHON) -m pytest -n 2 -m hypothesis --hypothesis-profile search tests/unit tests/properties)

faults:  ## play ROUNDS (200) rounds of faults of each KIND (gateway doors packing alerts states) from SEED (1), SOURCE mqtt or jetstream, ON one machine or a cluster; FIRST: begin with this round
	@$(BOOTSTRAP) test
ifeq ($(ON),cluster)
	@$(BOOTSTRAP) cluster
	@$(if $(filter machines,$(KIND)),$(PYTHON) -m tests.faults.cluster $(ROUNDS_OF))
	@$(if $(filter clocks,$(KIND)),$(PYTHON) -m tests.faults.cluster --clocks $(ROUNDS_OF))
else
	@$(if $(filter gateway,$(KIND)),$(PYTHON) -m tests.faults --source $(SOURCE) $(ROUNDS_OF))
	@$(if $(filter doors,$(KIND)),$(PYTHON) -m tests.faults.doors $(ROUNDS_OF))
	@$(if $(filter packing,$(KIND)),$(PYTHON) -m tests.faults.packing $(ROUNDS_OF))
	@$(if $(filter alerts,$(KIND)),$(PYTHON) -m tests.faults.alerts $(ROUNDS_OF))
	@$(if $(filter states,$(KIND)),$(PYTHON) -m tests.faults.states $(ROUNDS_OF))
endif

drill:  ## back up, destroy everything, restore, verify: DRILLS (4) times with SEED (1)
	@$(BOOTSTRAP) test
	@$(PYTHON) -m tests.faults.drill --rounds $(DRILLS) --seed $(SEED)

lint:  ## style, types, import rules, names, schemas
	@$(BOOTSTRAP) lint
	@deploy/local/lint.sh

bench:  ## the benchmarks of tests/bench
	@$(BOOTSTRAP) test
	@shopt -s nullglob; for script in tests/bench/*.py; do echo "$$script"; $(PYTHON) "$$script"; done

migrate:  ## bring the database to the newest schema
	@$(BOOTSTRAP) run
	@.venv/bin/tonne migrate

deb:  ## a package for Debian RELEASE (12 or 13), into dist
	@$(BOOTSTRAP) run
	@deploy/debian/build.sh $(RELEASE)

packages:  ## install, run, hurt, upgrade and remove the package on a clean Debian 12 and 13; needs root
	@$(BOOTSTRAP) packages
	@$(PYTHON) -m pytest tests/packages $(ARGS)

sbom:  ## what tonne consists of, as CycloneDX, into dist/tonne.cdx.json
	@$(BOOTSTRAP) lint
	@mkdir -p dist; tools=$$(deploy/release/tools.sh); \
	  $(PYTHON) deploy/debian/runtime_requirements.py 3.11 | "$$tools"/bin/cyclonedx-py \
	  requirements --pyproject pyproject.toml --output-reproducible -o dist/tonne.cdx.json -

audit:  ## look the locked packages up among known vulnerabilities
	@$(BOOTSTRAP) lint
	@$(PYTHON) -m deploy.release.audit "$$(deploy/release/tools.sh)"

stored:  ## store a small database of this VERSION (0.1.0), which later versions are upgraded from in tests
	@$(BOOTSTRAP) test
	@$(PYTHON) -m tests.upgrade $(VERSION)

release: sbom  ## packages, bill of materials and provenance into dist, signed by KEY (a file)
	@test -n "$(KEY)" || { echo "name the key: make release KEY=release.pem" >&2; exit 1; }
	@test -f tests/upgrade/releases/$(VERSION)/release.json || \
	  { echo "store a database of this version first: make stored" >&2; exit 1; }
	@rm -f dist/*.whl dist/tonne-*.tar.gz dist/SHA256SUMS* dist/provenance.intoto.json
	@$(PYTHON) -m hatchling build -d dist
	@$(PYTHON) -m deploy.release.attest sign "$(KEY)" dist

clean:  ## stop everything; delete the local stack's data and all caches, but not .venv
	@$(BOOTSTRAP) lint
	@$(STACK) clean
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build services/api/documentation
	@find services sensors-sim deploy tests -name __pycache__ -type d -prune -exec rm -rf {} +
