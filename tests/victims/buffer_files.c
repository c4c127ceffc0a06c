/* Files of every kind are opened, read and closed, and folders listed, from the same few places, so that
 * nothing of it stops in the end; a timer comes in between. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>

enum { FILES = 40, ROUNDS = 30, PAGE = 4096 };

static volatile sig_atomic_t ticks;
static char buffer[300000];

static void on_tick(int signo) {
    ticks += signo != 0;
}

static long read_all(const char *path, int flags) {
    int fd = open(path, flags);
    long sum = 0;
    ssize_t got;
    if (fd < 0)
        return -errno;
    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        for (ssize_t i = 0; i < got; i++)
            sum += buffer[i];
    close(fd);
    return got < 0 ? -errno : sum;
}

/* What does not fit before the border is begun all the same. */
static uint64_t list(const char *path, char *border, size_t room) {
    char *at = border - room;
    uint64_t hash = 0;
    long got;
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    while ((got = syscall(SYS_getdents64, fd, at, (size_t)PAGE)) > 0)
        hash = hash * 31 + hash_bytes(border - PAGE, PAGE);
    hash = hash * 31 + hash_bytes(border - PAGE, PAGE) + (uint64_t)got;
    close(fd);
    return hash;
}

static void make_files(void) {
    char name[64];
    CHECK(mkdir("folder", 0755) == 0 && mkfifo("fifo", 0600) == 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "folder/file-%d", i * i * i);
        int fd = open(name, O_CREAT | O_WRONLY, 0644);
        CHECK(write(fd, buffer, (size_t)i * 200) == i * 200);
        close(fd);
    }
}

/* Reading what is also written and mapped. */
static long update(int round) {
    int fd = open("folder/file-0", O_RDWR);
    char byte = (char)round, *map;
    CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
    map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED && pwrite(fd, &byte, 1, round) == 1 && map[round] == byte);
    long sum = read_all("folder/file-0", O_RDONLY);
    CHECK(munmap(map, PAGE) == 0);
    close(fd);
    return sum;
}

int main(void) {
    char name[64], *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct itimerval every = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    CHECK(pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0);
    CHECK(munmap(pages + 2 * PAGE, PAGE) == 0);
    for (size_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = (char)i;
    make_files();
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        long sum = 0;
        for (int i = 1; i < FILES; i++) {
            snprintf(name, sizeof(name), "folder/file-%d", i * i * i);
            sum += read_all(name, i % 2 ? O_RDONLY : O_RDONLY | O_CLOEXEC);
        }
        read_all("/proc/self/stat", O_RDONLY);
        CHECK(read_all("fifo", O_RDONLY | O_NONBLOCK) == 0 && read_all("/dev/null", O_RDONLY) == 0);
        CHECK(read_all("folder", O_RDONLY) == -EISDIR && read_all("none", O_RDONLY) == -ENOENT);
        printf("%d: %ld %ld %lx\n", round, sum, update(round),
               list("folder", pages + PAGE, 100 + (size_t)round * 23));
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    printf("ticks %d\n", ticks > 0);
    return 0;
}
