/* fuzz_unwind: any bytes at all as an ELF file that is unwound by, or as a section of call frame information.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of the frame sections of seed files for a while, the same ones every time: fuzz_unwind
 * SEED ROUNDS FILE... */
#include "dwarf/cfi.h"
#include "dwarf/cfi_index.h"
#include "dwarf/unwind.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUNCTIONS_MAX 48 /* of an input are looked at: it is the kinds that matter */

static size_t rows_seen, steps_seen; /* so that the smoke test knows that it reached the depths */

static void require(bool condition) {
    if (!condition)
        abort();
}

/* A stack of zeros and small numbers, with holes. */
static size_t read_some(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    size_t count = 0;
    for (; count < size && (address + count) % 4096 < 4000; count++)
        ((uint8_t *)ret)[count] = (uint8_t)((address + count) % 8 ? 0 : (address + count) >> 3);
    return count;
}

static void step_at(const struct unwind_table *table, uint64_t vaddr) {
    static const struct memory_reader memory = {.read = read_some};
    struct frame_registers frame = {.known = (1u << FRAME_REGISTERS) - 1}, caller;
    uint64_t cfa;
    bool is_signal;
    for (uint64_t i = 0; i < FRAME_REGISTERS; i++)
        frame.value[i] = 0x7000 + i * 0x800;
    frame.value[FRAME_RIP] = vaddr + 0x1000;
    struct error *err = unwind_step(table, 0x1000, &frame, &memory, &cfa, &caller, &is_signal);
    steps_seen += !err;
    error_free(err);
}

static void use_range(const struct unwind_table *table, const struct unwind_range *range) {
    struct cfi_row row;
    uint64_t low, high;
    for (uint64_t part = 0; part < 3; part++) {
        uint64_t at = range->low + (range->high - 1 - range->low) / 2 * part;
        struct error *err = unwind_row(table, at, &row);
        if (!err) {
            rows_seen++;
            require(row.low <= at || row.low == 0);
        }
        error_free(err);
        if (unwind_function_range(table, at, &low, &high))
            require(low <= at && at < high);
        step_at(table, at);
    }
}

static void use_image(const struct elf_image *image) {
    struct unwind_table *table;
    struct unwind_range *ranges;
    size_t count;
    require(!unwind_table_create(image, image, &table));
    require(!unwind_ranges(table, &ranges, &count));
    for (size_t i = 0; i < count; i++) {
        require(ranges[i].low < ranges[i].high && (!i || ranges[i - 1].low < ranges[i].low));
        if (i < FUNCTIONS_MAX || i % 64 == 0)
            use_range(table, &ranges[i]);
    }
    step_at(table, image->entry);
    free(ranges);
    unwind_table_destroy(table);
}

/* Every record of a section. */
static void use_section(const uint8_t *data, size_t size, bool is_eh_frame) {
    struct cfi_section section = {.data = data, .size = size, .vaddr = 0x4000, .is_eh_frame = is_eh_frame};
    struct cfi_cie cie = {.end = 0};
    enum cfi_record kind = CFI_RECORD_PADDING;
    size_t next = 0, seen = 0;
    while (kind != CFI_RECORD_END && seen < FUNCTIONS_MAX) {
        size_t offset = next;
        struct cfi_fde fde;
        struct cfi_row row;
        struct error *err = cfi_read_record(&section, offset, &kind, &next);
        if (err) {
            error_free(err);
            return;
        }
        require(next > offset || kind == CFI_RECORD_END);
        if (kind != CFI_RECORD_FDE)
            continue;
        seen++;
        err = cfi_read_fde(&section, offset, &cie, &fde);
        if (!err)
            err = cfi_execute(&section, &cie, &fde, UINT64_MAX, &row); /* all instructions */
        rows_seen += !err;
        error_free(err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct elf_image image;
    struct error *err = elf_image_init(&image, data, size, "fuzz");
    if (!err) {
        use_image(&image);
        elf_image_deinit(&image);
    } else {
        use_section(data, size, true);
        use_section(data, size, false);
    }
    error_free(err);
    return 0;
}

#ifdef FUZZ_SMOKE

#include <stdio.h>

/* Larger seeds are not for this: each round copies the file. */
#define SEED_MAX (1 << 20)

static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

struct area {
    size_t begin, size;
};

/* Numbers that parsers stumble over, and bytes that are instructions. */
static uint64_t nasty_number(void) {
    static const uint64_t numbers[] = {0,    1,          4,          0x7f,      0x80,
                                       0xff, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX - 7};
    return next_random() & 1 ? numbers[next_random() % (sizeof(numbers) / sizeof(numbers[0]))]
                             : next_random() % 0x40;
}

static void mutate(uint8_t *data, size_t size, const struct area *area) {
    for (uint64_t count = 1 + next_random() % 6; count; count--) {
        bool aside = next_random() % 16 == 0; /* anywhere in the file */
        size_t begin = aside ? 0 : area->begin, room = aside ? size : area->size;
        size_t at = begin + next_random() % room, width = (size_t)1 << (next_random() & 3);
        uint64_t value = next_random() % 4 ? nasty_number() : next_random();
        if (width > size - at)
            width = size - at;
        memcpy(data + at, &value, width);
    }
}

static void run_mutation(const uint8_t *seed, size_t size, const struct area *area) {
    uint8_t *data = malloc(size); /* exactly as big, so that ASAN sees a read beyond */
    if (!data)
        return;
    memcpy(data, seed, size);
    mutate(data, size, area);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

/* The bytes of a section. */
static struct area find_area(const struct elf_image *image, const char *name) {
    struct elf_section section;
    if (!elf_find_section(image, name, &section) || section.type == SHT_NOBITS || !section.size ||
        !elf_bytes(image, section.offset, section.size))
        return (struct area){0, 0};
    return (struct area){section.offset, section.size};
}

static void run_image(const uint8_t *seed, size_t size, unsigned long rounds) {
    static const char *const names[] = {".eh_frame", ".eh_frame_hdr", ".eh_frame", ".debug_frame"};
    struct elf_image image;
    require(!elf_image_init(&image, seed, size, "seed"));
    for (unsigned long i = 0; i < rounds; i++) {
        struct area area = find_area(&image, names[i % 4]);
        struct area frames = find_area(&image, i % 4 == 3 && area.size ? ".debug_frame" : ".eh_frame");
        if (!frames.size)
            frames = find_area(&image, ".debug_frame");
        if (!area.size)
            area = frames;
        require(frames.size != 0);
        if (i % 8 < 2) { /* the whole file costs more */
            run_mutation(seed, size, &area);
        } else {
            size_t part = frames.size < 2048 ? frames.size : 2048;
            run_mutation(seed + frames.begin, part, &(struct area){0, part});
        }
    }
    elf_image_deinit(&image);
}

static int run_file(const char *name, unsigned long rounds) {
    FILE *file = fopen(name, "rb");
    uint8_t *seed = malloc(SEED_MAX);
    size_t size = file && seed ? fread(seed, 1, SEED_MAX, file) : 0;
    if (file)
        fclose(file);
    if (!size || size == SEED_MAX) {
        fprintf(stderr, "%s: cannot be read, or too large\n", name);
        free(seed);
        return 1;
    }
    LLVMFuzzerTestOneInput(seed, size);
    run_image(seed, size, rounds);
    free(seed);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: %s SEED ROUNDS FILE...\n", argv[0]);
        return 2;
    }
    state = strtoull(argv[1], NULL, 0) | 1; /* xorshift stands still at 0 */
    int failed = 0;
    for (int i = 3; i < argc; i++)
        failed |= run_file(argv[i], strtoul(argv[2], NULL, 0));
    printf("fuzz_unwind: %zu rows, %zu steps\n", rows_seen, steps_seen);
    return failed || !rows_seen || !steps_seen;
}

#endif
