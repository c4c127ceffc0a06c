/* Two mappings of one file are the same memory: what is stored through one is seen through the other. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int fd = random_file("map_alias.dat", 16384), again = open("map_alias.dat", O_RDONLY);
    unsigned char *a = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *b = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
    unsigned char *c = mmap(NULL, 16384, PROT_READ, MAP_SHARED, again, 0);
    unsigned char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE, again, 0);
    CHECK(a != MAP_FAILED && b != MAP_FAILED && c != MAP_FAILED && p != MAP_FAILED);
    CHECK(close(fd) == 0 && close(again) == 0);
    p[1] = 0x11;
    for (int i = 0; i < 200; i++) {
        unsigned where;
        fill_random(&where, sizeof where);
        a[where % 16384] ^= 0x5a;
        b[(where >> 8) % 8192] += 3;
        CHECK(memcmp(a + 4096, b, 8192) == 0 && memcmp(a, c, 16384) == 0);
    }
    printf("%p %p %p %p\n", (void *)a, (void *)b, (void *)c, (void *)p);
    printf("%016lx %016lx\n", (unsigned long)hash_bytes(b, 8192), (unsigned long)hash_bytes(c, 16384));
    printf("private, copied page %016lx\n", (unsigned long)hash_bytes(p, 4096));
    printf("private, others %016lx\n", (unsigned long)hash_bytes(p + 4096, 12288));
    CHECK(getrandom(b + 5000, 1000, 0) == 1000 && memcmp(a, c, 16384) == 0);
    CHECK(munmap(a, 16384) == 0);
    printf("filled by the kernel %016lx\n", (unsigned long)hash_bytes(c, 16384));
    CHECK(unlink("map_alias.dat") == 0);
    b[0] = 9;
    printf("unlinked %d %d\n", c[4096], b[0]);
    return 0;
}
