/* fuzz_elf: any bytes at all given to dwarf/elf.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target. Built with -DFUZZ_SMOKE it is a program of its own
 * that runs mutations of seed files for a while, the same ones every time: fuzz_elf SEED ROUNDS FILE... */
#include "dwarf/elf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

#include <stdio.h>

/* Larger seeds are cut: it is the headers and tables that matter, and each round copies the file. */
#define SEED_MAX (1 << 20)

static uint64_t state;

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Numbers that parsers stumble over. */
static uint64_t nasty_number(void) {
    static const uint64_t numbers[] = {0,          1,          0x7f,       0xff,      0xffff,
                                       0x7fffffff, 0xffffffff, 1ull << 32, INT64_MAX, UINT64_MAX - 7};
    return numbers[next_random() % (sizeof(numbers) / sizeof(numbers[0]))];
}

/* Half of all changes hit the first KiB, where the headers are. */
static void mutate_once(uint8_t *data, size_t size) {
    size_t area = next_random() & 1 && size > 1024 ? 1024 : size;
    size_t at = next_random() % area, width = (size_t)1 << (next_random() & 3);
    uint64_t value = next_random() & 1 ? nasty_number() : next_random();
    if (width > size - at)
        width = size - at;
    memcpy(data + at, &value, width);
}

static void run_mutation(const uint8_t *seed, size_t size) {
    if (next_random() % 4 == 0)
        size = next_random() % (size + 1);
    uint8_t *data = malloc(size ? size : 1); /* exactly as big, so that ASAN sees a read beyond */
    if (!data)
        return;
    memcpy(data, seed, size);
    for (uint64_t count = next_random() % 8; size && count; count--)
        mutate_once(data, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int run_file(const char *name, unsigned long rounds) {
    FILE *file = fopen(name, "rb");
    uint8_t *seed = malloc(SEED_MAX);
    if (!file || !seed) {
        perror(name);
        if (file)
            fclose(file);
        free(seed);
        return 1;
    }
    size_t size = fread(seed, 1, SEED_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(seed, size);
    for (unsigned long i = 0; i < rounds; i++)
        run_mutation(seed, size);
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
    return failed;
}

#endif
