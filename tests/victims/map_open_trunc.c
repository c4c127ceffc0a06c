/* A mapped file emptied by being opened with O_TRUNC, in each of the ways to open. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

#define NAME "map_open_trunc.dat"

int main(void) {
    int fd = open(NAME, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
    unsigned char *shared = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    for (int way = 0; way < 5; way++) {
        unsigned char bytes[8192];
        uint64_t how[3] = {O_RDWR | O_TRUNC, 0, 0};
        fill_random(bytes, sizeof bytes);
        CHECK(pwrite(fd, bytes, sizeof bytes, 0) == sizeof bytes);
        private[5000] ^= 1;
        printf("%016lx %016lx\n", (unsigned long)hash_bytes(shared, 8192),
               (unsigned long)hash_bytes(private, 8192));
        long opened = way == 0   ? syscall(SYS_open, NAME, O_WRONLY | O_TRUNC)
                      : way == 1 ? syscall(SYS_openat, AT_FDCWD, NAME, O_RDWR | O_TRUNC)
                      : way == 2 ? syscall(SYS_creat, NAME, 0600)
                      : way == 3 ? syscall(SYS_openat2, AT_FDCWD, NAME, how, sizeof how)
                                 : syscall(SYS_open, NAME, O_RDONLY);
        CHECK(opened >= 0 || errno == ENOSYS);
        CHECK(opened < 0 || write((int)opened, "new", 3) == 3 || way == 4);
        CHECK(ftruncate(fd, 8192) == 0);
        printf("%016lx %016lx\n", (unsigned long)hash_bytes(shared, 8192),
               (unsigned long)hash_bytes(private, 8192));
        close((int)opened);
    }
    CHECK(unlink(NAME) == 0);
    return 0;
}
