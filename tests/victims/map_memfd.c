/* memfd_create mapped shared twice, written by memory and by write, resized and sealed. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int fd = memfd_create("victim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && ftruncate(fd, 65536) == 0);
    unsigned char *a = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *b = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(a != MAP_FAILED && b != MAP_FAILED);
    fill_random(a + 100, 60000);
    printf("%p %p %016lx\n", (void *)a, (void *)b, (unsigned long)hash_bytes(b, 65536));
    unsigned char back[1000], bytes[1000];
    CHECK(pread(fd, back, sizeof back, 5000) == 1000 && memcmp(back, b + 5000, 1000) == 0);
    fill_random(bytes, sizeof bytes);
    CHECK(pwrite(fd, bytes, 1000, 7777) == 1000 && memcmp(a + 7777, bytes, 1000) == 0);
    printf("%016lx\n", (unsigned long)hash_bytes(b, 65536));
    CHECK(ftruncate(fd, 8192) == 0 && ftruncate(fd, 65536) == 0);
    printf("%016lx\n", (unsigned long)hash_bytes(b, 65536));
    SHOW(madvise(a, 4096, MADV_REMOVE));
    printf("%016lx\n", (unsigned long)hash_bytes(b, 65536));
    CHECK(munmap(a, 65536) == 0);
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(pwrite(fd, bytes, 10, 0));
    SHOW(lseek(fd, 0, SEEK_DATA));
    char path[64], target[64] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SHOW(readlink(path, target, sizeof target - 1));
    printf("%s %016lx\n", target, (unsigned long)hash_bytes(b, 65536));
    return 0;
}
