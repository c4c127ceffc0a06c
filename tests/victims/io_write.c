/* Every way to write a file returns the recorded counts, and reading back shows the same bytes. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/uio.h>

int main(void) {
    unsigned char bytes[5000], back[20000];
    fill_random(bytes, sizeof bytes);
    int fd = open("io_write.dat", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    struct iovec parts[3] = {{bytes, 100}, {bytes + 1000, 0}, {bytes + 2000, 3000}};
    SHOW(write(fd, bytes, sizeof bytes));
    SHOW(pwrite(fd, bytes + 10, 500, 12000));
    SHOW(writev(fd, parts, 3));
    SHOW(pwritev(fd, parts, 3, 7));
    SHOW(pwritev2(fd, parts, 3, -1, 0));
    SHOW(pwritev2(fd, parts, 1, 50, 0));
    SHOW(write(fd, bad_address(), 10));
    SHOW(lseek(fd, 0, SEEK_CUR));
    ssize_t got = pread(fd, back, sizeof back, 0);
    printf("%zd bytes %016lx\n", got, (unsigned long)hash_bytes(back, (size_t)got));
    SHOW(ftruncate(fd, 300));
    SHOW(truncate("io_write.dat", 400));
    SHOW(fallocate(fd, 0, 1000, 9000));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 200));
    CHECK(close(fd) == 0);
    fd = open("io_write.dat", O_RDWR | O_APPEND);
    CHECK(fd >= 0);
    SHOW(write(fd, "tail", 4));
    SHOW(pwrite(fd, "more", 4, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(fsync(fd));
    SHOW(fdatasync(fd));
    got = pread(fd, back, sizeof back, 0);
    printf("%zd bytes %016lx\n", got, (unsigned long)hash_bytes(back, (size_t)got));
    fwrite(back, 1, 16, stdout);
    CHECK(close(fd) == 0 && unlink("io_write.dat") == 0);
    int readonly = open("/dev/null", O_RDONLY);
    SHOW(write(readonly, "x", 1));
    SHOW(write(99, "x", 1));
    return 0;
}
