/* Shared anonymous memory, /dev/zero both ways, and old-style aliasing through mremap. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int rw = PROT_READ | PROT_WRITE, zero = open("/dev/zero", O_RDWR);
    unsigned char *a = mmap(NULL, 32768, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char *zs = mmap(NULL, 8192, rw, MAP_SHARED, zero, 0);
    unsigned char *zp = mmap(NULL, 8192, rw, MAP_PRIVATE, zero, 4096);
    CHECK(a != MAP_FAILED && zs != MAP_FAILED && zp != MAP_FAILED);
    fill_random(a, 20000);
    fill_random(zs, 5000);
    fill_random(zp + 4000, 4000);
    printf("%p %p %p\n", (void *)a, (void *)zs, (void *)zp);
    unsigned char *alias = mremap(a, 0, 32768, MREMAP_MAYMOVE);
    CHECK(alias != MAP_FAILED);
    CHECK(getrandom(alias + 12345, 256, 0) == 256);
    CHECK(memcmp(a, alias, 32768) == 0);
    printf("%016lx %016lx\n", (unsigned long)hash_bytes(a, 32768), (unsigned long)hash_bytes(alias, 32768));
    SHOW(madvise(a, 8192, MADV_DONTNEED));
    printf("shared keeps %016lx\n", (unsigned long)hash_bytes(a, 32768));
    SHOW(madvise(zp, 8192, MADV_DONTNEED));
    printf("private loses %016lx\n", (unsigned long)hash_bytes(zp, 8192));
    SHOW(munmap(a + 4096, 8192));
    a[0] ^= 1;
    printf("%016lx %016lx\n", (unsigned long)hash_bytes(alias, 32768), (unsigned long)hash_bytes(zs, 8192));
    unsigned char bytes[100];
    SHOW(read(zero, bytes, sizeof bytes));
    SHOW(write(zero, bytes, sizeof bytes));
    printf("%016lx\n", (unsigned long)hash_bytes(bytes, sizeof bytes));
    return 0;
}
