# make help lists what there is. Python 3.11 or newer with venv is all that must be there before.
.DEFAULT_GOAL := help
.PHONY: help reports customer inspect test test-spark spark lint lab sql duplicates fuzz bench guard messages lock clean

PYTHON ?= python3

# The active conda environment where it is the project's own (environment.yml), else a .venv made here.
ifeq ($(CONDA_DEFAULT_ENV),crm-analysis)
BIN := $(CONDA_PREFIX)/bin
READY := $(CONDA_PREFIX)/.crm-analysis
SPARK := $(CONDA_PREFIX)/.crm-analysis-spark
MAKE_ENVIRONMENT := true
else
BIN := .venv/bin
READY := .venv/.ready
SPARK := .venv/.spark
MAKE_ENVIRONMENT := $(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …" \
	if sys.version_info < (3, 11) else 0)' && $(PYTHON) -m venv .venv
endif

# -P: nothing in this folder is taken for a library, whatever its name.
# NAME=value on the command line overrides params/run.yml: make reports MONTH=2026-10 METHODS="rfm decile"
OVERRIDES = $(filter-out CRM_DATA=% PYTHON=%,$(MAKEOVERRIDES))

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

reports: $(READY)  ## publish a month: SOURCE= MONTH= METHODS= FORMATS= (what is not given: params/run.yml)
	@$(BIN)/python -P -m crm_analysis reports $(OVERRIDES)

# As the shell has it: an id may hold blanks and signs that mean something to a shell.
customer: $(READY)  ## a page on one customer: ID= SOURCE= MONTH= LANGUAGE= FORMATS=
	@$(BIN)/python -P -m crm_analysis customer "ID=$$ID" $(foreach one,SOURCE MONTH LANGUAGE FORMATS METHODS PARTIAL,$(if \
		$(filter command,$(origin $(one))),"$(one)=$$$(one)"))

inspect: $(READY)  ## look at unknown files and draft their contract: FILES="…" NAME= (without: on the screen)
	@$(BIN)/python -m crm_analysis inspect $(FILES) $(if $(NAME),NAME=$(NAME))

test: $(READY)  ## run the tests; those on real data need CRM_DATA=folder
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m "not spark"

spark: $(SPARK)  ## install what engine: spark needs; Java 17 or newer must be there

test-spark: $(SPARK)  ## run the tests of the engine Spark
	@CRM_TEST_SPARK=1 $(BIN)/python -m pytest -m spark --durations 5

lint: $(READY)  ## check the style of code and notebooks
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/nbstripout --verify notebooks/*.ipynb

lab: $(READY)  ## open JupyterLab; the notebooks run as they are
	@$(BIN)/jupyter lab notebooks

sql: $(READY)  ## a DuckDB prompt on the customer database: SOURCE=
	@$(BIN)/python -P -m crm_analysis sql $(OVERRIDES)

duplicates: $(READY)  ## list customers that may be one, and take over the answers in the list: SOURCE=
	@$(BIN)/python -m crm_analysis duplicates $(OVERRIDES)

fuzz: $(READY)  ## try mutated files and contracts for FUZZ_SECONDS (600); what goes wrong is kept for the tests
	@$(BIN)/python tests/bad_inputs/fuzz.py $(or $(FUZZ_SECONDS),600) $(FUZZ_SEED)

bench: $(READY)  ## measure speed and memory beside other libraries and plain SQL, into benchmarks/results
	@$(BIN)/python -m benchmarks.bench
	@$(BIN)/python -m benchmarks.pack
	@$(BIN)/python -m benchmarks.models
	@$(BIN)/python -m benchmarks.growth

guard: $(READY)  ## fail where we are slower beside pandas and plain SQL than allowed: ratios of CPU time, in seconds
	@$(BIN)/python -m benchmarks.guard

messages: $(READY)  ## collect the words of code and notebooks into the catalogues of the other languages, new ones empty
	@mkdir -p build
	@$(BIN)/pybabel -q extract -F babel.cfg --no-default-keywords -k _ -k mark -k counted:2,3 -k Column:2 -k Shape:1 -k _part:2 \
		--add-location=file --no-wrap -o build/messages.pot crm_analysis notebooks
	@for language in $$(ls crm_analysis/locale); do $(BIN)/pybabel -q update --init-missing --no-fuzzy-matching \
		--ignore-obsolete --ignore-pot-creation-date --no-wrap -D crm_analysis -i build/messages.pot \
		-d crm_analysis/locale -l $$language; done

lock: $(READY)  ## renew requirements.txt from pyproject.toml (hashes, no addresses)
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 --extra dev --upgrade pyproject.toml -o requirements.txt
	@echo 'pyspark[connect]' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --python-version 3.11 --upgrade -c requirements.txt - -o requirements-spark.txt

clean:  ## remove what was built: environment, customer databases, reports
	rm -rf .venv build warehouse reports/*/ .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made aside and marked when whole: a broken install is made again.
$(READY): requirements.txt pyproject.toml
	$(MAKE_ENVIRONMENT)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Beside the rest in the same environment, which most users can do without: 450 MB.
$(SPARK): requirements-spark.txt $(READY)
	@java -version 2>/dev/null || { echo "E-LIB-1 file=- rows=- fix=install Java 17 or newer: apt install openjdk-17-jre-headless"; exit 4; }
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements-spark.txt
	@touch $@
