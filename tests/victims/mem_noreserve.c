/* A sparse 1 GB reservation with a few touched pages is neither recorded whole nor lost. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    size_t length = 1UL << 30;
    unsigned char *a =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(a != MAP_FAILED);
    unsigned seed;
    fill_random(&seed, sizeof seed);
    for (int i = 0; i < 40; i++) {
        size_t at = (size_t)rand_r(&seed) % (length - 64);
        fill_random(a + at, 64);
        printf("%p %zu %016lx\n", (void *)a, at, (unsigned long)hash_bytes(a + (at & ~4095UL), 4096));
    }
    SHOW(madvise(a + length / 2, length / 2, MADV_DONTNEED));
    unsigned char resident[256];
    SHOW(mincore(a, sizeof resident * 4096, resident));
    printf("resident %016lx\n", (unsigned long)hash_bytes(resident, sizeof resident));
    void *reserved = mmap(NULL, 1UL << 36, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("64 GB of nothing at %p\n", reserved);
    return 0;
}
