/* A private file mapping sees the file's later changes on pages it has not written itself. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    unsigned char bytes[4096];
    int fd = random_file("map_private.dat", 5 * 4096 + 700);
    unsigned char *m = mmap(NULL, 6 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(m != MAP_FAILED);
    printf("%p %016lx\n", (void *)m, (unsigned long)hash_bytes(m, 6 * 4096));
    m[4096] = 'w';
    for (int page = 0; page < 5; page++) {
        fill_random(bytes, 300);
        CHECK(pwrite(fd, bytes, 300, page * 4096 + 1000) == 300);
        printf("page %d %s %016lx\n", page, memcmp(m + page * 4096 + 1000, bytes, 300) == 0 ? "new" : "old",
               (unsigned long)hash_bytes(m + page * 4096, 4096));
    }
    CHECK(lseek(fd, 0, SEEK_END) == 5 * 4096 + 700 && write(fd, "grown", 5) == 5);
    printf("last page %016lx %.5s\n", (unsigned long)hash_bytes(m + 5 * 4096, 4096), m + 5 * 4096 + 700);
    unsigned char *read_only = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 8192);
    CHECK(pwrite(fd, "CHANGED", 7, 8192) == 7);
    printf("%p %.7s\n", (void *)read_only, read_only);
    SHOW(madvise(m, 6 * 4096, MADV_DONTNEED));
    printf("fresh %016lx\n", (unsigned long)hash_bytes(m, 6 * 4096));
    unsigned char *over = mmap(m + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 3 * 4096);
    CHECK(over == m + 4096);
    printf("over %016lx\n", (unsigned long)hash_bytes(m, 6 * 4096));
    CHECK(close(fd) == 0 && unlink("map_private.dat") == 0);
    return 0;
}
