# reel: see `make help`.
CC ?= gcc
BUILD := build
OPT := -O2
ifdef ASAN
BUILD := build/asan
OPT := -O1 -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
endif
PREFIX ?= /usr/local
CLANG_FORMAT ?= clang-format

# Lower rooms first; each may include only rooms on its right-hand side (tests/layers.sh).
ROOMS := cmd replay tracer trace dwarf config base

CPPFLAGS += -D_GNU_SOURCE -I. -MMD -MP
CFLAGS += -std=gnu11 -g $(OPT) -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
          -Wvla -Werror
LDFLAGS += $(OPT)
LDLIBS := -lzstd -lxxhash -lZydis -lelf -lcjson

PACKAGES := gcc make libzydis-dev libzstd-dev libxxhash-dev libcjson-dev libelf-dev libdwarf-dev
TEST_PACKAGES := $(PACKAGES) check pkg-config python3 strace clang

SOURCES = $(wildcard $(1)/*.c)
OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(call SOURCES,$(1)))
LIBRARIES := $(foreach room,$(filter-out cmd,$(ROOMS)),$(if $(call SOURCES,$(room)),$(BUILD)/lib$(room).a))

all: $(BUILD)/reel

$(BUILD)/reel: $(call OBJECTS,cmd) $(LIBRARIES)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARIES) $(LDLIBS)

define ROOM_LIBRARY
$(BUILD)/lib$(1).a: $(call OBJECTS,$(1))
	rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach room,$(filter-out cmd,$(ROOMS)),$(eval $(call ROOM_LIBRARY,$(room))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
