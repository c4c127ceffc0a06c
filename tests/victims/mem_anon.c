/* Anonymous mappings: addresses, punched holes, changed protections and dropped pages. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

#define PAGE 4096UL

static unsigned char *map(size_t pages) {
    void *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

int main(void) {
    unsigned char *a = map(16);
    fill_random(a, 16 * PAGE);
    printf("a %p %016lx\n", (void *)a, (unsigned long)hash_bytes(a, 16 * PAGE));
    CHECK(munmap(a + 4 * PAGE, 3 * PAGE) == 0);
    unsigned char *b = map(2);
    printf("b %p\n", (void *)b);
    unsigned char *c = mmap(a + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("hint %p first byte %d\n", (void *)c, c[0]);
    SHOW(mmap(a, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
    unsigned char *d =
        mmap(a + 9 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(d == a + 9 * PAGE);
    printf("over %p %016lx\n", (void *)d, (unsigned long)hash_bytes(a + 8 * PAGE, 4 * PAGE));
    SHOW(mprotect(a, 2 * PAGE, PROT_READ));
    SHOW(syscall(SYS_getrandom, a, 10, 0));
    SHOW(mprotect(a + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    a[PAGE] = 0xc3;
    ((void (*)(void))(uintptr_t)(a + PAGE))();
    SHOW(mprotect(a + 5 * PAGE, PAGE, PROT_READ));
    SHOW(madvise(a + PAGE, PAGE, MADV_DONTNEED));
    SHOW(madvise(a + 12 * PAGE, 2 * PAGE, MADV_WILLNEED));
    SHOW(madvise(a + 12 * PAGE, PAGE, MADV_HUGEPAGE));
    SHOW(madvise(a + 13 * PAGE, PAGE, 9999));
    printf("a %016lx\n", (unsigned long)(hash_bytes(a, 4 * PAGE) ^ hash_bytes(a + 7 * PAGE, 9 * PAGE)));
    SHOW(madvise(a + 14 * PAGE, PAGE, MADV_FREE));
    memset(a + 14 * PAGE, 3, PAGE);
    printf("a %016lx\n", (unsigned long)hash_bytes(a + 13 * PAGE, 3 * PAGE));
    SHOW(munmap(a + 1, PAGE));
    SHOW(munmap(a, 16 * PAGE));
    unsigned char *low = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned char *grows = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK, -1, 0);
    printf("low %p grows %p again %p\n", (void *)low, (void *)grows, (void *)map(16));
    return 0;
}
