# SPDX-License-Identifier: Apache-2.0
#
# Sallyport. `make help` lists the targets.
#
# One pass builds one variant: release, asan, tsan, cover or fuzz, each in its own folder under
# build/. Targets that need another variant call make again. Files are found by folder: a new
# src/<floor>/x.c or tests/unit/test_x.c needs no line here. Outputs are written beside their
# place and renamed, so an interrupted build leaves nothing half-written.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

BUILD ?= build
VARIANT ?= release
O := $(BUILD)/$(VARIANT)
JOBS ?= 2
ifeq ($(origin CC),default)
CC := gcc
endif
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
DESTDIR ?=
Q := $(if $(V),,@)

# ---------------------------------------------------------------- flags

# Evaluated once, at first use: `make deps` runs before pkg-config exists.
once = $(eval $(1) := $(2))$($(1))

PACKAGES := openssl libnghttp2 libevent_core libevent_pthreads yaml-0.1 libcurl
PACKAGE_CFLAGS = $(call once,PACKAGE_CFLAGS,$(shell pkg-config --cflags $(PACKAGES)))
PACKAGE_LIBS = $(call once,PACKAGE_LIBS,$(shell pkg-config --libs $(PACKAGES)))
CMOCKA_LIBS = $(call once,CMOCKA_LIBS,$(shell pkg-config --libs cmocka))
MACHINE = $(call once,MACHINE,$(shell $(CC) -dumpmachine))
CF_PROTECTION = $(if $(filter x86_64% i%86%,$(MACHINE)),-fcf-protection)
VERSION := 0.1.0

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wformat=2 -Wconversion -Wno-sign-conversion -Werror
HARDENING = -fstack-protector-strong -fstack-clash-protection -fPIE $(CF_PROTECTION)
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
SANITIZE := -fno-omit-frame-pointer -fno-sanitize-recover=all

FLAGS_release = -O2 $(FORTIFY)
FLAGS_asan = -O1 -U_FORTIFY_SOURCE -fsanitize=address,undefined $(SANITIZE)
# gcc mistakes the paths that the thread sanitizer adds for ways around an initialisation, and
# guesses without the optimiser; clang does not know that warning.
NO_GUESSES := -Wno-unknown-warning-option -Wno-maybe-uninitialized
FLAGS_tsan = -O1 -U_FORTIFY_SOURCE -fsanitize=thread $(SANITIZE) $(NO_GUESSES)
FLAGS_cover = -O0 -U_FORTIFY_SOURCE --coverage $(NO_GUESSES)
FLAGS_fuzz = -O1 -U_FORTIFY_SOURCE -fsanitize=fuzzer-no-link,address,undefined $(SANITIZE)
LINK_release =
LINK_asan = -fsanitize=address,undefined
LINK_tsan = -fsanitize=thread
LINK_cover = --coverage
LINK_fuzz = -fsanitize=fuzzer,address,undefined

CPPFLAGS_ALL = -D_GNU_SOURCE -DSALLYPORT_VERSION='"$(VERSION)"' -Isrc -Itests \
	$(PACKAGE_CFLAGS) $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 -g -pthread $(WARNINGS) $(HARDENING) $(FLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed \
	$(LINK_$(VARIANT)) $(LDFLAGS)

# ---------------------------------------------------------------- files

# Folders of src/, highest floor first: the order in which the linker wants their archives.
FLOORS := ctl proxy conf obs tls policy net cert http base
floor_sources = $(sort $(wildcard src/$(1)/*.c))
objects = $(patsubst %.c,$(O)/obj/%.o,$(1))
archive = $(O)/lib/lib$(1).a
BUILT_FLOORS := $(foreach f,$(FLOORS),$(if $(call floor_sources,$(f)),$(f)))
ARCHIVES := $(foreach f,$(BUILT_FLOORS),$(call archive,$(f)))

SUPPORT := $(sort $(filter-out tests/support/replay_main.c tests/support/count_preload.c,\
	$(wildcard tests/support/*.c)))
LIBTEST := $(O)/lib/libtest.a
UNIT := $(sort $(wildcard tests/unit/test_*.c))
GOLDEN := $(sort $(wildcard tests/golden/*.c))
SCENARIO := $(sort $(wildcard tests/scenario/*.c))
FUZZ := $(sort $(wildcard tests/fuzz/fuzz_*.c))
PKI := $(sort $(wildcard tests/pki/*.c))
EMULATOR := $(sort $(wildcard tests/emulator/*.c))
LOADGEN := $(sort $(wildcard bench/loadgen/*.c))

# The release programs stand where users look for them, the others in their variant's folder.
P := $(if $(filter release,$(VARIANT)),$(BUILD),$(O))
MAIN := $(if $(wildcard src/main.c),$(P)/sallyport)
TOOLS := $(if $(EMULATOR),$(P)/execute-api) $(if $(LOADGEN),$(P)/loadgen) $(if $(PKI),$(P)/mkpki)

UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT))
GOLDEN_PROGRAMS := $(patsubst tests/golden/%.c,$(O)/golden/%,$(GOLDEN))
SCENARIO_PROGRAMS := $(patsubst tests/scenario/%.c,$(O)/scenario/%,$(SCENARIO))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(O)/%,$(FUZZ))
REPLAY_PROGRAMS := $(patsubst tests/fuzz/%.c,$(O)/replay/%,$(FUZZ))

# What a scenario or golden test starts.
export SALLYPORT := $(P)/sallyport
export EXECUTE_API := $(P)/execute-api
export LOADGEN_BIN := $(P)/loadgen
export MKPKI := $(P)/mkpki
export BUILD CC

# ---------------------------------------------------------------- users' targets

.PHONY: all run test demo-pki bench asan tsan fuzz cover tidy format install help \
	deps deps-check unit asan-unit lint golden scenario replay check programs \
	unit-programs test-programs fuzz-programs clean

all: $(MAIN) $(TOOLS) ## build the programs into build/

programs: all

run: ## install what is missing, build, start the demo; Ctrl-C ends it
	$(Q)sh deploy/deps.sh build
	$(Q)$(MAKE) -j$(JOBS) all
	$(Q)sh deploy/demo.sh

test: ## install what is missing, then lint, unit, golden, scenario, replay
	$(Q)sh deploy/deps.sh build test
	$(Q)$(MAKE) -j$(JOBS) all
	$(Q)broken=; $(MAKE) -k -j$(JOBS) VARIANT=asan test-programs || broken=yes; \
		BROKEN_BUILD=$$broken $(MAKE) VARIANT=asan run-tests

demo-pki: ## make build/demo/: certificates, keys and lists of the demo
	$(Q)$(MAKE) -j$(JOBS) $(BUILD)/mkpki
	$(BUILD)/mkpki demo $(BUILD)/demo

bench: bench-programs ## measure side by side with nginx, HAProxy and nghttpx
	$(Q)sh bench/run.sh
	$(Q)sh bench/lists.sh
	$(Q)sh bench/sweep.sh

# One row of it: bench-handshake, bench-h1, ...
BENCH_ROWS := handshake clients cold crl resumed h1 h2 download upload latency idle
.PHONY: bench-programs bench-lists bench-sweep $(addprefix bench-,$(BENCH_ROWS))
$(addprefix bench-,$(BENCH_ROWS)): bench-%: bench-programs
	$(Q)sh bench/run.sh $*

bench-lists: bench-programs ## what a revocation list of a million entries costs
	$(Q)sh bench/lists.sh

bench-sweep: bench-programs ## how soon a revoked client is gone, and whom a reload touches
	$(Q)sh bench/sweep.sh

bench-programs:
	$(Q)sh deploy/deps.sh build bench
	$(Q)$(MAKE) -j$(JOBS) all $(BUILD)/crl_load $(BUILD)/count_preload.so

asan: ## build everything with AddressSanitizer and UBSan into build/asan/
	$(Q)$(MAKE) -j$(JOBS) VARIANT=asan all test-programs

tsan: ## build with ThreadSanitizer into build/tsan/ and run the unit and scenario tests
	$(Q)$(MAKE) -j$(JOBS) VARIANT=tsan all test-programs
	$(Q)$(MAKE) VARIANT=tsan run-dynamic-tests

fuzz: ## run each fuzz target FUZZ_SECONDS (60) long; T=fuzz_x runs one
	$(Q)sh deploy/deps.sh build fuzz
	$(Q)$(MAKE) -j$(JOBS) VARIANT=fuzz CC=$(FUZZ_CC) fuzz-programs
	$(Q)sh tests/fuzz.sh $(BUILD)/fuzz $(FUZZ_SECONDS) \
		$(or $(T),$(patsubst tests/fuzz/%.c,%,$(FUZZ)))

cover: ## line and branch coverage by floor
	$(Q)$(MAKE) -j$(JOBS) VARIANT=cover all test-programs
	$(Q)find $(BUILD)/cover -name '*.gcda' -exec rm -f {} +
	$(Q)$(MAKE) VARIANT=cover run-dynamic-tests || true
	$(Q)sh tests/cover.sh $(BUILD)/cover

tidy: ## clang-tidy over src/
	$(Q)sh deploy/deps.sh build fuzz
	$(Q)$(MAKE) run-tidy

format: ## clang-format over all C files
	$(Q)sh tests/lint/format.sh --fix

install: all ## install the program, units and examples below DESTDIR and PREFIX
	install -D -m 0755 $(BUILD)/sallyport $(DESTDIR)$(PREFIX)/sbin/sallyport
	$(Q)sh deploy/install.sh '$(DESTDIR)' '$(PREFIX)'

deps: ## install and upgrade the packages that building and testing need
	$(Q)sh deploy/deps.sh build test

unit: ## unit tests; T=test_x runs one
	$(Q)$(MAKE) -j$(JOBS) VARIANT=$(VARIANT) $(if $(T),$(O)/unit/$(T),unit-programs)
	$(Q)$(if $(T),$(abspath $(O)/unit/$(T)),sh tests/run-tests.sh unit $(UNIT_PROGRAMS))

asan-unit: ## unit tests with ASan and UBSan; T=test_x runs one
	$(Q)$(MAKE) VARIANT=asan unit

lint: ## floors, lengths, words, format and the other lints
	-$(Q)$(MAKE) -k -j$(JOBS) VARIANT=release all
	$(Q)sh tests/run-tests.sh lint $(sort $(wildcard tests/lint/*.sh))

golden: ## exact bytes: logs, headers, bodies
	$(Q)$(MAKE) -j$(JOBS) VARIANT=$(VARIANT) all $(GOLDEN_PROGRAMS)
	$(Q)sh tests/run-tests.sh golden $(GOLDEN_PROGRAMS)

scenario: ## the whole gateway, one promise each; T=name runs one
	$(Q)$(MAKE) -j$(JOBS) VARIANT=$(VARIANT) all $(if $(T),$(O)/scenario/$(T),$(SCENARIO_PROGRAMS))
	$(Q)$(if $(T),$(abspath $(O)/scenario/$(T)),sh tests/run-tests.sh scenario $(SCENARIO_PROGRAMS))

replay: ## feed the fuzz corpus and every past crash to the parsers, with ASan and UBSan
	$(Q)$(MAKE) -j$(JOBS) VARIANT=asan replay-programs
	$(Q)$(MAKE) VARIANT=asan run-replay

check: lint unit ## lint and unit: the quick round before a commit

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

clean: ## remove build/
	rm -rf $(BUILD)

# ---------------------------------------------------------------- used by the targets above

.PHONY: run-tests run-dynamic-tests run-replay run-tidy replay-programs
unit-programs: $(UNIT_PROGRAMS)
replay-programs: $(REPLAY_PROGRAMS)
fuzz-programs: $(FUZZ_PROGRAMS)
test-programs: all $(UNIT_PROGRAMS) $(GOLDEN_PROGRAMS) $(SCENARIO_PROGRAMS) $(REPLAY_PROGRAMS)

DYNAMIC_TESTS = unit $(UNIT_PROGRAMS) golden $(GOLDEN_PROGRAMS) scenario $(SCENARIO_PROGRAMS) \
	replay $(REPLAY_PROGRAMS)
run-tests:
	$(Q)sh tests/run-tests.sh lint $(sort $(wildcard tests/lint/*.sh)) $(DYNAMIC_TESTS)
run-dynamic-tests:
	$(Q)sh tests/run-tests.sh $(DYNAMIC_TESTS)
run-replay:
	$(Q)sh tests/run-tests.sh replay $(REPLAY_PROGRAMS)
TIDY_FLAGS = -D_GNU_SOURCE -DSALLYPORT_VERSION=\"$(VERSION)\" -Isrc -std=gnu11
run-tidy:
	$(Q)printf '%s\n' $(wildcard src/*/*.c src/*.c) | xargs -P $(JOBS) -n 4 \
		sh -c 'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS)' tidy

# ---------------------------------------------------------------- rules

# Says what is missing before the compiler does; quick when nothing is.
deps-check:
	$(Q)sh deploy/deps.sh --check $(CC)

# Objects are rebuilt when the compiler or its flags change.
.PHONY: force
$(O)/flags: force | deps-check
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL))' \
		>$@.$$$$; \
		if cmp -s $@ $@.$$$$; then rm -f $@.$$$$; else mv -f $@.$$$$ $@; fi

say = @printf '  %-5s %s\n' '$(1)' '$(2)'

$(O)/obj/%.o: %.c $(O)/flags
	$(call say,CC,$(if $(filter release,$(VARIANT)),,$(VARIANT) )$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) \
		-MMD -MP -MT $@ -MF $@.$$$$.d -c $< -o $@.$$$$ && \
		mv -f $@.$$$$.d $(@:.o=.d) && mv -f $@.$$$$ $@ || { rm -f $@.$$$$ $@.$$$$.d; exit 1; }

make_archive = mkdir -p $(@D) && rm -f $@.$$$$ && ar rcs $@.$$$$ $(1) && mv -f $@.$$$$ $@
link = mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@.$$$$ $(1) \
	&& mv -f $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }

define floor_archive
$(call archive,$(1)): $(call objects,$(call floor_sources,$(1)))
	$$(Q)$$(call make_archive,$$(filter %.o,$$^))
endef
$(foreach f,$(BUILT_FLOORS),$(eval $(call floor_archive,$(f))))

$(LIBTEST): $(call objects,$(SUPPORT))
	$(Q)$(call make_archive,$(filter %.o,$^))

$(P)/sallyport: $(call objects,src/main.c) $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(call link,$^ $(PACKAGE_LIBS) -lm)

# tool, sources
define tool
$(P)/$(1): $(call objects,$(2)) $(LIBTEST) $(ARCHIVES)
	$$(call say,LINK,$$@)
	$$(Q)$$(call link,$$^ $$(PACKAGE_LIBS) -lm)
endef
$(eval $(call tool,execute-api,$(EMULATOR)))
$(eval $(call tool,loadgen,$(LOADGEN)))
$(eval $(call tool,mkpki,$(PKI)))
$(eval $(call tool,crl_load,bench/crl_load.c))

# A unit test links the floors that the file it tests may use, and no others: a test of a low
# floor is built and run while a higher one is broken, and a call upwards does not link. Nor
# does it wait for the rest of tests/support when support/unit.h is all it includes.
has_file = $(wildcard src/$(1)/$(2).c src/$(1)/$(2).h)
floor_of = $(firstword $(foreach f,$(FLOORS),$(if $(call has_file,$(f),$(1)),$(f))))
GRANTS := $(shell awk -F: '!/^#/ { gsub(/ /, "", $$1); n = split($$2, g, " "); \
	for (i = 1; i <= n; i++) print $$1 ":" g[i] }' src/FLOORS)
floor_grants = $(patsubst $(1):%,%,$(filter $(1):%,$(GRANTS)))
reach = $(if $(1),$(filter $(1) $(call floor_grants,$(1)),$(BUILT_FLOORS)),$(BUILT_FLOORS))
NEEDS_LIBTEST := $(if $(UNIT),$(shell grep -lE '"support/([^u]|u[^n])' $(UNIT)))
support_of = $(if $(filter %/$(1).c,$(NEEDS_LIBTEST)),$(LIBTEST),$(O)/obj/tests/support/unit.o)
define unit_program
$(O)/unit/$(1): $(O)/obj/tests/unit/$(1).o $(call support_of,$(1)) \
		$(foreach f,$(call reach,$(call floor_of,$(1:test_%=%))),$(call archive,$(f)))
	$$(call say,LINK,$$@)
	$$(Q)$$(call link,$$^ $$(WRAPPED_$(1):%=-Wl,--wrap=%) $$(CMOCKA_LIBS) $$(PACKAGE_LIBS) -lm)
endef
# Functions that a unit test replaces, to see what happens when they are broken.
WRAPPED_test_snapshot_selftest := trust_revocation verify_chain crl_find
$(foreach u,$(patsubst tests/unit/%.c,%,$(UNIT)),$(eval $(call unit_program,$(u))))

$(GOLDEN_PROGRAMS) $(SCENARIO_PROGRAMS): $(O)/%: $(O)/obj/tests/%.o $(LIBTEST) $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(call link,$^ $(CMOCKA_LIBS) $(PACKAGE_LIBS) -lm)

# Counts allocations and system calls of the release program; never built with a sanitizer.
$(BUILD)/count_preload.so: tests/support/count_preload.c tests/support/count_preload.h
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g -fPIC -shared $(WARNINGS) \
		-o $@.$$$$ $< && mv -f $@.$$$$ $@
$(addprefix $(O)/scenario/,05_loadgen 52_stalls 70_budget): | $(BUILD)/count_preload.so

$(REPLAY_PROGRAMS): $(O)/replay/%: $(O)/obj/tests/fuzz/%.o $(O)/obj/tests/support/replay_main.o \
		$(LIBTEST) $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(call link,$^ $(PACKAGE_LIBS) -lm)

$(FUZZ_PROGRAMS): $(O)/%: $(O)/obj/tests/fuzz/%.o $(LIBTEST) $(ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(call link,$^ $(PACKAGE_LIBS) -lm)

.SECONDARY:
-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
