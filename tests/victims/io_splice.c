/* Bytes moved inside the kernel: sendfile, copy_file_range, splice, tee and vmsplice between own files. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static void show_file(int fd) {
    static unsigned char bytes[20000];
    ssize_t got = pread(fd, bytes, sizeof bytes, 0);
    printf("  file: %zd bytes %016lx\n", got, (unsigned long)hash_bytes(bytes, (size_t)got));
}

int main(void) {
    int from = random_file("io_splice.in", 9000), to = random_file("io_splice.out", 0);
    int a[2], b[2];
    off_t offset = 100, second = 50;
    unsigned char bytes[2000];
    CHECK(pipe(a) == 0 && pipe(b) == 0);
    SHOW(sendfile(to, from, &offset, 1000));
    printf("offset %ld\n", (long)offset);
    SHOW(sendfile(to, from, NULL, 500));
    SHOW(lseek(from, 0, SEEK_CUR));
    show_file(to);
    SHOW(copy_file_range(from, &offset, to, &second, 3000, 0));
    printf("offsets %ld %ld\n", (long)offset, (long)second);
    SHOW(copy_file_range(from, NULL, to, NULL, 700, 0));
    show_file(to);
    SHOW(splice(from, &offset, a[1], NULL, 1500, 0));
    printf("offset %ld\n", (long)offset);
    SHOW(tee(a[0], b[1], 1000, 0));
    SHOW(splice(a[0], NULL, to, &second, 1200, 0));
    printf("offset %ld\n", (long)second);
    ssize_t got = read(a[0], bytes, sizeof bytes);
    printf("rest %zd %016lx\n", got, (unsigned long)hash_bytes(bytes, (size_t)got));
    got = read(b[0], bytes, sizeof bytes);
    printf("tee %zd %016lx\n", got, (unsigned long)hash_bytes(bytes, (size_t)got));
    show_file(to);
    fill_random(bytes, sizeof bytes);
    struct iovec parts[2] = {{bytes, 300}, {bytes + 900, 400}};
    SHOW(vmsplice(a[1], parts, 2, 0));
    unsigned char back[2000];
    got = read(a[0], back, sizeof back);
    printf("vmsplice %zd %016lx\n", got, (unsigned long)hash_bytes(back, (size_t)got));
    SHOW(splice(a[0], NULL, b[1], NULL, 10, SPLICE_F_NONBLOCK));
    CHECK(unlink("io_splice.in") == 0 && unlink("io_splice.out") == 0);
    return 0;
}
