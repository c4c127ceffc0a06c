/* A shared mapping that becomes writable after it was made, of a file whose time stamps do not show it. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int fd = memfd_create("late", 0);
    unsigned char bytes[4096];
    fill_random(bytes, sizeof bytes);
    CHECK(fd >= 0 && write(fd, bytes, sizeof bytes) == sizeof bytes);
    unsigned char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    printf("%016lx\n", (unsigned long)hash_bytes(shared, 4096));
    CHECK(mprotect(shared, 4096, PROT_READ | PROT_WRITE) == 0);
    fill_random(shared + 100, 200);
    unsigned char *private = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(private != MAP_FAILED && memcmp(shared, private, 4096) == 0);
    printf("%016lx\n", (unsigned long)hash_bytes(private, 4096));
    return 0;
}
