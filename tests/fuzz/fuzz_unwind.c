/* fuzz_unwind: any bytes at all as an ELF file that is unwound by, or as a section of call frame information.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of the frame sections of seed files for a while, the same ones every time: fuzz_unwind
 * SEED ROUNDS FILE... */
#include "dwarf/cfi.h"
#include "dwarf/cfi_index.h"
#include "dwarf/unwind.h"
#include "tests/fuzz/smoke.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_MAX 48 /* of an input are looked at: it is the kinds that matter */

static size_t rows_seen, steps_seen; /* so that the smoke test knows that it reached the depths */

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
            require(row.low <= at || row.low == 0, "a row that begins behind its place");
        }
        error_free(err);
        if (unwind_function_range(table, at, &low, &high))
            require(low <= at && at < high, "a function that does not hold its place");
        step_at(table, at);
    }
}

static void use_image(const struct elf_image *image) {
    struct unwind_table *table;
    struct unwind_range *ranges;
    size_t count;
    require(!unwind_table_create(image, image, &table), "no table");
    require(!unwind_ranges(table, &ranges, &count), "no ranges");
    for (size_t i = 0; i < count; i++) {
        require(ranges[i].low < ranges[i].high && (!i || ranges[i - 1].low < ranges[i].low),
                "ranges out of order");
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
        require(next > offset || kind == CFI_RECORD_END, "a record without bytes");
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

/* Larger seeds are not for this: each round copies the file. */
#define SEED_MAX (1 << 20)

/* Bytes of call frame information are instructions, too. */
static uint64_t pick_value(void) {
    switch (next_random() % 8) {
    case 0:
    case 1:
        return next_random();
    case 2:
    case 3:
    case 4:
        return next_random() % 0x40;
    default:
        return nasty_number();
    }
}

static void run_mutation(const uint8_t *seed, size_t size, const struct area *area) {
    uint8_t *data = smoke_copy(seed, size);
    for (uint64_t count = 1 + next_random() % 6; count; count--) {
        bool aside = next_random() % 16 == 0; /* anywhere in the file */
        smoke_poke(data, size, aside ? (struct area){0, size} : *area, pick_value());
    }
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

static void run(const uint8_t *seed, size_t size, unsigned long rounds) {
    static const char *const names[] = {".eh_frame", ".eh_frame_hdr", ".eh_frame", ".debug_frame"};
    struct elf_image image;
    require(!elf_image_init(&image, seed, size, "seed"), "a seed that is no ELF file");
    for (unsigned long i = 0; i < rounds; i++) {
        struct area area = find_area(&image, names[i % 4]);
        struct area frames = find_area(&image, i % 4 == 3 && area.size ? ".debug_frame" : ".eh_frame");
        if (!frames.size)
            frames = find_area(&image, ".debug_frame");
        if (!area.size)
            area = frames;
        require(frames.size != 0, "a seed without frames");
        if (i % 8 < 2) { /* the whole file costs more */
            run_mutation(seed, size, &area);
        } else {
            size_t part = frames.size < 2048 ? frames.size : 2048;
            run_mutation(seed + frames.begin, part, &(struct area){0, part});
        }
    }
    elf_image_deinit(&image);
}

int main(int argc, char **argv) {
    int failed = smoke_main(argc, argv, SEED_MAX, run);
    printf("fuzz_unwind: %zu rows, %zu steps\n", rows_seen, steps_seen);
    return failed || !rows_seen || !steps_seen;
}

#endif
