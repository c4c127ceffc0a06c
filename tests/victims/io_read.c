/* Every way to read a file gives back the same bytes, offsets and counts, holes included. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/uio.h>

int main(void) {
    int fd = random_file("io_read.dat", 10000);
    unsigned char a[3000], b[1000], c[77];
    struct iovec parts[3] = {{a, sizeof a}, {b, sizeof b}, {c, sizeof c}};
    SHOW(read(fd, a, sizeof a));
    printf("read %016lx\n", (unsigned long)hash_bytes(a, sizeof a));
    SHOW(pread(fd, b, sizeof b, 9500));
    printf("pread %016lx\n", (unsigned long)hash_bytes(b, 500));
    SHOW(readv(fd, parts, 3));
    printf("readv %016lx\n", (unsigned long)(hash_bytes(a, sizeof a) ^ hash_bytes(c, sizeof c)));
    SHOW(preadv(fd, parts, 3, 6500));
    printf("preadv %016lx\n", (unsigned long)(hash_bytes(a, sizeof a) ^ hash_bytes(b, 500)));
    SHOW(preadv2(fd, parts, 2, 1, 0));
    SHOW(preadv2(fd, parts, 2, -1, 0));
    printf("preadv2 %016lx\n", (unsigned long)hash_bytes(a, sizeof a));
    SHOW(read(fd, a, sizeof a));
    SHOW(read(fd, a, sizeof a));
    SHOW(read(fd, bad_address(), 100));
    SHOW(lseek(fd, -10, SEEK_END));
    SHOW(read(fd, bad_address(), 100));
    SHOW(read(fd, a, 0));
    SHOW(read(-1, a, 10));
    CHECK(ftruncate(fd, 1 << 20) == 0);
    CHECK(pwrite(fd, "end", 3, 900000) == 3);
    SHOW(lseek(fd, 0, SEEK_DATA));
    SHOW(lseek(fd, 0, SEEK_HOLE));
    SHOW(lseek(fd, 20000, SEEK_DATA));
    SHOW(lseek(fd, 2 << 20, SEEK_DATA));
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(lseek(fd, 899999, SEEK_SET));
    SHOW(read(fd, c, sizeof c));
    printf("sparse %016lx\n", (unsigned long)hash_bytes(c, sizeof c));
    CHECK(close(fd) == 0 && unlink("io_read.dat") == 0);
    return 0;
}
