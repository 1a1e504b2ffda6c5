# Short names for the build. The real description is CMakeLists.txt with CMakePresets.json.
# PRESET is dev, asan, tsan, release or fuzz; TESTS narrows `make test` (a CTest regular expression).

PRESET ?= dev
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
TESTS ?= .

.PHONY: all demo test test-clients format format-check check-layers golden-update bench-peers \
        bench-ingest bench-service fuzz install clean

all:
	@tools/build $(PRESET) -j $(JOBS)

demo:
	@tools/build release -j $(JOBS)
	@tools/demo build/release/muster demo

test:
	@tools/build $(PRESET) -j $(JOBS)
	@tools/test $(PRESET) -j $(JOBS) -R '$(TESTS)'

test-clients:
	@tools/build $(PRESET) -j $(JOBS)
	@tools/test_clients build/$(PRESET)/muster

format:
	@tools/format

format-check:
	@tools/format --check

check-layers:
	@tools/check_layers

golden-update:
	@tools/build $(PRESET) -j $(JOBS)
	@MUSTER_GOLDEN_UPDATE=1 tools/test $(PRESET) -j $(JOBS)
	@git diff --stat -- tests/golden docs README.md

bench-peers:
	@tools/build release -j $(JOBS)
	@PYTHONDONTWRITEBYTECODE=1 bench/peers/run build/release/muster

bench-ingest:
	@tools/build release -j $(JOBS)
	@bench/ingest/run build/release/muster

bench-service:
	@tools/build release -j $(JOBS)
	@bench/service/run build/release/muster

fuzz:
	@tools/build fuzz -j $(JOBS)
	@tools/fuzz $(FUZZ_SECONDS)

install:
	@tools/build release -j $(JOBS)
	cmake --install build/release --prefix '$(PREFIX)'

clean:
	rm -rf build demo
