# reel: see `make help`.
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD := build
OPT := -O2
ifdef ASAN
BUILD := build/asan
OPT := -O1 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
endif
PREFIX ?= /usr/local
DESTDIR ?=
CLANG_FORMAT ?= clang-format

# Upper rooms first; each may include only rooms behind it (`make layers`).
ROOMS := cmd replay tracer trace dwarf config base

CPPFLAGS += -D_GNU_SOURCE -I. -MMD -MP
CFLAGS += -std=gnu11 -g $(OPT) -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
          -Wvla -Werror
LDFLAGS += $(OPT)
LDLIBS := -lzstd -lz -lxxhash -lZydis -lelf -lcjson -ldwarf -liberty -ldl -lm -lpthread

# Debian 12 packages: to build, and to test.
PACKAGES := gcc libc6-dev make libzydis-dev libzstd-dev zlib1g-dev libxxhash-dev libcjson-dev libelf-dev libdwarf-dev \
            libiberty-dev
TEST_PACKAGES := $(PACKAGES) g++ gfortran check pkg-config python3 python3.11-dbg strace binutils util-linux procps tcl \
                 libc++-14-dev libc++abi-14-dev dwz llvm debuginfod gdb perl sqlite3 \
                 $(shell cat tests/programs/packages 2>/dev/null)
LINT_PACKAGES := clang clang-format cppcheck shellcheck

room_sources = $(wildcard $(1)/*.c)
room_objects = $(patsubst %.c,$(BUILD)/%.o,$(call room_sources,$(1)))
LIBRARY_ROOMS := $(foreach room,$(filter-out cmd,$(ROOMS)),$(if $(call room_sources,$(room)),$(room)))
LIBRARIES := $(foreach room,$(LIBRARY_ROOMS),$(BUILD)/lib$(room).a)
ALL_C := $(wildcard $(addsuffix /*.c,$(ROOMS))) tracer/sysbuf/blob.c
ALL_H := $(wildcard $(addsuffix /*.h,$(ROOMS))) tracer/sysbuf/shared.h
TEST_C := $(wildcard tests/unit/*.c tests/fuzz/*.c tests/patch/*.[ch] tests/patch/programs/* tests/bench/*.c tests/victims/*.c tests/victims/*.cc \
          tests/tracing/*.c tests/tracing/*.cc tests/crash/*.c tests/crash/*.cc tests/crash/*.h tests/debug/*.c)

.PHONY: all setup setup-tests demo check bench soak layers lint format help install uninstall clean unit-tests fuzzers patchers

all: $(BUILD)/reel

help:
	@echo 'make            build $(BUILD)/reel'
	@echo 'make setup      install what building needs (Debian packages, needs root)'
	@echo 'make demo       set up, build, record a real program, delete its inputs, replay it'
	@echo 'make check      set up, build and run all tests (under half an hour)'
	@echo 'make soak       the long versions of the tests'
	@echo 'make bench      what recording, replaying, tracing and watching cost, against native, strace and gdb'
	@echo 'make layers     check that imports run downwards only'
	@echo 'make lint       layers, clang-format, cppcheck, shellcheck, a build with clang'
	@echo 'make format     run clang-format over the sources'
	@echo 'make install    install below PREFIX ($(PREFIX)), staged in DESTDIR'
	@echo 'make clean      remove build/'
	@echo 'ASAN=1          build and test with the address and undefined-behaviour sanitizers'
	@echo 'CC=clang        build with clang'

$(BUILD)/reel: $(call room_objects,cmd) $(LIBRARIES)
	@echo '  LD $@'
	@# whole archives: two rooms with functions of one name do not link
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--whole-archive $(LIBRARIES) -Wl,--no-whole-archive $(LDLIBS)

define ROOM_LIBRARY
$(BUILD)/lib$(1).a: $(call room_objects,$(1))
	@echo '  AR $$@'
	@rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach room,$(LIBRARY_ROOMS),$(eval $(call ROOM_LIBRARY,$(room))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC $@'
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# ---- the agent: one freestanding image, embedded in agent_image.o ----

AGENT_BLOB := $(BUILD)/tracer/agent/blob.bin
AGENT_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding -fPIC -fvisibility=hidden -mno-mmx -mno-sse \
                -mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none -fno-builtin \
                -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -fno-sanitize=all
$(AGENT_BLOB): tracer/agent/blob.c tracer/agent/blob.ld tracer/agent/agent_abi.h
	@mkdir -p $(@D)
	@echo '  CC $@'
	@gcc -I. $(AGENT_CFLAGS) -c -o $(@:.bin=.o) $<
	@ld -T tracer/agent/blob.ld --oformat binary -o $@ $(@:.bin=.o)

$(BUILD)/tracer/agent_image.o: CPPFLAGS += -DAGENT_BLOB='"$(AGENT_BLOB)"'
$(BUILD)/tracer/agent_image.o: $(AGENT_BLOB)

# The code that is put into programs: freestanding, at its address, without what sanitizers and the compiler's own
# hardening would add (tracer/sysbuf/blob.c).
BLOB := $(BUILD)/tracer/sysbuf/blob
BLOB_FLAGS := -std=gnu11 -O2 -g0 -ffreestanding -fno-pic -fno-pie -mgeneral-regs-only -mno-red-zone -fno-stack-protector \
              -fcf-protection=none -fno-asynchronous-unwind-tables -fno-builtin -fno-tree-loop-distribute-patterns \
              -Wall -Wextra -Werror
ifneq ($(findstring clang,$(CC)),)
BLOB_FLAGS := $(filter-out -fno-tree-loop-distribute-patterns,$(BLOB_FLAGS))
endif

$(BLOB).bin: tracer/sysbuf/blob.c tracer/sysbuf/shared.h tracer/sysbuf/blob.ld
	@mkdir -p $(@D)
	@echo '  CC $@'
	@$(CC) -I. $(BLOB_FLAGS) -c -o $(BLOB).o $<
	@$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-T,tracer/sysbuf/blob.ld -o $(BLOB).elf $(BLOB).o
	@objcopy -O binary -j .blob $(BLOB).elf $@

$(BUILD)/tracer/sysbuf.o: CPPFLAGS += -DSYSBUF_BLOB='"$(BLOB).bin"'
$(BUILD)/tracer/sysbuf.o: $(BLOB).bin

# ---- tests ----

# Each suite is linked with the rooms at or beneath its own only: a header that reaches up does not link.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
UNIT_base := test_base test_truncated test_worker
UNIT_config := test_config
UNIT_trace := test_trace test_summary
UNIT_dwarf := test_elf test_frame test_location test_cfi test_unwind test_module test_function test_variable test_line \
              test_type test_value test_abi test_calls test_expression
UNIT_tracer := test_maps test_handover test_gate test_syscall test_outputs test_decode test_insn test_vdso test_capability test_displaced test_trap \
               test_attach test_code test_plan test_window test_crash test_process test_patch test_ring test_sysbuf
# The room of a suite (replay, unless it is listed), and the rooms it may be linked with.
unit_room = $(or $(strip $(foreach room,base config trace dwarf tracer,$(if $(filter $(1),$(UNIT_$(room))),$(room)))),replay)
BENEATH_base := base
BENEATH_config := config base
BENEATH_trace := trace config base
BENEATH_dwarf := dwarf base
BENEATH_tracer := tracer trace dwarf config base
BENEATH_replay := replay tracer trace dwarf config base
rooms_from = $(BENEATH_$(1))
unit_libraries = $(foreach room,$(filter $(LIBRARY_ROOMS),$(call rooms_from,$(call unit_room,$(1)))),$(BUILD)/lib$(room).a)

unit-tests: $(UNIT_TESTS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIBRARIES)
	@echo '  LD $@'
	@$(CC) $(LDFLAGS) -o $@ $< $(call unit_libraries,$*) -lcheck -lsubunit -lm -lrt -lpthread $(LDLIBS)

# Programs that patch others (tests/patch).
PATCHERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/patch/*.c))
patchers: $(PATCHERS)

$(BUILD)/tests/patch/%: $(BUILD)/tests/patch/%.o $(LIBRARIES)
	@echo '  LD $@'
	@$(CC) $(LDFLAGS) -o $@ $< $(foreach room,$(BENEATH_tracer),$(BUILD)/lib$(room).a) $(LDLIBS)

FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzzers: $(FUZZERS)

# The smoke runs mutate seeds by themselves; `CC=clang FUZZ=1` builds real libFuzzer programs from the same sources.
FUZZ_FLAGS := $(if $(FUZZ),-fsanitize=fuzzer,-DFUZZ_SMOKE)
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIBRARIES)
	@mkdir -p $(@D)
	@echo '  CC $@'
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(FUZZ_FLAGS) -o $@ $< $(LIBRARIES) $(LDLIBS)

APT_INSTALL := ./tests/apt-install.sh

setup:
	@$(APT_INSTALL) $(PACKAGES)

setup-tests:
	@$(APT_INSTALL) $(TEST_PACKAGES) $(LINT_PACKAGES)

check: setup-tests
	@$(MAKE) --no-print-directory check-built

check-built: all unit-tests patchers lint
	@$(MAKE) --no-print-directory ASAN=1 all fuzzers unit-tests
	@tests/run.sh all

soak: setup-tests all unit-tests patchers
	@$(MAKE) --no-print-directory ASAN=1 all fuzzers unit-tests
	@SOAK=1 tests/run.sh all

bench: setup-tests all
	@tests/bench/bench.sh
	@tests/bench/trace.sh
	@tests/bench/peers.sh
	@tests/bench/watch.sh

demo: setup
	@$(MAKE) --no-print-directory all
	@tests/demo.sh $(BUILD)/reel

layers:
	@tests/layers.sh

lint: layers
	@$(CLANG_FORMAT) --dry-run --Werror $(ALL_C) $(ALL_H) $(TEST_C)
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability,performance --std=c11 \
	  --suppress=missingIncludeSystem --suppress=readdirCalled -D_GNU_SOURCE -D__x86_64__ -I. $(ALL_C)
	@shellcheck -S warning $(shell find tests .ci -name '*.sh') .ci/run
	@$(MAKE) --no-print-directory CC=clang BUILD=build/clang all >/dev/null

format:
	@$(CLANG_FORMAT) -i $(ALL_C) $(ALL_H) $(TEST_C)

install: all
	install -D -m 755 $(BUILD)/reel $(DESTDIR)$(PREFIX)/bin/reel
	for page in man/*.[1-8]; do \
	  install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$(basename $$page) || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/reel
	for page in man/*.[1-8]; do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$(basename $$page); done

clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
