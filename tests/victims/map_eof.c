/* The partial last page of a mapped file: zeros past the end, lost or kept as the kernel had it. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int fd = random_file("map_eof.dat", 4096 + 1234);
    unsigned char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    printf("%p %016lx\n", (void *)shared, (unsigned long)hash_bytes(shared, 8192));
    CHECK(shared[8191] == 0);
    fill_random(shared + 4096 + 1200, 100);
    printf("written past the end %016lx %016lx\n", (unsigned long)hash_bytes(shared, 8192),
           (unsigned long)hash_bytes(private, 8192));
    unsigned char back[8192];
    ssize_t got = pread(fd, back, sizeof back, 0);
    printf("file has %zd %016lx\n", got, (unsigned long)hash_bytes(back, (size_t)got));
    CHECK(pwrite(fd, "x", 1, 8191) == 1);
    got = pread(fd, back, sizeof back, 0);
    printf("file has %zd %016lx\n", got, (unsigned long)hash_bytes(back, (size_t)got));
    printf("memory %016lx %016lx\n", (unsigned long)hash_bytes(shared, 8192),
           (unsigned long)hash_bytes(private, 8192));
    CHECK(ftruncate(fd, 16384) == 0);
    unsigned char *later = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8192);
    CHECK(later != MAP_FAILED);
    later[8191] = 'z';
    CHECK(pread(fd, back, 8192, 8192) == 8192);
    printf("later %016lx\n", (unsigned long)hash_bytes(back, 8192));
    CHECK(unlink("map_eof.dat") == 0);
    return 0;
}
