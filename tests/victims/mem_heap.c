/* A 100 MB heap and a long malloc/realloc/free churn leave the same addresses and bytes. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    enum { SLOTS = 500 };
    static unsigned char *slots[SLOTS];
    static size_t sizes[SLOTS];
    unsigned seed;
    fill_random(&seed, sizeof seed);
    uint64_t sum = 0;
    for (int i = 0; i < 60000; i++) {
        size_t slot = (size_t)rand_r(&seed) % SLOTS;
        size_t size = (size_t)rand_r(&seed) % (i % 1000 == 0 ? 400000 : 3000) + 1;
        if (i % 3 == 0) {
            free(slots[slot]);
            slots[slot] = malloc(size);
        } else {
            slots[slot] = realloc(slots[slot], size);
        }
        CHECK(slots[slot] != NULL);
        sizes[slot] = size;
        slots[slot][size / 2] = (unsigned char)i;
        sum = sum * 31 + (uintptr_t)slots[slot];
    }
    for (int i = 0; i < SLOTS; i++)
        sum = sum * 31 + (slots[i] ? hash_bytes(slots[i], sizes[i]) : 1);
    printf("churn %016lx\n", (unsigned long)sum);
    unsigned char **blocks = malloc(1000 * sizeof *blocks);
    CHECK(blocks != NULL);
    for (int i = 0; i < 1000; i++) {
        blocks[i] = malloc(100 << 10);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i ^ (int)seed, 100 << 10);
        fill_random(blocks[i], 16);
    }
    for (int i = 0; i < 1000; i++)
        sum = sum * 31 + (hash_bytes(blocks[i], 64) ^ (uintptr_t)blocks[i]);
    printf("heap %016lx from %p\n", (unsigned long)sum, (void *)blocks[0]);
    for (int i = 0; i < 1000; i += 2)
        free(blocks[i]);
    void *big = malloc(50 << 20), *aligned = NULL;
    CHECK(posix_memalign(&aligned, 1 << 16, 5000) == 0);
    printf("big %p aligned %p calloc %p\n", big, aligned, calloc(7, 99999));
    free(big);
    return 0;
}
