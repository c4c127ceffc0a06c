/* fuzz_elf: any bytes at all given to dwarf/elf.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files for a while, the same ones every time: fuzz_elf SEED ROUNDS FILE... */
#include "dwarf/elf.h"
#include "tests/fuzz/smoke.h"

#include <stdlib.h>
#include <string.h>

static void check_inside(const struct elf_range *ranges, size_t count, size_t size) {
    for (size_t i = 0; i < count; i++)
        if (ranges[i].offset > size || ranges[i].size > size - ranges[i].offset)
            abort();
}

static void use_image(const struct elf_image *image) {
    uint64_t *starts = NULL, value;
    size_t count;
    struct elf_range *ranges = NULL;
    struct elf_symbol *symbols = NULL;
    struct error *err = elf_function_starts(image, &starts, &count);
    for (size_t i = 1; !err && i < count; i++)
        if (starts[i] < starts[i - 1])
            abort();
    error_free(err);
    err = elf_code_ranges(image, &ranges, &count);
    if (!err)
        check_inside(ranges, count, image->size);
    error_free(err);
    error_free(elf_dynamic_symbol(image, "main", &value));
    error_free(elf_static_symbol(image, "main", &value));
    error_free(elf_dynamic_symbol(image, "__vdso_clock_gettime", &value));
    err = elf_dynamic_symbols(image, &symbols, &count);
    size_t length = 0;
    for (size_t i = 0; !err && i < count && length < image->size; i++)
        length += strlen(symbols[i].name); /* reads it all */
    error_free(err);
    elf_offset_to_vaddr(image, image->entry, &value);
    elf_vaddr_to_offset(image, image->entry, &value);
    free(starts);
    free(ranges);
    free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct elf_image image;
    struct error *err = elf_image_init(&image, data, size, "fuzz");
    if (!err) {
        use_image(&image);
        elf_image_deinit(&image);
    }
    error_free(err);
    return 0;
}

#ifdef FUZZ_SMOKE

/* Larger seeds are cut: it is the headers and tables that matter, and each round copies the file. */
#define SEED_MAX (1 << 20)

/* Half of all changes hit the first KiB, where the headers are. */
static void mutate_once(uint8_t *data, size_t size) {
    struct area area = {0, next_random() & 1 && size > 1024 ? 1024 : size};
    smoke_poke(data, size, area, next_random() & 1 ? nasty_number() : next_random());
}

static void run(const uint8_t *seed, size_t size, unsigned long rounds) {
    smoke_mutations(seed, size, rounds, mutate_once);
}

int main(int argc, char **argv) {
    return smoke_main(argc, argv, SEED_MAX, run);
}

#endif
