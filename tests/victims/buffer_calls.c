/* Many calls of many kinds that need no stop: large and small outputs, failures, bad addresses, descriptors
 * that change what they are, more bytes than any buffer between two stops holds. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

enum { ROUNDS = 400 };

static char large[50000];

int main(void) {
    uint64_t hash = 0;
    int fd = random_file("data", 60000), pipes[2], zeros = open("/dev/zero", O_RDONLY);
    CHECK(fd >= 0 && zeros >= 0 && pipe(pipes) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        char bytes[64];
        struct stat info;
        struct timespec now;
        struct utsname names;
        CHECK(lseek(fd, i * 7, SEEK_SET) == i * 7);
        CHECK(read(fd, bytes, sizeof bytes) == sizeof bytes);
        hash = hash * 31 + hash_bytes(bytes, sizeof bytes);
        CHECK(pread(fd, large, sizeof large, i) == sizeof large);
        hash = hash * 31 + hash_bytes(large, 1000);
        CHECK(pread(fd, bytes, sizeof bytes, 59990) == 10 && pread(fd, bytes, sizeof bytes, 60000) == 0);
        CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
        hash = hash * 31 + (uint64_t)now.tv_nsec;
        CHECK(stat("data", &info) == 0 && info.st_size == 60000);
        CHECK(stat("none", &info) == -1 && errno == ENOENT);
        CHECK(stat("data", bad_address()) == -1 && errno == EFAULT);
        CHECK(pread(fd, bad_address(), 64, 0) == -1 && errno == EFAULT);
        CHECK(read(-1, bytes, 1) == -1 && errno == EBADF);
        CHECK(uname(&names) == 0 && getppid() > 0 && access("data", R_OK) == 0);
        hash = hash * 31 + (uint64_t)getpid();
        CHECK(syscall(SYS_gettimeofday, NULL, NULL) == 0);
        CHECK(fcntl(fd, F_GETFL) >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
        CHECK(read(zeros, bytes, sizeof bytes) == sizeof bytes && bytes[5] == 0);
        /* what the descriptor is changes under the same number */
        int copy = i % 2 ? open("data", O_RDONLY) : dup(pipes[0]);
        CHECK(copy >= 0 && (i % 2 || write(pipes[1], &now, sizeof now) == sizeof now));
        CHECK(read(copy, bytes, sizeof now) == sizeof now && close(copy) == 0);
        hash = hash * 31 + hash_bytes(bytes, sizeof now);
        /* a file that is written, and mapped later */
        int out = open("out", O_RDWR | O_CREAT, 0644);
        CHECK(write(out, bytes, 16) == 16 && pwrite(out, &now, sizeof now, 16) == sizeof now);
        CHECK(pread(out, bytes, 32, 0) == 32 && close(out) == 0);
        hash = hash * 31 + hash_bytes(bytes, 32);
        if (i % 100 == 99)
            printf("%d: %016lx\n", i, (unsigned long)hash);
    }
    return 0;
}
