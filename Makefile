# The front door. Needed beforehand: make and a Rust toolchain (see rust-version
# in Cargo.toml). Everything else is set up by tests/stand/setup.

CARGO ?= cargo
RUSTC ?= rustc
DENY := build/tools/bin/cargo-deny
CARGO_DEB := build/tools/bin/cargo-deb
AUDITABLE := build/tools/bin/cargo-auditable
ZIGBUILD := build/tools/bin/cargo-zigbuild
CYCLONEDX := build/tools/bin/cargo-cyclonedx
ZIG := build/tools/zig/fetched

.PHONY: help test lint demo bench long matrix fuzz deb rpm tarball program reproducible integrations setup toolchain clean

help:
	@echo 'make demo    play the story of the stale cache on two virtual hosts, with the real OpenSC'
	@echo 'make test    all tests'
	@echo 'make lint    formatting, clippy, the documentation of the code; licences, sources and advisories of the dependencies'
	@echo 'make bench   measurements beside the real tools'
	@echo 'make long    the long random runs'
	@echo 'make matrix  configuration and cards against the OpenSC of other Debian suites'
	@echo 'make fuzz    foreign bytes for every parser; FUZZ_SECONDS for each, or TARGETS alone'
	@echo 'make deb     the Debian package, in build/'
	@echo 'make rpm     the package for EL 8 and later, Fedora and SUSE, in build/'
	@echo 'make tarball the same program and files for hosts without packages, in build/'
	@echo 'make reproducible  all three in two places, and whether they are the same'
	@echo 'make integrations  what plugs into other programs, with these programs'

# Built from nothing, what makes the second build quick, and backtraces with lines, only takes time in the first. (Where a test
# fails it is said with its line all the same.)
test: export CARGO_INCREMENTAL := 0
test: export CARGO_PROFILE_DEV_DEBUG := none
test: setup
	@CARGO=$(CARGO) sh tests/run

# A toolchain without rustfmt or clippy can still run the tests; what could not be
# looked at is said. cargo-deny is a separate tool, unpacked into build/ like the rest.
lint: export CARGO_INCREMENTAL := 0
lint: setup $(DENY)
	@if $(CARGO) fmt --version >/dev/null 2>&1; then \
		echo '$(CARGO) fmt --all --check'; $(CARGO) fmt --all --check; \
	else echo 'lint: rustfmt is not installed, formatting NOT checked'; fi
	@if $(CARGO) clippy --version >/dev/null 2>&1; then \
		echo '$(CARGO) clippy --workspace --all-targets --locked -- -D warnings'; \
		$(CARGO) clippy --workspace --all-targets --locked -- -D warnings; \
	else echo 'lint: clippy is not installed, lints NOT checked'; fi
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --workspace --locked --quiet
	$(DENY) check bans licenses sources
	@if $(DENY) fetch db >/dev/null 2>&1; then \
		echo '$(DENY) check advisories'; $(DENY) check --disable-fetch advisories; \
	else echo 'lint: the database of advisories cannot be had here, advisories NOT checked'; fi

# Without optimisation it is built in a minute, and has little to do.
$(DENY): | toolchain
	$(CARGO) install --quiet --locked --debug --root build/tools --version '^0.20' cargo-deny

demo: setup
	$(CARGO) build --release --locked --package stalecard --package virtual-card --bins
	@sh tests/demo/run

bench: toolchain
	@sh tests/stand/setup valgrind
	$(CARGO) bench --locked --no-fail-fast --bench audit --bench cost --bench fleet --bench many_homes

long: setup
	STALECARD_LONG=1 $(CARGO) test --workspace --locked

matrix: setup
	@sh tests/matrix/run

fuzz: toolchain
	@sh fuzz/run $(TARGETS)

# The program in all packages is one and the same: for the glibc of EL 8, without a path of this machine, with the list
# of its crates. What the packages hold beside it is made by itself.
program: setup $(AUDITABLE) $(ZIGBUILD) $(CYCLONEDX) $(ZIG)
	CARGO=$(CARGO) RUSTC=$(RUSTC) sh packaging/program/build
	CARGO=$(CARGO) RUSTC=$(RUSTC) sh packaging/program/papers

deb: program $(CARGO_DEB)
	CARGO=$(CARGO) RUSTC=$(RUSTC) sh packaging/deb/build

rpm: program
	@sh tests/stand/setup rpm file
	CARGO=$(CARGO) RUSTC=$(RUSTC) sh packaging/rpm/build

tarball: program
	CARGO=$(CARGO) RUSTC=$(RUSTC) sh packaging/program/tarball

reproducible: deb rpm tarball
	CARGO=$(CARGO) sh tests/integrations/reproducible/run

# Each is a program of others, or a machine of its own; some need root, and the package a mirror of Debian.
integrations: setup deb rpm tarball
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --test hooks
	$(CARGO) test --locked --test on_stand recipe::
	sh tests/integrations/package/run build/stalecard_*.deb
	sh tests/integrations/rpm/run build/stalecard-*.rpm build/stalecard-*.tar.gz build/stalecard_*.deb
	sh tests/integrations/install/run
	sh tests/integrations/browser/run
	sh tests/integrations/firefox/run
	sh tests/integrations/ansible/run build/stalecard_*.deb
	sh tests/integrations/puppet/run
	sh tests/integrations/icinga/run
	sh tests/integrations/systemd/run

# What makes the packages decides their bytes: exactly these versions.
$(CARGO_DEB): | toolchain
	$(CARGO) install --quiet --locked --debug --root build/tools --version '=3.8.0' cargo-deb

$(AUDITABLE): | toolchain
	$(CARGO) install --quiet --locked --debug --root build/tools --version '=0.7.7' cargo-auditable

$(ZIGBUILD): | toolchain
	$(CARGO) install --quiet --locked --debug --root build/tools --version '=0.24.1' cargo-zigbuild

$(CYCLONEDX): | toolchain
	$(CARGO) install --quiet --locked --debug --root build/tools --version '=0.5.9' cargo-cyclonedx

$(ZIG): packaging/program/requirements.txt
	@sh packaging/program/zig
	@touch $@

setup: toolchain
	@sh tests/stand/setup

toolchain:
	@wanted=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
	found=$$($(RUSTC) --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'); \
	if [ -z "$$found" ] || ! $(CARGO) --version >/dev/null 2>&1; then \
		echo "make: no Rust toolchain found (rustc and cargo): stalecard needs Rust $$wanted or later, see https://rustup.rs" >&2; exit 1; \
	elif [ "$$(printf '%s\n' "$$wanted" "$$found" | sort -V | head -n 1)" != "$$wanted" ]; then \
		echo "make: Rust $$found is too old: stalecard needs $$wanted or later (rustup update)" >&2; exit 1; \
	fi

clean:
	$(CARGO) clean
	rm -rf build
