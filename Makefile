# SPDX-License-Identifier: GPL-3.0-or-later
# PVC node toolkit. `make help` lists what can be made.
VERSION := 0.1.0
CC ?= gcc
BUILD ?= build
prefix ?= /usr
sbindir ?= $(prefix)/sbin
bindir ?= $(prefix)/bin
libexecdir ?= $(prefix)/libexec/pvc
unitdir ?= /lib/systemd/system
mandir ?= $(prefix)/share/man

PACKAGES := libsystemd libvirt yaml-0.1 libnftnl libmnl jansson libmicrohttpd libpq libxml-2.0 nettle
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wpointer-arith -Wundef -Wvla -Werror
# asked once; `make demo` and `make test` begin on machines that do not have pkg-config yet
PACKAGE_FLAGS := $(shell ! command -v pkg-config >/dev/null || pkg-config --cflags $(PACKAGES))
PACKAGE_LIBS := $(shell ! command -v pkg-config >/dev/null || pkg-config --libs $(PACKAGES))
CPPFLAGS += -D_GNU_SOURCE -DPVC_VERSION='"$(VERSION)"' -Ilib -include lib/base/banned.h $(PACKAGE_FLAGS)
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu17 $(WARNINGS) -fstack-protector-strong -fPIE -fno-common -fvisibility=hidden $(EXTRA_CFLAGS)
ifeq ($(SANITIZE),)
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(EXTRA_LDFLAGS)
# --as-needed: a program is linked with what it uses and nothing else; tests/bats/programs.bats holds the list
# librados and librbd come without pkg-config files; --as-needed keeps them out of all programs that do not call them
LDLIBS += $(PACKAGE_LIBS) -lzookeeper_st -lrados -lrbd -lpthread -lm

LIB_SOURCES := $(sort $(wildcard lib/*/*.c))
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libpvc.a
PROGRAMS := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard cmd/*/main.c)))))
PROGRAM_FILES := $(PROGRAMS:%=$(BUILD)/bin/%)
# tests/unit/drive_*.c: programs that bats tests steer
UNIT_TESTS := $(sort $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c tests/unit/drive_*.c)))

.PHONY: all
all: $(PROGRAM_FILES)

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

$(LIBRARY): $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

define program_rule
$(BUILD)/bin/$(1): $$(patsubst %.c,$(BUILD)/%.o,$$(sort $$(wildcard cmd/$(1)/*.c))) $(LIBRARY)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $$^ $(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# A unit test may reach into one program's own files: `tests/unit/test_NAME.objects` lists them (cmd/pvc-x/y.c, one a line).
test_objects = $(patsubst %.c,$(BUILD)/%.o,$(if $(wildcard tests/unit/$(1).objects),$(shell cat tests/unit/$(1).objects)))
define test_rule
$(BUILD)/tests/$(1): $(BUILD)/tests/unit/$(1).o $(call test_objects,$(1)) $(LIBRARY)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $$^ -lcmocka $(LDLIBS)
endef
$(foreach t,$(notdir $(UNIT_TESTS)),$(eval $(call test_rule,$(t))))

# Many nodes in virtual time: see tests/sim/world.h.
SIMULATOR := $(BUILD)/tests/sim/sim
$(SIMULATOR): $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/sim/*.c))) $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
SEEDS ?= 10000
.PHONY: sim simulator
simulator: $(SIMULATOR)
sim: $(SIMULATOR)
	$(SIMULATOR) --seeds $(SEEDS)
	$(SIMULATOR) --seeds $(SEEDS) --mutation all

# the flags are part of what is built: Makefile
$(BUILD)/%.o: %.c lib/base/banned.h Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)

# The unit tests under ASan and UBSan: the same rules in a build directory of their own.
.PHONY: sanitize
sanitize:
	+$(MAKE) BUILD=build/asan SANITIZE=1 EXTRA_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' \
	  EXTRA_LDFLAGS='-fsanitize=address,undefined' unit-tests

.PHONY: install
install: all
	install -d $(DESTDIR)$(sbindir) $(DESTDIR)$(bindir) $(DESTDIR)$(unitdir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5 \
	  $(DESTDIR)$(mandir)/man7 $(DESTDIR)$(mandir)/man8 $(DESTDIR)/etc/pvc
	for program in $(filter-out %/pvcctl,$(PROGRAM_FILES)); do install -m 755 $$program $(DESTDIR)$(sbindir) || exit 1; done
	for program in $(filter %/pvcctl,$(PROGRAM_FILES)); do install -m 755 $$program $(DESTDIR)$(bindir) || exit 1; done
	for unit in $(wildcard systemd/*.service systemd/*.target); do install -m 644 $$unit $(DESTDIR)$(unitdir) || exit 1; done
	for page in $(wildcard man/*.[1578]); do install -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done

# ---- the package, tests and the demonstration ------------------------------------------------------------------------

# Built in a copy of the sources; the objects stay in build/debian, so a second run compiles only what changed. A package that is there stays until
# the new one takes its place: labs may be installing it.
.PHONY: deb
deb:
	@rm -rf build/deb.new && mkdir -p build/deb build/deb.new/src build/debian
	@tar -c --exclude=./build --exclude=./.git . | tar -x -C build/deb.new/src
	+@cd build/deb.new/src && DEB_BUILD_OPTIONS='nocheck noautodbgsym parallel=2 $(DEB_BUILD_OPTIONS)' PVC_BUILD=$(CURDIR)/build/debian \
	  dpkg-buildpackage -b -us -uc -nc -j2 >../build.log 2>&1 || { tail -n 40 ../build.log; exit 1; }
	@rm -rf build/deb.new/src
	@mv -f build/deb.new/* build/deb/ && rmdir build/deb.new
	@cd build/deb && find . -maxdepth 1 -name 'pvc-node_*' ! -name 'pvc-node_$(VERSION)_*' -delete
	@ls build/deb/*.deb

.PHONY: setup
setup:
	tests/setup

.PHONY: unit
unit:
	tests/run unit

.PHONY: test
test:
	tests/run

.PHONY: lint
lint:
	tests/run lint

# Every parser of foreign input for FUZZ_SECONDS each, with libFuzzer.
FUZZ_SECONDS ?= 20
.PHONY: fuzz
fuzz:
	tests/fuzz/run $(FUZZ_SECONDS)

.PHONY: bench
bench:
	tests/bench/run
	tests/bench/firewall
	tests/bench/leases
	tests/bench/networks
	tests/bench/metadata
	tests/bench/handover
	tests/bench/drain

# Faults at random for the primary role: CHAOS_COUNT of them (30 s each), the same ones for the same CHAOS_SEED.
CHAOS_COUNT ?= 100
.PHONY: chaos-primary
chaos-primary: deb
	tests/lab/chaos primary $(CHAOS_COUNT) $(CHAOS_SEED)

# Migrations on a lab of three nodes with faults at random moments.
.PHONY: chaos-migrate
chaos-migrate: deb
	tests/lab/chaos migrate $(CHAOS_COUNT) $(CHAOS_SEED)

# Nodes that die, or seem to, on a lab of three with BMCs: FAULTS of them, half a minute to a minute each. The VMs write to volumes of a Ceph
# whose monitors are on the nodes; CHAOS_FLAGS= (none) leaves Ceph out.
FAULTS ?= 200
CHAOS_FLAGS ?= --storage
.PHONY: chaos
chaos: deb
	tests/lab/chaos fence $(CHAOS_FLAGS) $(FAULTS) $(CHAOS_SEED)

.PHONY: demo
demo:
	@./demo

.PHONY: demo-down
demo-down:
	@./demo down

# The cached node image, guest and package layers (750 MB); the next demo or test builds them again.
.PHONY: clean-lab
clean-lab: demo-down
	tests/lab/lab gc
	rm -rf --one-file-system /var/tmp/pvc-lab

.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo 'make            build everything into build/'
	@echo 'make demo       a one-node cluster on this machine with a VM on it (make demo-down takes it away)'
	@echo 'make setup      install the Debian packages that building and testing need (as root)'
	@echo 'make test       all tests (installs what they need; as root)'
	@echo 'make unit       unit tests'
	@echo 'make sanitize   unit tests under ASan and UBSan'
	@echo 'make lint       static checks of code, units, man pages and scripts'
	@echo 'make fuzz       fuzz the parsers of foreign input'
	@echo 'make sim        fencing and the primary role of many simulated nodes under random faults (SEEDS=10000)'
	@echo 'make bench      measurements'
	@echo 'make chaos-primary  the primary role under a hundred random faults (an hour)'
	@echo 'make chaos-migrate  a hundred migrations with faults at random moments (half an hour)'
	@echo 'make chaos      fencing: nodes and storage that fail, or seem to, at random (FAULTS=200, half a minute to a minute each)'
	@echo 'make deb        the Debian package'
	@echo 'make install    into DESTDIR'
	@echo 'make clean-lab  forget the cached node image'
