/* A MAP_SHARED file changed through memory, write, pwrite and ftruncate is coherent both ways. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    unsigned char bytes[5000], back[20480];
    size_t length = 20480;
    int fd = random_file("map_shared.dat", length);
    unsigned char *m = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED);
    printf("%p %016lx\n", (void *)m, (unsigned long)hash_bytes(m, length));
    fill_random(m + 3000, 3000);
    CHECK(pread(fd, back, length, 0) == (ssize_t)length && memcmp(back, m, length) == 0);
    printf("by memory %016lx\n", (unsigned long)hash_bytes(back, length));
    fill_random(bytes, sizeof bytes);
    CHECK(pwrite(fd, bytes, sizeof bytes, 4000) == sizeof bytes &&
          memcmp(m + 4000, bytes, sizeof bytes) == 0);
    printf("by pwrite %016lx\n", (unsigned long)hash_bytes(m, length));
    CHECK(lseek(fd, 100, SEEK_SET) == 100 && write(fd, bytes, 77) == 77 && memcmp(m + 100, bytes, 77) == 0);
    printf("by write %016lx\n", (unsigned long)hash_bytes(m, length));
    CHECK(ftruncate(fd, 9000) == 0);
    printf("truncated %016lx\n", (unsigned long)hash_bytes(m, 12288));
    CHECK(m[9000] == 0 && m[12287] == 0);
    CHECK(ftruncate(fd, (off_t)length) == 0);
    CHECK(m[9000] == 0 && m[20000] == 0);
    printf("extended %016lx\n", (unsigned long)hash_bytes(m, length));
    int other = open("map_shared.dat", O_WRONLY | O_APPEND);
    CHECK(pwrite(fd, bytes, 100, 20400) == 100 && write(other, "appended", 8) == 8);
    printf("tail %016lx\n", (unsigned long)hash_bytes(m + 16384, 4096));
    CHECK(read(open("/dev/urandom", O_RDONLY), m + 8000, 4000) == 4000);
    CHECK(pread(fd, back, length, 0) == (ssize_t)length && memcmp(back, m, length) == 0);
    printf("by read %016lx\n", (unsigned long)hash_bytes(back, length));
    SHOW(msync(m, length, MS_SYNC));
    SHOW(msync(m, 4096, MS_ASYNC | MS_INVALIDATE));
    SHOW(msync(m + 1, 4096, MS_SYNC));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
    printf("punched %016lx\n", (unsigned long)hash_bytes(m, length));
    SHOW(madvise(m, length, MADV_DONTNEED));
    printf("dropped %016lx\n", (unsigned long)hash_bytes(m, length));
    CHECK(munmap(m, length) == 0 && close(fd) == 0 && unlink("map_shared.dat") == 0);
    return 0;
}
