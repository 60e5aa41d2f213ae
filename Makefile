# A front for scripts/make.py, which does the work and runs without make too.
.DEFAULT_GOAL := help
.NOTPARALLEL:
BASE_PYTHON ?= python3

# Only when given to make itself: shells that export PYTHON or UV for other tools mean no harm here.
ifeq ($(origin PYTHON),command line)
export RNNLAB_PYTHON := $(PYTHON)
endif
ifeq ($(origin UV),command line)
export RNNLAB_UV := $(UV)
endif

.PHONY: help setup run test test-all slow check package docs fix
help setup run test test-all slow check package docs fix:
	@$(BASE_PYTHON) scripts/make.py $@ $(ARGS)
