/* Sixty-four megabytes arrive in one read, mostly holes with random data here and there. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    size_t length = 64 << 20;
    int fd = random_file("misc_big_read.dat", 300000);
    CHECK(ftruncate(fd, (off_t)length) == 0);
    unsigned char some[5000];
    for (size_t at = 1 << 20; at < length; at += 7 << 20) {
        fill_random(some, sizeof some);
        CHECK(pwrite(fd, some, sizeof some, (off_t)at + 1234) == sizeof some);
    }
    unsigned char *all = malloc(length);
    CHECK(all != NULL);
    ssize_t got = read(fd, all, length);
    printf("%zd at %p %016lx\n", got, (void *)all, (unsigned long)hash_bytes(all, length));
    CHECK(got == (ssize_t)length && close(fd) == 0 && unlink("misc_big_read.dat") == 0);
    return 0;
}
