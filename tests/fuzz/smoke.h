/* smoke: what the fuzzers share: the test that an answer passed, and, where there is no libFuzzer
 * (-DFUZZ_SMOKE), what makes inputs: the same ones every time for the same seed. */
#ifndef REEL_TESTS_SMOKE_H
#define REEL_TESTS_SMOKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
static inline void require(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

#ifdef FUZZ_SMOKE

static uint64_t smoke_state = 1;

/* xorshift; it stands still at 0. */
static inline uint64_t next_random(void) {
    smoke_state ^= smoke_state << 13;
    smoke_state ^= smoke_state >> 7;
    smoke_state ^= smoke_state << 17;
    return smoke_state;
}

/* Numbers that parsers stumble over. */
static inline uint64_t nasty_number(void) {
    static const uint64_t numbers[] = {0,      1,          4,          0x7f,       0x80,      0xff,
                                       0xffff, 0x7fffffff, 0xffffffff, 1ull << 32, INT64_MAX, UINT64_MAX - 7};
    return numbers[next_random() % (sizeof(numbers) / sizeof(numbers[0]))];
}

struct area {
    size_t begin, size; /* size is not 0 */
};

/* Write a value, in 1, 2, 4 or 8 bytes, somewhere that begins in the area. */
static inline void smoke_poke(uint8_t *data, size_t size, struct area area, uint64_t value) {
    size_t at = area.begin + next_random() % area.size, width = (size_t)1 << (next_random() & 3);
    memcpy(data + at, &value, width < size - at ? width : size - at);
}

/* A copy of exactly this size: a sanitizer then sees a read beyond it. Free it. */
static inline uint8_t *smoke_copy(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    require(copy != NULL, "out of memory");
    if (size)
        memcpy(copy, data, size);
    return copy;
}

/* Cut now and then, and changed in up to 7 places. */
static inline void smoke_mutations(const uint8_t *seed, size_t most, unsigned long rounds,
                                   void (*mutate_once)(uint8_t *data, size_t size)) {
    for (unsigned long i = 0; i < rounds; i++) {
        size_t size = next_random() % 4 ? most : next_random() % (most + 1);
        uint8_t *data = smoke_copy(seed, size);
        for (uint64_t count = next_random() % 8; size && count; count--)
            mutate_once(data, size);
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
}

/* The file as it is, then `run` for its mutations. At most `most` bytes of it are read: each round copies it.
 */
static inline int smoke_file(const char *name, size_t most, unsigned long rounds,
                             void (*run)(const uint8_t *seed, size_t size, unsigned long rounds)) {
    FILE *file = fopen(name, "rb");
    if (!file) {
        perror(name);
        return 1;
    }
    uint8_t *seed = malloc(most);
    require(seed != NULL, "out of memory");
    size_t size = fread(seed, 1, most, file);
    fclose(file);
    LLVMFuzzerTestOneInput(seed, size);
    run(seed, size, rounds);
    free(seed);
    return 0;
}

/* SEED ROUNDS and at least `least` FILEs; false if they are not there. */
static inline bool smoke_begin(int argc, char **argv, int least, unsigned long *ret_rounds) {
    if (argc < 3 + least) {
        fprintf(stderr, "usage: %s SEED ROUNDS FILE...\n", argv[0]);
        return false;
    }
    smoke_state = strtoull(argv[1], NULL, 0) * 2 + 1;
    *ret_rounds = strtoul(argv[2], NULL, 0);
    return true;
}

/* A whole main(): each FILE is mutated. */
static inline int smoke_main(int argc, char **argv, size_t most,
                             void (*run)(const uint8_t *seed, size_t size, unsigned long rounds)) {
    unsigned long rounds;
    int failed = 0;
    if (!smoke_begin(argc, argv, 1, &rounds))
        return 2;
    for (int i = 3; i < argc; i++)
        failed |= smoke_file(argv[i], most, rounds, run);
    return failed;
}

#endif
#endif
