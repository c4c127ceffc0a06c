/* A thousand random mmaps, munmaps and mprotects, each address printed. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    enum { SLOTS = 120 };
    static unsigned char *at[SLOTS];
    static size_t pages[SLOTS];
    unsigned seed;
    fill_random(&seed, sizeof seed);
    uint64_t sum = 0;
    for (int i = 0; i < 1000; i++) {
        int slot = rand_r(&seed) % SLOTS;
        if (at[slot] != NULL) {
            if (rand_r(&seed) % 4 == 0) {
                CHECK(mprotect(at[slot], 4096, PROT_READ) == 0);
                sum = sum * 31 + at[slot][17];
            }
            CHECK(munmap(at[slot], pages[slot] * 4096) == 0);
            at[slot] = NULL;
            continue;
        }
        pages[slot] = (size_t)(rand_r(&seed) % 50 + 1);
        at[slot] = mmap(NULL, pages[slot] * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at[slot] != MAP_FAILED);
        at[slot][17] = (unsigned char)i;
        sum = sum * 31 + (uintptr_t)at[slot];
        if (i % 50 == 0)
            printf("%d %p\n", i, (void *)at[slot]);
    }
    printf("sum %016lx\n", (unsigned long)sum);
    return 0;
}
