/* fuzz_value: any bytes at all as a value of any type of a real program, in a memory that holds anything.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target, for the types of its own debug information. Built
 * with -DFUZZ_SMOKE it is a program of its own that makes up bytes for the types of the files for a while,
 * the same ones every time: fuzz_value SEED ROUNDS FILE... */
#include "dwarf/abi.h"
#include "dwarf/value.h"
#include "tests/fuzz/smoke.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <libdwarf/dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t values_seen, followed_seen; /* so that the smoke test knows that it reached the depths */

/* ---- the types of a file ---- */

#define TYPES_MAX 20000

static struct {
    int fd;
    Dwarf_Debug dwarf;
    struct types *types;
    const struct type *list[TYPES_MAX];
    size_t count;
} victim = {.fd = -1};

static bool is_type(Dwarf_Half tag) {
    switch (tag) {
    case DW_TAG_base_type:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_array_type:
    case DW_TAG_string_type:
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
    case DW_TAG_ptr_to_member_type:
    case DW_TAG_typedef:
    case DW_TAG_const_type:
    case DW_TAG_subroutine_type:
    case DW_TAG_subprogram:
    case DW_TAG_unspecified_type:
        return true;
    default:
        return false;
    }
}

static void collect(Dwarf_Die die) {
    Dwarf_Error failure = NULL;
    Dwarf_Half tag = 0;
    Dwarf_Off offset = 0;
    Dwarf_Die child = NULL;
    const struct type *type;
    dwarf_tag(die, &tag, &failure);
    if (is_type(tag) && victim.count < TYPES_MAX && dwarf_dieoffset(die, &offset, &failure) == DW_DLV_OK) {
        struct error *err = type_load(victim.types, offset, &type);
        if (!err)
            victim.list[victim.count++] = type;
        error_free(err);
    }
    int result = dwarf_child(die, &child, &failure);
    while (result == DW_DLV_OK) {
        Dwarf_Die next = NULL;
        collect(child);
        result = dwarf_siblingof_b(victim.dwarf, child, true, &next, &failure);
        dwarf_dealloc_die(child);
        child = next;
    }
}

static void open_victim(const char *path) {
    Dwarf_Error failure = NULL;
    Dwarf_Unsigned next = 0;
    victim.fd = open(path, O_RDONLY | O_CLOEXEC);
    require(victim.fd >= 0 && dwarf_init_b(victim.fd, DW_DLC_READ, DW_GROUPNUMBER_ANY, NULL, NULL,
                                           &victim.dwarf, &failure) == DW_DLV_OK,
            "no debug information");
    require(!types_create(victim.dwarf, &victim.types), "no types");
    victim.count = 0;
    while (dwarf_next_cu_header_d(victim.dwarf, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &next,
                                  NULL, &failure) == DW_DLV_OK) {
        Dwarf_Die unit = NULL;
        if (dwarf_siblingof_b(victim.dwarf, NULL, true, &unit, &failure) == DW_DLV_OK)
            collect(unit);
        dwarf_dealloc_die(unit);
    }
    require(victim.count > 0, "a file without types");
}

/* ---- a memory that is all there but for holes, the same for the same seed ---- */

static uint64_t mix(uint64_t value) {
    value = (value ^ value >> 31) * UINT64_C(0x7fb5d329728ea185);
    value = (value ^ value >> 27) * UINT64_C(0x81dadef4bc2dd44d);
    return value ^ value >> 33;
}

/* What stands in a program's memory: pointers, some of them to themselves, lengths, texts, nothing. */
static uint64_t word_at(uint64_t seed, uint64_t address) {
    uint64_t random = mix(seed ^ address);
    switch (random % 8) {
    case 0:
        return 0;
    case 1:
        return random >> 8 & 0x1f;
    case 2:
        return address + (random >> 8 & 0x1f8) - 0x100;
    case 3:
        return UINT64_C(0x7f0000000000) | (random & 0xfffff8);
    case 4:
        return random >> 8 & UINT64_C(0x7f7f7f7f7f7f7f7f);
    case 5:
        return address;
    case 6:
        return UINT64_MAX - (random >> 8 & 0xff);
    default:
        return random;
    }
}

static size_t read_some(void *context, uint64_t address, void *ret, size_t size) {
    uint64_t seed = *(const uint64_t *)context;
    size_t count = 0;
    for (; count < size; count++) {
        uint64_t at = address + count, word = at & ~UINT64_C(7);
        if (at < 4096 || mix(seed + at / 4096) % 16 == 0)
            break;
        ((uint8_t *)ret)[count] = (uint8_t)(word_at(seed, word) >> (at - word) * 8);
    }
    followed_seen += count == size;
    return count;
}

/* ---- one value ---- */

struct input {
    uint32_t type;
    uint8_t max_string, max_depth, max_elements, max_size;
    uint64_t seed;
};

static void check_text(const struct buffer *text, const struct value_options *options) {
    size_t most = options->max_size ? options->max_size : VALUE_SIZE_MAX;
    require(!buffer_check(text) && text->size > 0, "no value");
    require(text->size <= most + VALUE_SLACK + 6 * options->max_string, "a value that is too long");
    cJSON *json = cJSON_ParseWithLength((const char *)text->data, text->size);
    require(json != NULL, "a value that is no JSON");
    cJSON_Delete(json);
}

static void use_function(const struct type *type, const struct memory_reader *memory, uint64_t seed) {
    struct frame_registers registers = {.known = (1u << FRAME_REGISTERS) - 1};
    struct abi_call call;
    uint8_t bytes[64];
    for (size_t i = 0; i < FRAME_REGISTERS; i++)
        registers.value[i] = word_at(seed, 4096 + i * 8);
    struct error *err = abi_call_init(&call, type);
    if (err) {
        error_free(err);
        return;
    }
    for (size_t i = 0; i < call.argument_count; i++)
        abi_fetch(&call.arguments[i], &registers, memory, bytes, sizeof(bytes));
    abi_fetch(&call.result, &registers, memory, bytes, sizeof(bytes));
    abi_call_deinit(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input;
    struct buffer text = {0};
    if (victim.fd < 0)
        open_victim("/proc/self/exe");
    if (size < sizeof(input))
        return 0;
    memcpy(&input, data, sizeof(input));
    const struct type *type = victim.list[input.type % victim.count];
    const struct value_options options = {.max_string = input.max_string,
                                          .max_depth = input.max_depth,
                                          .max_elements = input.max_elements,
                                          .max_size = (size_t)input.max_size * 64};
    const struct memory_reader memory = {.read = read_some, .context = &input.seed};
    size -= sizeof(input);
    value_render(type, size ? data + sizeof(input) : NULL, size, &memory, &options, &text);
    check_text(&text, &options);
    values_seen++;
    if (type->kind == TYPE_FUNCTION)
        use_function(type, &memory, input.seed);
    buffer_deinit(&text);
    return 0;
}

#ifdef FUZZ_SMOKE

/* Larger objects are not for this. */
#define OBJECT_MAX 4096

/* The bytes of an object of this type, now and then too few or too many of them. */
static void run_type(uint32_t index) {
    const struct type *whole;
    struct input input = {.type = index,
                          .max_string = (uint8_t)next_random(),
                          .max_depth = next_random() % 4 ? next_random() % 8 : (uint8_t)next_random(),
                          .max_elements = next_random() % 4 ? next_random() % 16 : (uint8_t)next_random(),
                          .max_size = 1 + next_random() % 4 * 16,
                          .seed = next_random()};
    size_t size = 16;
    struct error *err = type_resolve(victim.list[index], &whole);
    if (!err && whole->has_size)
        size = whole->size < OBJECT_MAX ? (size_t)whole->size : OBJECT_MAX;
    error_free(err);
    if (next_random() % 8 == 0)
        size = next_random() % (size + 9);
    uint8_t *data = malloc(sizeof(input) + size); /* exactly as big, so that ASAN sees a read beyond */
    if (!data)
        return;
    memcpy(data, &input, sizeof(input));
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = word_at(input.seed, UINT64_C(0x7f0000001000) + i);
        memcpy(data + sizeof(input) + i, &word, size - i < 8 ? size - i : 8);
    }
    LLVMFuzzerTestOneInput(data, sizeof(input) + size);
    free(data);
}

static void close_victim(void) {
    Dwarf_Error failure = NULL;
    types_destroy(victim.types);
    dwarf_finish(victim.dwarf, &failure);
    close(victim.fd);
    victim.fd = -1;
}

/* Mostly types that lead somewhere. */
static uint32_t pick_type(void) {
    uint32_t index = 0;
    for (unsigned tries = 0; tries < 6; tries++) {
        index = (uint32_t)(next_random() % victim.count);
        switch (type_strip(victim.list[index])->kind) {
        case TYPE_STRUCT:
        case TYPE_CLASS:
        case TYPE_UNION:
        case TYPE_ARRAY:
        case TYPE_REFERENCE:
            return index;
        default:;
        }
    }
    return index;
}

int main(int argc, char **argv) {
    unsigned long rounds;
    if (!smoke_begin(argc, argv, 1, &rounds))
        return 2;
    for (int i = 3; i < argc; i++) {
        open_victim(argv[i]);
        for (unsigned long k = 0; k < rounds; k++)
            run_type(pick_type());
        printf("%s: %zu types\n", argv[i], victim.count);
        close_victim();
    }
    printf("fuzz_value: %zu values, %zu reads\n", values_seen, followed_seen);
    return !values_seen || !followed_seen;
}

#endif
