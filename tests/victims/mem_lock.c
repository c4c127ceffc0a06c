/* mincore, mlock, munlock, mlockall: residency vectors and errors as recorded. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    size_t pages = 64;
    int fd = random_file("mem_lock.dat", pages * 4096);
    unsigned char *a = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *f = mmap(NULL, pages * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    unsigned char resident[64];
    CHECK(a != MAP_FAILED && f != MAP_FAILED);
    for (size_t i = 0; i < pages; i += 3)
        a[i * 4096] = (unsigned char)(i ^ (uintptr_t)a >> 12);
    SHOW(mincore(a, pages * 4096, resident));
    for (size_t i = 0; i < pages; i++)
        putchar('0' + (resident[i] & 1));
    printf(" %p %p\n", (void *)a, (void *)f);
    SHOW(mincore(f, pages * 4096, resident));
    for (size_t i = 0; i < pages; i++)
        putchar('0' + (resident[i] & 1));
    putchar('\n');
    SHOW(mincore(a + 1, 4096, resident));
    SHOW(mlock(a, 8 * 4096));
    SHOW(mlock2(a + 8 * 4096, 4096, MLOCK_ONFAULT));
    SHOW(munlock(a, 4096));
    SHOW(mlockall(MCL_ONFAULT | MCL_CURRENT));
    SHOW(munlockall());
    printf("%016lx %016lx\n", (unsigned long)hash_bytes(a, pages * 4096),
           (unsigned long)hash_bytes(f, pages * 4096));
    CHECK(unlink("mem_lock.dat") == 0);
    return 0;
}
