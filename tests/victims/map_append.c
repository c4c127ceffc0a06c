/* Writes that go to the end of a mapped file wherever their offset points: O_APPEND, RWF_APPEND. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/uio.h>

int main(void) {
    unsigned char bytes[100];
    int fd = open("map_append.dat", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    CHECK(fd >= 0 && write(fd, "begin", 5) == 5);
    unsigned char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    fill_random(bytes, sizeof bytes);
    CHECK(pwrite(fd, bytes, sizeof bytes, 0) == sizeof bytes);
    printf("%016lx\n", (unsigned long)hash_bytes(shared, 4096));
    CHECK(memcmp(shared + 5, bytes, sizeof bytes) == 0);
    int plain = open("map_append.dat", O_RDWR);
    CHECK(plain >= 0);
    struct iovec piece = {bytes, 50};
    SHOW(pwritev2(plain, &piece, 1, 0, RWF_APPEND));
    printf("%016lx\n", (unsigned long)hash_bytes(shared, 4096));
    CHECK(write(fd, "end", 3) == 3);
    printf("%016lx\n", (unsigned long)hash_bytes(shared, 4096));
    CHECK(unlink("map_append.dat") == 0);
    return 0;
}
